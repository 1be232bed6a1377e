"""Measure how accurate the bundled observers (simulated annotators) are, and write their card."""

import argparse
from pathlib import Path

import pandas as pd
import torch

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.io.whole import write_text
from semsim.observers.card import panel_card
from semsim.observers.endless import CLASSES
from semsim.observers.reading import read_panel
from semsim.observers.shipped import PANEL
from semsim.targets.models import load_target


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    losses = {kind: read_table(arguments.folder / kind / "losses.csv") for kind in CLASSES}
    reading = pd.concat([read_panel(kind, observers_in(arguments.folder / kind)) for kind in CLASSES])
    write_table(reading, arguments.folder / "reading.csv")
    write_text(panel_card(reading, losses), arguments.folder / "CARD.md")


def observers_in(folder):
    return {name: load_target(folder / f"{name}.safetensors") for name in PANEL}


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="where they are; to write to as well")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of PyTorch (default: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
