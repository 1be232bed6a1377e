"""Count how often two metrics, or a metric and the annotators, order two reconstructions differently."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.seeds import seed_for
from semsim.statistics.contradictions import count_contradictions
from semsim.statistics.crossing import cross_parts


def main():
    arguments = parse_arguments()
    directions = read_table(arguments.scales).set_index("metric")["higher_is_better"].to_dict()
    crossings = cross_parts(read_parts(arguments.metrics), read_table(arguments.recognition), directions)
    contradictions = count_contradictions(
        crossings,
        directions,
        arguments.resamples,
        seed_for(arguments.seed, "contradictions"),
    )
    write_table(contradictions, arguments.out)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--recognition", required=True, metavar="recognition.csv", help="their recognition rates")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="contradictions.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
