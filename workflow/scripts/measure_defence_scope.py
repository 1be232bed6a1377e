"""Compare the leakage of defended target models with an undefended one, by the gradients that the defence changes."""

import argparse

import pandas as pd
from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.defects.defences import compare_defences
from semsim.io.tables import read_table, write_table
from semsim.metrics.reconstructions import REFERENCES
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for


def main() -> None:
    arguments = parse_arguments()
    metrics, recognition = read_table(arguments.metrics), read_table(arguments.recognition)
    directions = scales_of(read_table(arguments.scales)).directions
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


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "metrics", "recognition", "scales", "accuracy")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
