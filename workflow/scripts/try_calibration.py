"""Predict the chance of recognition on data that SemSim was not trained on, and measure how well it is calibrated."""

import argparse
from pathlib import Path

from learning_arguments import add_label_arguments, difficulty_of, read_labelled_pairs
from start_arguments import add_pretrained_argument
from torch_arguments import device_of

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.learned.calibrating import try_calibration
from semsim.learned.metric import SemSim
from semsim.statistics.calibration import measure_calibration


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    pairs, kind = read_labelled_pairs(arguments)
    weights = dict(zip(arguments.exclusions, arguments.weights, strict=True))
    tried = try_calibration(
        pairs,
        read_table(arguments.trials),
        difficulty_of(arguments, pairs, kind),
        arguments.exclusions,
        arguments.folds,
        arguments.seed,
        lambda exclusion, part: SemSim.from_pretrained(
            weights[exclusion] / f"part-{part + 1}", device, pretrained=arguments.pretrained
        ),
    )
    tried = tried.assign(metric="semsim", kind=kind, reference=arguments.settings["reference"])
    write_table(tried, arguments.out)
    write_table(measure_calibration(tried, arguments.resamples, arguments.seed), arguments.out_errors)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_label_arguments(parser)
    add_pretrained_argument(parser)
    parser.add_argument("--trials", required=True, metavar="semsim.csv", help="distances of held-out reconstructions")
    parser.add_argument("--exclusions", required=True, nargs="+", metavar="NAME", help="what was left out in turn")
    parser.add_argument(
        "--weights", required=True, nargs="+", type=Path, metavar="DIR", help="of each of them, in the same order"
    )
    parser.add_argument("--folds", type=int, required=True, metavar="N", help="parts of the originals")
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="for the intervals")
    parser.add_argument("--out", required=True, metavar="X.csv", help="table of chances to write")
    parser.add_argument("--out-errors", required=True, metavar="X.csv", help="table of calibration errors to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
