"""Train the final SemSim on all labels, and describe it in a model card."""

import argparse

from learning_arguments import add_learning_arguments, read_labelled_pairs, read_learner

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.learned.card import model_card


def main():
    arguments = parse_arguments()
    learner, (pairs, kind) = read_learner(arguments), read_labelled_pairs(arguments)
    metric, curves, counts, why_not = learner.learn(pairs, "all labels")
    card = model_card(
        arguments.study,
        kind,
        pairs,
        learner.settings,
        learner.recipe,
        read_table(arguments.generalisation),
        why_not,
        arguments.caveat,
    )
    metric.save_pretrained(arguments.weights, card)
    write_table(curves, arguments.curves)
    write_table(counts, arguments.counts)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_learning_arguments(parser)
    parser.add_argument("--study", required=True, metavar="NAME", help="its name, for the card")
    parser.add_argument("--generalisation", required=True, metavar="generalisation.csv", help="for the card")
    parser.add_argument("--caveat", default="", metavar="TEXT", help="what else to keep in mind, for the card")
    parser.add_argument("--weights", required=True, metavar="DIR", help="folder of weights to write")
    parser.add_argument("--curves", required=True, metavar="X.csv", help="losses and validation to write")
    parser.add_argument("--counts", required=True, metavar="X.csv", help="to write: where triplets come from")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
