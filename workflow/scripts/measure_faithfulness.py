"""Measure how faithful each metric is to what annotators recognised."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.crossing import cross_parts
from semsim.statistics.faithfulness import measure_faithfulness


def main():
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


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--recognition", required=True, metavar="recognition.csv", help="their recognition rates")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="faithfulness.csv", help="table of the metrics to write")
    parser.add_argument("--out-differences", required=True, metavar="X.csv", help="table of pairs of metrics to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
