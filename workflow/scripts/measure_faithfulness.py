"""Measure how faithful each metric is to what annotators recognised."""

import argparse

from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.crossing import cross_parts
from semsim.statistics.faithfulness import measure_faithfulness


def main() -> None:
    arguments = parse_arguments()
    scales = scales_of(read_table(arguments.scales))
    directions = scales.directions
    crossings = cross_parts(read_parts(arguments.metrics), read_table(arguments.recognition), directions)
    values, differences = measure_faithfulness(
        crossings,
        directions,
        arguments.resamples,
        seed_for(arguments.seed, "faithfulness"),
    )
    values.insert(values.columns.get_loc("metric") + 1, "access", values["metric"].map((scales | BASELINES).access))
    write_table(values, arguments.out)
    write_table(differences, arguments.out_differences)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "metrics", "recognition", "scales")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="faithfulness.csv", help="table of the metrics to write")
    parser.add_argument("--out-differences", required=True, metavar="X.csv", help="table of pairs of metrics to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
