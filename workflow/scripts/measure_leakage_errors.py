"""Measure how often each metric calls leaked what annotators cannot tell, and how often it misses what they can."""

import argparse

from panel_arguments import add_panel_arguments, read_panels

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.learned.folds import WITHIN
from semsim.learned.scales import LEARNED
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.leakage_errors import measure_leakage_errors


def main() -> None:
    arguments = parse_arguments()
    trials = read_table(arguments.trials) if arguments.trials else None
    panels, scales = read_panels(arguments, None if trials is None else trials[trials["folds"] == WITHIN])
    directions, seed = (scales | LEARNED | BASELINES).directions, seed_for(arguments.seed, "person")
    write_table(measure_leakage_errors(panels, directions, arguments.resamples, seed), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_panel_arguments(parser)
    parser.add_argument("--trials", metavar="semsim.csv", help="SemSim's distances of originals that it did not see")
    parser.add_argument("--out", required=True, metavar="leakage_errors.csv", help="table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
