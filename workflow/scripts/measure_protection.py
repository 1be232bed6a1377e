"""Measure what the defences of target models cost, and how much is recognised in spite of them."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.labels import with_truth
from semsim.statistics.protection import measure_protection


def main():
    arguments = parse_arguments()
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    protection = measure_protection(answers, read_table(arguments.accuracy), read_table(arguments.datasets))
    write_table(protection, arguments.out)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", required=True, metavar="labels.csv", help="one row per label")
    parser.add_argument("--images", required=True, metavar="images.csv", help="one row per image, with its true class")
    parser.add_argument("--accuracy", required=True, metavar="accuracy.csv", help="the table of target models")
    parser.add_argument("--datasets", required=True, metavar="datasets.csv", help="the table of data sets")
    parser.add_argument("--out", required=True, metavar="protection.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
