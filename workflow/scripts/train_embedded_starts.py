"""Train the bundled classifiers of embedded images, from which SemSim may be initialised."""

import argparse
from pathlib import Path

import pandas as pd
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import positive, run
from semsim.io.tables import write_table
from semsim.learned.starting import read_starts, train_starts, without_head
from semsim.targets.models import save_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    starts, losses = train_starts(arguments.steps, device)
    write_table(read_starts(starts), arguments.reading)
    for name, start in starts.items():
        save_target(without_head(start).half(), arguments.weights / f"{name}.safetensors", {"start": name})
    write_table(pd.DataFrame(losses), arguments.losses)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=positive, required=True, metavar="N", help="batches of 64 images of each kind")
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, type=Path, metavar="DIR", help="folder of weights to write")
    parser.add_argument("--losses", required=True, metavar="OUT.csv", help="the losses to write")
    parser.add_argument("--reading", required=True, metavar="OUT.csv", help="to write: how accurate they are")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
