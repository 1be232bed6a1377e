"""Ask simulated observers what they see in the reconstructions of a data set."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from semsim.commandline import json_object, run
from semsim.errors import SemsimError
from semsim.files import read_arrays, write_table
from semsim.labels import shown_images
from semsim.labels.table import COLUMNS
from semsim.observers.answers import answer
from semsim.tables import concatenated
from semsim.targets.device import choose_device
from semsim.targets.models import load_target


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    attacks = concatenated(arguments.tables)
    reconstructions = np.concatenate([read_arrays(path)["reconstruction"] for path in arguments.reconstructions])
    if len(attacks) != len(reconstructions):
        raise SemsimError(
            f"{len(reconstructions)} reconstructions, but {len(attacks)} rows in their tables. Give the tables of the"
            " same attacks in the same order, and run an attack again whose files do not agree."
        )
    kept = torch.from_numpy((attacks["status"] != "diverged").to_numpy())
    images, shown = torch.from_numpy(reconstructions)[kept], shown_images(attacks)
    labels = []
    for path in map(Path, arguments.observers):
        given = answer(load_target(path, choose_device(arguments.device)), images, arguments.cautions[path.stem])
        labels.append(shown[["image"]].assign(annotator=path.stem, label=given.numpy()))
    table = pd.concat(labels, ignore_index=True).assign(kind="simulated", seconds=None, given_at=None)
    write_table(table[COLUMNS], arguments.out)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--observers", required=True, nargs="+", metavar="X.safetensors", help="the observers, each named as its file"
    )
    parser.add_argument(
        "--cautions", required=True, type=json_object, metavar="JSON", help="how sure each must be to name a class"
    )
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="X.safetensors", help="one file a target and attack"
    )
    parser.add_argument("--tables", required=True, nargs="+", metavar="X.csv", help="their tables, in the same order")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of PyTorch (default: 1)")
    parser.add_argument("--out", required=True, metavar="labels.csv", help="the labels to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
