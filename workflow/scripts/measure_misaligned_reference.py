"""Measure how faithful metrics are against the original, as released, and against the attacked image."""

import argparse

from semsim.commandline import run
from semsim.defects.misalignment import measure_misalignment
from semsim.io.tables import read_table, write_table
from semsim.seeds import seed_for


def main():
    arguments = parse_arguments()
    accuracy = read_table(arguments.accuracy)
    table = measure_misalignment(
        read_table(arguments.metrics),
        read_table(arguments.recognition),
        set(accuracy.loc[accuracy["augmentation"] != "none", "target"]),
        read_table(arguments.scales).set_index("metric")["higher_is_better"].to_dict(),
        arguments.resamples,
        seed_for(arguments.seed, "misaligned reference"),
    )
    write_table(table, arguments.out)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--recognition", required=True, metavar="recognition.csv", help="their recognition rates")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--accuracy", required=True, metavar="accuracy.csv", help="which target models augment images")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="X.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
