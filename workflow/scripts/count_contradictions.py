"""Count how often two metrics, or a metric and the annotators, order two reconstructions differently."""

import argparse

from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for
from semsim.statistics.contradictions import count_contradictions
from semsim.statistics.crossing import cross_parts


def main() -> None:
    arguments = parse_arguments()
    directions = scales_of(read_table(arguments.scales)).directions
    crossings = cross_parts(read_parts(arguments.metrics), read_table(arguments.recognition), directions)
    contradictions = count_contradictions(
        crossings,
        directions,
        arguments.resamples,
        seed_for(arguments.seed, "contradictions"),
    )
    write_table(contradictions, arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "metrics", "recognition", "scales")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="contradictions.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
