"""Measure how faithful metrics are against the original, as released, and against the attacked image."""

import argparse

from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.defects.misalignment import measure_misalignment
from semsim.io.tables import read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for


def main() -> None:
    arguments = parse_arguments()
    accuracy = read_table(arguments.accuracy)
    table = measure_misalignment(
        read_table(arguments.metrics),
        read_table(arguments.recognition),
        set(accuracy.loc[accuracy["augmentation"] != "none", "target"]),
        scales_of(read_table(arguments.scales)).directions,
        arguments.resamples,
        seed_for(arguments.seed, "misaligned reference"),
    )
    write_table(table, arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "metrics", "recognition", "scales", "accuracy")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
