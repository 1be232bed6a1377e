"""Train the final SemSim on all labels, calibrate it on held-out ones, and describe it in a model card."""

import argparse

from learning_arguments import add_learning_arguments, difficulty_of, read_labelled_pairs, read_learner

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.learned.calibrating import fit_calibration
from semsim.learned.card import model_card


def main() -> None:
    arguments = parse_arguments()
    learner, (pairs, kind) = read_learner(arguments, arguments.start), read_labelled_pairs(arguments)
    metric, curves, counts, why_not = learner.learn(learner.prepare(pairs), "all labels")
    recognition = read_table(arguments.recognition)
    given = recognition.loc[recognition["kind"] == kind, "labels"].fillna(1)  # where only the majority is known
    calibration = fit_calibration(
        metric,
        pairs,
        read_table(arguments.chances),
        difficulty_of(arguments, pairs, kind),
        {"annotators": kind, "labels": int(given.sum())},
        arguments.resamples,
        arguments.seed,
    )
    if calibration:
        metric.calibrate(calibration)
    card = model_card(
        arguments.study,
        kind,
        pairs,
        learner.settings,
        learner.recipe,
        read_table(arguments.generalisation),
        calibration,
        read_table(arguments.calibration),
        why_not,
        arguments.caveat,
    )
    metric.save_pretrained(arguments.weights, card)
    write_table(curves, arguments.curves)
    write_table(counts, arguments.counts)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_learning_arguments(parser)
    parser.add_argument("--study", required=True, metavar="NAME", help="its name, for the card")
    parser.add_argument("--generalisation", required=True, metavar="generalisation.csv", help="for the card")
    parser.add_argument("--chances", required=True, metavar="chances.csv", help="of what it was tried on")
    parser.add_argument("--calibration", required=True, metavar="X.csv", help="their calibration errors, for the card")
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="for the uncertainty of counts")
    parser.add_argument("--caveat", default="", metavar="TEXT", help="what else to keep in mind, for the card")
    parser.add_argument("--weights", required=True, metavar="DIR", help="folder of weights to write")
    parser.add_argument("--curves", required=True, metavar="X.csv", help="losses and validation to write")
    parser.add_argument("--counts", required=True, metavar="X.csv", help="to write: where triplets come from")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
