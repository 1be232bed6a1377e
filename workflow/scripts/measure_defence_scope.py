"""Compare the leakage of defended target models with an undefended one, by the gradients that the defence changes."""

import argparse

import pandas as pd

from semsim.commandline import run
from semsim.defects.defences import compare_defences
from semsim.io.tables import read_table, write_table
from semsim.metrics.reconstructions import REFERENCES
from semsim.seeds import seed_for


def main():
    arguments = parse_arguments()
    metrics, recognition = read_table(arguments.metrics), read_table(arguments.recognition)
    directions = read_table(arguments.scales).set_index("metric")["higher_is_better"].to_dict()
    tables = [
        compare_defences(
            metrics[metrics["reference"] == REFERENCES[0]],
            rates,
            read_table(arguments.accuracy),
            directions,
            arguments.resamples,
            seed_for(arguments.seed, "defence scope"),
        ).assign(kind=kind)
        for kind, rates in recognition.groupby("kind", sort=False)
    ]
    write_table(pd.concat(tables), arguments.out)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--recognition", required=True, metavar="recognition.csv", help="their recognition rates")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--accuracy", required=True, metavar="accuracy.csv", help="how target models are defended")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="X.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
