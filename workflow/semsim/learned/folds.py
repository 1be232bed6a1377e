"""Folds: training and test data that always differ in originals, and possibly in one more respect."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from semsim.errors import SemsimError
from semsim.seeds import seed_for
from semsim.text import WITHIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

LEFT_OUT = ("dataset", "target", "targets", "architecture", "defence", "attack")
"""What the other kinds of folds hold out in addition to originals; ``targets`` is a group of target models.

A target model is an architecture and a defence; if these are unknown, it is held out as a whole.
"""
TRAITS = ("targets", "architecture", "defence")
"""Those of `LEFT_OUT` that target models have."""
FOLD_KINDS = (WITHIN, *LEFT_OUT)


class Fold(NamedTuple):
    """One division of labelled pairs.

    Attributes
    ----------
    part : int
        Number of the part of the originals on which it tests, from 0.
    training, test : numpy.ndarray
        bool [N], of the rows of the table.
    """

    part: int
    training: np.ndarray
    test: np.ndarray


def with_traits(table: pd.DataFrame, traits: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Add the traits of target models to a table with a column `target`.

    Parameters
    ----------
    table : pandas.DataFrame
    traits : dict of str to dict
        Some of `TRAITS` by target model. A missing target model has none.
    """
    return table.assign(
        **{trait: table["target"].map({target: each.get(trait) for target, each in traits.items()}) for trait in TRAITS}
    )


def group_targets(architectures: Mapping[str, str], groups: int, seed: int) -> dict[str, str]:
    """Divide target models into groups at random, with about as many of each architecture in every group.

    Parameters
    ----------
    architectures : dict of str to str
        By target model.
    groups : int
        At most as many as there are target models.
    seed : int

    Returns
    -------
    dict of str to str
        The group of each target model, such as ``group-1``. Groups differ in size by at most one, also among target
        models of one architecture.
    """
    shuffled = np.random.default_rng(seed_for(seed, "groups")).permutation(sorted(architectures)).tolist()
    dealt = sorted(shuffled, key=architectures.get)
    return {target: f"group-{place % groups + 1}" for place, target in enumerate(dealt)}


def exclusions(values: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is held out in turn: only originals, then each value that is not the only one.

    Parameters
    ----------
    values : dict of str to list of str
        The names in the study, by some of `LEFT_OUT`.

    Returns
    -------
    list of str
        Such as ``within``, ``dataset-glyphs``, ``attack-dlg``.

    Examples
    --------
    >>> exclusions({"dataset": ["mnist"], "architecture": ["lenet", "mlp"], "defence": ["none"], "attack": ["dlg"]})
    ['within', 'architecture-lenet', 'architecture-mlp']
    """
    names = [f"{kind}-{value}" for kind in LEFT_OUT if len(values.get(kind, ())) > 1 for value in values[kind]]
    return [WITHIN, *names]


def kind_of_folds(exclusion: str) -> str:
    """Return one of `FOLD_KINDS`."""
    return exclusion.partition("-")[0]


def make_folds(table: pd.DataFrame, exclusion: str, parts: int, seed: int) -> list[Fold]:
    """Divide labelled pairs: each fold tests on one part of the originals and trains on the others.

    Over the folds of all exclusions of one kind, every pair is tested once.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per pair: dataset, target, attack, original and, if they are held out, `TRAITS`.
    exclusion : str
        One of `exclusions`. A held-out data set is tested as a whole, because it shares no originals with others.
    parts : int
        Number of parts into which the originals of each data set are divided, at least 2.
    seed : int

    Returns
    -------
    list of Fold
        Without folds that have no pair to test on.

    Raises
    ------
    SemsimError
        If a data set has fewer originals than parts.
    """
    kind, _, value = exclusion.partition("-")
    part = _parts_of_originals(table, parts, seed)
    excluded = np.ones(len(table), dtype=bool) if kind == WITHIN else (table[kind] == value).to_numpy()
    if kind == "dataset":
        folds = [Fold(0, ~excluded, excluded)]
    else:
        kept = excluded if kind == WITHIN else ~excluded
        folds = [Fold(number, kept & (part != number), excluded & (part == number)) for number in range(parts)]
    return [fold for fold in folds if fold.test.any()]


def _parts_of_originals(table, parts, seed):
    """Return the part of each row's original; the parts of a data set differ in size by at most one."""
    part = np.zeros(len(table), dtype=np.int64)
    for dataset, rows in table.reset_index(drop=True).groupby("dataset"):
        originals = np.sort(rows["original"].unique())
        if len(originals) < parts:
            raise SemsimError(
                f"{dataset}: {len(originals)} labelled originals cannot be divided into {parts} parts."
                " Label more of them."
            )
        order = np.random.default_rng(seed_for(seed, "parts", dataset)).permutation(originals)
        places = {original: place % parts for place, original in enumerate(order)}
        part[rows.index] = rows["original"].map(places)
    return part
