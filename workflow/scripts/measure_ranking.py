"""Measure how often metrics, and one more person, order two target models as annotators do."""

import argparse

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.labels import with_truth
from semsim.metrics.scales import scales_of
from semsim.seeds import seed_for
from semsim.statistics.person import seat_panels
from semsim.statistics.ranking import measure_ranking, ranking_limits


def main():
    arguments = parse_arguments()
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    scales = scales_of(read_table(arguments.scales))
    panels = seat_panels(read_parts(arguments.metrics), answers, scales)
    del answers  # which take many times as much memory
    seed = seed_for(arguments.seed, "ranking")
    ranking = measure_ranking(panels, scales.directions, arguments.resamples, seed)
    write_table(ranking, arguments.out)
    write_table(ranking_limits(ranking), arguments.out_limits)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", required=True, metavar="labels.csv", help="one row per label")
    parser.add_argument("--images", required=True, metavar="images.csv", help="one row per image, with its true class")
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--out", required=True, metavar="ranking.csv", help="table of shares ordered right to write")
    parser.add_argument("--out-limits", required=True, metavar="X.csv", help="table of the smallest gaps to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
