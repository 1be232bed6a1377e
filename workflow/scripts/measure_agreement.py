"""Measure how well annotators agree, how well one of them predicts the others, and what recognition depends on."""

import argparse

import pandas as pd
from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.labels import with_truth
from semsim.seeds import seed_for
from semsim.statistics.agreement import describe_agreement
from semsim.statistics.ceiling import cross_annotators, human_ceiling
from semsim.statistics.dawid_skene import estimate_reliability
from semsim.statistics.variance import divide_variance


def main() -> None:
    arguments = parse_arguments()
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    seed = seed_for(arguments.seed, "agreement")
    agreement = [describe_agreement(answers, arguments.resamples, seed), estimate_reliability(answers)]
    write_table(pd.concat(agreement, ignore_index=True), arguments.out)
    write_table(divide_variance(answers, arguments.resamples, seed), arguments.out_variance)
    crossings = cross_annotators(answers)
    del answers  # which take many times as much memory
    ceiling = human_ceiling(crossings, arguments.resamples, seed)
    write_table(ceiling, arguments.out_ceiling)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "labels", "images")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="agreement.csv", help="table of agreement to write")
    parser.add_argument("--out-ceiling", required=True, metavar="ceiling.csv", help="table of the ceiling to write")
    parser.add_argument("--out-variance", required=True, metavar="variance.csv", help="table of the variance to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
