"""Measure whether a study's reconstructions resemble the paper's, whose labels it replays, by metrics of both."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.labels.replayed import join_published
from semsim.statistics.correspondence import measure_correspondence

COMPARABLE = ["psnr", "ssim", "mse"]
"""Of the published values, those whose definition is known."""


def main() -> None:
    arguments = parse_arguments()
    tables = [read_table(path) for path in (arguments.metrics, arguments.published_metrics, arguments.published_images)]
    pairs = read_table(arguments.pairs)
    (unit,) = pairs["unit"].unique()
    own, published = join_published(*tables, pairs)
    table = measure_correspondence(own, published, COMPARABLE, unit, arguments.resamples, arguments.seed)
    write_table(table, arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="the study's")
    parser.add_argument("--published-metrics", required=True, metavar="metrics.csv", help="from fetch_human_study.py")
    parser.add_argument("--published-images", required=True, metavar="images.csv", help="from fetch_human_study.py")
    parser.add_argument("--pairs", required=True, metavar="pairs.csv", help="from replay_labels.py")
    parser.add_argument("--resamples", type=int, default=1000, help="for intervals and shuffles (at most 1000)")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="correspondence.csv", help="to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
