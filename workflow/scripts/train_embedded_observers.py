"""Train the bundled observers (simulated annotators) of a kind of embedded images: write weights and losses."""

import argparse
from pathlib import Path

import pandas as pd
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import positive, run
from semsim.io.tables import write_table
from semsim.observers.endless import CLASSES
from semsim.observers.panel import train_panel
from semsim.targets.models import load_target, save_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    start = {path.stem: load_target(path) for path in arguments.start}
    observers, losses = train_panel(arguments.kind, arguments.steps, start, device)
    for name, observer in observers.items():
        about = {"observer": name, "kind": arguments.kind}
        save_target(observer.half(), arguments.weights / f"{name}.safetensors", about)  # half precision suffices
    write_table(pd.DataFrame(losses), arguments.losses)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", required=True, choices=list(CLASSES), help="what they read")
    parser.add_argument("--steps", type=positive, required=True, metavar="N", help="batches of 128 images")
    parser.add_argument(
        "--start", nargs="+", default=[], type=Path, metavar="X.safetensors", help="those of another kind to start from"
    )
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, type=Path, metavar="DIR", help="folder of weights to write")
    parser.add_argument("--losses", required=True, metavar="OUT.csv", help="the losses to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
