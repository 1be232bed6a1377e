"""Summarise the conclusions of a study over its seeds."""

import argparse

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.results.study_tables import StudyTables
from semsim.statistics.replication import Run, over_seeds


def main() -> None:
    arguments = parse_arguments()
    runs = [
        Run(tables["generalisation"], tables["generalisation_differences"], tables["contradictions"])
        for tables in map(StudyTables, arguments.tables)
    ]
    write_table(over_seeds(runs), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, nargs="+", metavar="DIR", help="folders of the tables, one per seed")
    parser.add_argument("--out", required=True, metavar="seeds.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
