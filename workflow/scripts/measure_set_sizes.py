"""Measure distances between sets of images, such as FID and KID, for few and for many images.

The classifier is used if Inception is not available.
"""

import argparse

from start_arguments import add_start_arguments
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.data import open_split
from semsim.defects.features import features_of
from semsim.defects.image_sets import choose_images
from semsim.defects.set_sizes import measure_set_sizes
from semsim.io.tables import write_table
from semsim.io.tensors import read_metadata
from semsim.metrics.reconstructions import read_reconstructions
from semsim.seeds import seed_for

DRAWS = 20


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    # Not the public images, on which the classifier was trained: its features would separate them from unseen ones.
    clear = {read_metadata(path)["name"]: open_split(path, "train")[0] for path in arguments.data}
    attacks = (read_reconstructions(*paths) for paths in zip(arguments.reconstructions, arguments.tables, strict=True))
    parts = choose_images(clear, attacks, seed_for(arguments.seed, "set sizes", "images"))
    name, (clear, reconstructed) = features_of(parts, arguments.start, arguments.pretrained, device)
    table = measure_set_sizes(clear, reconstructed, DRAWS, seed_for(arguments.seed, "set sizes"))
    write_table(table.assign(features=name), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, nargs="+", metavar="X.safetensors", help="the data sets")
    parser.add_argument("--reconstructions", required=True, nargs="+", metavar="X.safetensors", help="all of the study")
    parser.add_argument("--tables", required=True, nargs="+", metavar="X.csv", help="of the attacks, in that order")
    add_start_arguments(parser, required=True)
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
