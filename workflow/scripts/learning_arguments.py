"""The arguments shared by scripts that train SemSim, and their parsed values."""

import os
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
from start_arguments import add_start_arguments
from table_arguments import add_table_arguments
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import json_object
from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.learned.classifier import open_classifier
from semsim.learned.folds import with_traits
from semsim.learned.pairs import ORIGINAL, LabelledPairs, originals_of, read_pairs
from semsim.learned.settings import Variant
from semsim.learned.trials import Learner
from semsim.settings import validated
from semsim.targets.recipe import Recipe
from semsim.text import ANNOTATORS


def add_label_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that `read_labelled_pairs` and `difficulty_of` need, and those of every job."""
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="PATH", help="all of the study: files or folders"
    )
    add_table_arguments(parser, "recognition")
    parser.add_argument("--difficulty", metavar="difficulty.csv", help="how difficult the labelled originals are")
    parser.add_argument("--settings", type=json_object, required=True, metavar="JSON", help="of SemSim")
    parser.add_argument(
        "--traits", type=json_object, required=True, metavar="JSON", help="architecture and defence of each target"
    )
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)


def add_learning_arguments(parser: ArgumentParser, **options: Any) -> None:
    """Add the arguments that `read_learner` and `read_labelled_pairs` need; options are those of `--start`."""
    add_label_arguments(parser)
    add_start_arguments(parser, **options)
    parser.add_argument("--training", type=json_object, required=True, metavar="JSON", help="the recipe")


def read_learner(arguments: Namespace, start: str | os.PathLike | None) -> Learner:
    """Return the `Learner` that the arguments describe, which starts from the classifier in a file, if there is one."""
    device = device_of(arguments)
    settings = validated(Variant, arguments.settings, "the settings of SemSim are not valid")
    if start is None and settings.start == "classifier":
        raise SemsimError("SemSim cannot start from a classifier where there is none. Give one, or set start: random.")
    recipe = validated(Recipe, arguments.training, "the recipe of the training is not valid")
    plain = open_classifier(start, settings.normalised, device, arguments.pretrained)[0] if start else None
    return Learner(settings, recipe, plain, arguments.seed, device)


def read_labelled_pairs(arguments: Namespace) -> tuple[LabelledPairs, str]:
    """Return the study's `LabelledPairs`, with the traits of their target models, and the kind of who labelled them.

    Where annotators of several kinds labelled, SemSim learns from people if there are any, and never from two kinds.
    """
    recognition = read_table(arguments.recognition)
    kind = min(recognition["kind"].unique(), key=list(ANNOTATORS).index)
    pairs = read_pairs(
        arguments.reconstructions, recognition[recognition["kind"] == kind], arguments.settings["reference"]
    )
    return LabelledPairs(*pairs[:2], with_traits(pairs.table, arguments.traits)), kind


def difficulty_of(arguments: Namespace, pairs: LabelledPairs, kind: str) -> np.ndarray | None:
    """Return how difficult annotators of a kind found the labelled originals, [originals], or None if nobody knows."""
    if not arguments.difficulty:
        return None
    originals, _ = originals_of(pairs)
    table = read_table(arguments.difficulty)
    known = table.loc[table["kind"] == kind, [*ORIGINAL, "difficulty"]]
    return originals.merge(known, on=ORIGINAL, how="left", validate="1:1")["difficulty"].to_numpy(dtype=float)
