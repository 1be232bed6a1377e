"""Judge each metric and one annotator alike: how often they are right, and how often they contradict the others."""

import argparse

from panel_arguments import add_panel_arguments, read_panels

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import contradiction_curve
from semsim.statistics.person import compare_with_person


def main() -> None:
    arguments = parse_arguments()
    panels, scales = read_panels(arguments)
    directions, seed = (scales | BASELINES).directions, seed_for(arguments.seed, "person")
    compared = compare_with_person(panels, directions, arguments.resamples, seed, arguments.without)
    write_table(compared, arguments.out)
    write_table(contradiction_curve(panels, directions, arguments.resamples, seed), arguments.out_curve)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_panel_arguments(parser)
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="TARGET", help="also measure without these target models"
    )
    parser.add_argument("--out", required=True, metavar="person.csv", help="table of metrics and a person to write")
    parser.add_argument("--out-curve", required=True, metavar="X.csv", help="table of contradictions by gap to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
