"""Judge each metric and one more person alike: how often they are right, and how often they contradict the others."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.labels import with_truth
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import contradiction_curve
from semsim.statistics.person import compare_with_person, seat_panels


def main():
    arguments = parse_arguments()
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    scales = scales_of(read_table(arguments.scales))
    panels = seat_panels(read_parts(arguments.metrics), answers, scales)
    del answers  # which take many times as much memory
    directions, seed = (scales | BASELINES).directions, seed_for(arguments.seed, "person")
    compared = compare_with_person(panels, directions, arguments.resamples, seed, arguments.without)
    write_table(compared, arguments.out)
    write_table(contradiction_curve(panels, directions, arguments.resamples, seed), arguments.out_curve)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", required=True, metavar="labels.csv", help="one row per label")
    parser.add_argument("--images", required=True, metavar="images.csv", help="one row per image, with its true class")
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="TARGET", help="also measure without these target models"
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="person.csv", help="table of metrics and a person to write")
    parser.add_argument("--out-curve", required=True, metavar="X.csv", help="table of contradictions by gap to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
