"""Measure how often metrics, and one annotator, order two target models as annotators do on other originals."""

import argparse

from panel_arguments import add_panel_arguments, read_panels

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.seeds import seed_for
from semsim.statistics.ranking import measure_ranking, ranking_limits


def main() -> None:
    arguments = parse_arguments()
    panels, scales = read_panels(arguments)
    seed = seed_for(arguments.seed, "ranking")
    ranking = measure_ranking(panels, scales.directions, arguments.resamples, seed)
    write_table(ranking, arguments.out)
    write_table(ranking_limits(ranking), arguments.out_limits)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_panel_arguments(parser)
    parser.add_argument("--out", required=True, metavar="ranking.csv", help="table of shares ordered right to write")
    parser.add_argument("--out-limits", required=True, metavar="X.csv", help="table of the smallest gaps to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
