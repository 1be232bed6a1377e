"""Describe the clear originals of the published human study by the features of VGG16, and by their entropy."""

import argparse
from pathlib import Path

import torch

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.labels.human_study import DATASET, clear_originals
from semsim.pretrained.describing import describe_with_vgg16
from semsim.pretrained.weights import find_weights


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    originals, images = clear_originals(read_table(arguments.images))
    described = describe_with_vgg16(find_weights("vgg16", arguments.pretrained), images)
    write_table(described.assign(dataset=DATASET, original=originals), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, metavar="images.csv", help="the images of the published study")
    parser.add_argument("--pretrained", type=Path, metavar="DIR", help="folder of pretrained weights")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of PyTorch (default: 1)")
    parser.add_argument("--out", required=True, metavar="X.parquet", help="one row per original, to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
