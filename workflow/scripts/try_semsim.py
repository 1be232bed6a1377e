"""Test SemSim on held-out data: train it on one side of each fold, and measure the other."""

import argparse
from pathlib import Path

from learning_arguments import add_learning_arguments, read_labelled_pairs, read_learner

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.learned.folds import make_folds
from semsim.learned.trials import joined, try_folds


def main() -> None:
    arguments = parse_arguments()
    starts = arguments.start or [None] * len(arguments.exclusions)
    learners = {start: read_learner(arguments, start) for start in dict.fromkeys(starts)}
    pairs, kind = read_labelled_pairs(arguments)
    prepared = {start: learner.prepare(pairs) for start, learner in learners.items()}
    found = [
        tried(learners[start], prepared[start], exclusion, arguments)
        for exclusion, start in zip(arguments.exclusions, starts, strict=True)
    ]
    about = {"kind": kind, "reference": arguments.settings["reference"]}
    for tables, path in zip(zip(*found, strict=True), (arguments.out, arguments.curves, arguments.counts), strict=True):
        write_table(joined(tables).assign(**about), path)


def tried(learner, pairs, exclusion, arguments):
    """Return what `try_folds` does, with the exclusion as a column, and write the weights of each fold."""
    folds = make_folds(pairs.table, exclusion, arguments.folds, arguments.seed)
    kept = arguments.weights / exclusion
    kept.mkdir(parents=True, exist_ok=True)

    def keep(part, metric):
        metric.save_pretrained(kept / f"part-{part + 1}")

    return [table.assign(exclusion=exclusion) for table in try_folds(learner, pairs, folds, exclusion, keep)]


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_learning_arguments(parser, nargs="+")
    parser.add_argument(
        "--exclusions",
        required=True,
        nargs="+",
        metavar="NAME",
        help="what is left out in turn, such as attack-dlg; with --start, one classifier for each",
    )
    parser.add_argument("--folds", type=int, required=True, metavar="N", help="parts of the originals")
    parser.add_argument(
        "--weights", required=True, type=Path, metavar="DIR", help="to write: a folder of weights for each exclusion"
    )
    parser.add_argument("--out", required=True, metavar="X.csv", help="distances to write")
    parser.add_argument("--curves", required=True, metavar="X.csv", help="losses and validation to write")
    parser.add_argument("--counts", required=True, metavar="X.csv", help="to write: where triplets come from")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
