"""Try SemSim on what it did not learn from: train it on one side of each fold, and measure the other."""

import argparse
from pathlib import Path

from learning_arguments import add_learning_arguments, read_labelled_pairs, read_learner

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.learned.folds import make_folds
from semsim.learned.trials import try_folds


def main():
    arguments = parse_arguments()
    learner, (pairs, kind) = read_learner(arguments), read_labelled_pairs(arguments)
    folds = make_folds(pairs.table, arguments.exclusion, arguments.folds, arguments.seed)
    arguments.weights.mkdir(parents=True, exist_ok=True)

    def keep(part, metric):
        metric.save_pretrained(arguments.weights / f"part-{part + 1}")

    tables = try_folds(learner, pairs, folds, arguments.exclusion, keep)
    about = {"exclusion": arguments.exclusion, "kind": kind, "reference": arguments.settings["reference"]}
    for table, path in zip(tables, (arguments.out, arguments.curves, arguments.counts), strict=True):
        write_table(table.assign(**about), path)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_learning_arguments(parser)
    parser.add_argument("--exclusion", required=True, metavar="NAME", help="what is left out, such as attack-dlg")
    parser.add_argument("--folds", type=int, required=True, metavar="N", help="parts of the originals")
    parser.add_argument("--weights", required=True, type=Path, metavar="DIR", help="folder of weights to write")
    parser.add_argument("--out", required=True, metavar="X.csv", help="distances to write")
    parser.add_argument("--curves", required=True, metavar="X.csv", help="losses and validation to write")
    parser.add_argument("--counts", required=True, metavar="X.csv", help="to write: where triplets come from")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
