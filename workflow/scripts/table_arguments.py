"""The arguments that scripts share which measure something of a study's tables."""

from argparse import ArgumentParser

TABLES = {
    "labels": "one row per label",
    "images": "one row per image, with its true class",
    "metrics": "every metric of every reconstruction",
    "recognition": "recognition rates of the reconstructions",
    "scales": "how to read each metric",
    "accuracy": "the target models",
    "datasets": "the data sets",
}
"""What stands in each table."""


def add_table_arguments(parser: ArgumentParser, *names: str) -> None:
    """Add an argument for each of these `TABLES`."""
    for name in names:
        parser.add_argument(f"--{name}", required=True, metavar=f"{name}.csv", help=TABLES[name])


def add_resampling_arguments(parser: ArgumentParser) -> None:
    """Add the number of resamples, and the seed."""
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the study's seed")
