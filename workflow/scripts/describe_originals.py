"""Describe the clear originals of a study by a plain classifier's features and the entropy of its prediction."""

import argparse

import pandas as pd
from start_arguments import add_start_arguments
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.data import load_split
from semsim.io.tables import write_table
from semsim.learned.classifier import describe_images, open_classifier


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    metric, last_layer = open_classifier(arguments.start, device=device, pretrained=arguments.pretrained)
    tables = []
    for dataset, path in zip(arguments.datasets, arguments.data, strict=True):
        images, _ = load_split(path, "originals")
        tables.append(describe_images(metric, images, last_layer).assign(dataset=dataset, original=range(len(images))))
    write_table(pd.concat(tables, ignore_index=True), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, nargs="+", metavar="X.safetensors", help="the data sets")
    parser.add_argument("--datasets", required=True, nargs="+", metavar="NAME", help="their names, in the same order")
    add_start_arguments(parser, required=True)
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.parquet", help="one row per original, to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
