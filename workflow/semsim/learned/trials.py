"""Trials: SemSim trained on one side of a fold and tested on the other."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.io.tables import KEYS
from semsim.labels.recognition import missing_triplets
from semsim.learned.pairs import split_by_original
from semsim.learned.training import CURVES, measure_distances, random_semsim, train_semsim
from semsim.learned.triplets import SCOPES
from semsim.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from semsim.learned.folds import Fold
    from semsim.learned.metric import SemSim
    from semsim.learned.pairs import AnyPairs, LabelledPairs, MeasuredPairs
    from semsim.learned.settings import Variant
    from semsim.targets.recipe import Recipe

VALIDATION = 0.2
"""Share of the originals of each data set that training is validated on."""


class Learner(NamedTuple):
    """How SemSim learns.

    Attributes
    ----------
    settings : semsim.learned.settings.Variant
    recipe : semsim.targets.recipe.Recipe
    plain : SemSim or None
        The features of a plain classifier, with the backbone of the settings; None if there are no public images to
        train one.
    seed : int
        The study's seed.
    device : torch.device or str
    """

    settings: Variant
    recipe: Recipe
    plain: SemSim | None
    seed: int
    device: torch.device | str = "cpu"

    def prepare(self, pairs: LabelledPairs) -> LabelledPairs | MeasuredPairs:
        """Return what it learns from and is measured on; a pretrained backbone looks at all images once, here."""
        return self.plain.backbone.prepare(pairs) if self.plain else pairs

    def learn(self, pairs: AnyPairs, name: str) -> tuple[SemSim, pd.DataFrame, pd.DataFrame, str]:
        """Train SemSim on labelled pairs, or return its initial state if there is nothing to learn.

        Parameters
        ----------
        pairs : LabelledPairs or MeasuredPairs
            From `prepare`. A share of their originals is held out for validation.
        name : str
            Determines the seed of this training, and is shown by the progress bar.

        Returns
        -------
        metric : SemSim
        curves, counts : pandas.DataFrame
            As `train_semsim` returns them, the side of the counts as a column; empty if there was nothing to learn.
        why_not : str
            Why there was nothing to learn; else empty.
        """
        seed, settings = seed_for(self.seed, "semsim", name), self.settings
        chosen = _share_of(pairs, settings.label_share, seed)
        training, validation = split_by_original(chosen, VALIDATION, seed)
        start = self._start(training, seed)
        if why_not := missing_triplets(training.table):
            return (
                start.eval(),
                pd.DataFrame(columns=CURVES),
                pd.DataFrame(columns=["side", *SCOPES]),
                why_not,
            )
        metric, curves, counts = train_semsim(start, training, validation, settings, self.recipe, seed, name)
        return metric, curves, counts.rename_axis("side").reset_index(), ""

    def measure(self, metric: SemSim, pairs: AnyPairs) -> dict[str, np.ndarray]:
        """Return the distances [N] of pairs by name: of SemSim, and of the plain classifier's features."""
        measured = {"semsim": as_evaluated(metric, pairs, self.settings.evaluation)}
        if self.plain is not None:
            measured["classifier_features"] = self.plain, pairs
        return {name: measure_distances(*each).cpu().numpy() for name, each in measured.items()}

    def _start(self, pairs, seed):
        """Return SemSim before training, in training mode."""
        if self.settings.start == "classifier":
            return copy.deepcopy(self.plain).train()
        return random_semsim(pairs.references, self.settings, seed).to(self.device)


def as_evaluated(metric: SemSim, pairs: AnyPairs, evaluation: str | None = None) -> tuple[SemSim, AnyPairs]:
    """Return a metric and the pairs that it measures, as an ablation evaluates them.

    Parameters
    ----------
    metric : SemSim
    pairs : LabelledPairs or MeasuredPairs
    evaluation : {None, "unnormalised", "itself"}
        None: as in training. The others are what the paper's released code does: embeddings that were scaled to length
        1 in training are not in evaluation, or each reconstruction is compared with itself.

    Returns
    -------
    metric : SemSim
        With the same weights; the one given is not changed.
    pairs : LabelledPairs or MeasuredPairs
    """
    if evaluation == "unnormalised":
        metric = copy.deepcopy(metric)
        metric.backbone.normalised = False
    if evaluation == "itself":
        pairs = pairs.with_itself()
    return metric, pairs


MEASURED = [*KEYS, "part", "semsim", "classifier_features", "note"]


def try_folds(
    learner: Learner, pairs: AnyPairs, folds: Sequence[Fold], name: str, keep: Callable[[int, SemSim], None]
) -> list[pd.DataFrame]:
    """Try each fold in turn.

    Parameters
    ----------
    learner, pairs, name
        As for `try_fold`.
    folds : list of semsim.learned.folds.Fold
    keep : callable
        Takes each fold's part and metric.

    Returns
    -------
    measured, curves, counts : pandas.DataFrame
        Those of `try_fold`, one after the other; empty where there are no folds, because nothing of what is left out
        was labelled.
    """
    tables = [(pd.DataFrame(columns=MEASURED), pd.DataFrame(columns=CURVES), pd.DataFrame(columns=["side", *SCOPES]))]
    for fold in folds:
        metric, *found = try_fold(learner, pairs, fold, name)
        keep(fold.part, metric)
        tables.append(found)
    return [joined(parts) for parts in zip(*tables, strict=True)]


def try_fold(
    learner: Learner, pairs: AnyPairs, fold: Fold, name: str
) -> tuple[SemSim, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train SemSim on one side of a fold, and measure the pairs on the other.

    Parameters
    ----------
    learner : Learner
    pairs : LabelledPairs or MeasuredPairs
        From the learner's `prepare`.
    fold : semsim.learned.folds.Fold
    name : str
        As for `Learner.learn`.

    Returns
    -------
    metric : SemSim
    measured : pandas.DataFrame
        A row a pair of the test: dataset, target, attack, original, part, semsim, classifier_features (if there is a
        classifier), note (why SemSim did not learn; empty if it did).
    curves, counts : pandas.DataFrame
        Of the training, with a column `part`.
    """
    metric, curves, counts, why_not = learner.learn(pairs.where(fold.training), f"{name}, part {fold.part + 1}")
    test = pairs.where(fold.test)
    measured = test.table[KEYS].assign(part=fold.part, **learner.measure(metric, test), note=why_not)
    return metric, measured, curves.assign(part=fold.part), counts.assign(part=fold.part)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other; empty ones only lend their columns."""
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _share_of(pairs, share, seed):
    """Keep a share of labelled pairs, at random."""
    if share == 1:
        return pairs
    kept = np.random.default_rng(seed_for(seed, "share")).permutation(len(pairs)) < share * len(pairs)
    return pairs.where(kept)
