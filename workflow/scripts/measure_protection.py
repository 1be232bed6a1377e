"""Measure what the defences of target models cost, and how much is recognised despite them."""

import argparse

from table_arguments import add_table_arguments

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.labels import with_truth
from semsim.statistics.protection import measure_protection


def main() -> None:
    arguments = parse_arguments()
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    protection = measure_protection(answers, read_table(arguments.accuracy), read_table(arguments.datasets))
    write_table(protection, arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "labels", "images", "accuracy", "datasets")
    parser.add_argument("--out", required=True, metavar="protection.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
