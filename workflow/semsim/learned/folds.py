"""Folds: what a metric learns from and what it is tried on, apart in originals always, and in one more respect."""

from typing import NamedTuple

import numpy as np

from semsim.errors import SemsimError
from semsim.seeds import seed_for

WITHIN = "within"
"""The kind of folds that leave out nothing but originals: training and test are of one distribution."""
LEFT_OUT = ("dataset", "target", "architecture", "defence", "attack")
"""What folds of the other kinds leave out besides originals.

A target model is an architecture and a defence; where these are not known, it is left out as a whole.
"""
FOLD_KINDS = (WITHIN, *LEFT_OUT)


class Fold(NamedTuple):
    """One division of labelled pairs.

    Attributes
    ----------
    part : int
        From 0: the originals that it tests on.
    training, test : numpy.ndarray
        bool [N], of the rows of the table.
    """

    part: int
    training: np.ndarray
    test: np.ndarray


def with_traits(table, traits):
    """Add the architecture and the defence of target models to a table with a column `target`.

    Parameters
    ----------
    table : pandas.DataFrame
    traits : dict of str to dict
        By target model: its ``architecture`` and ``defence``. One that is not there has neither.
    """
    return table.assign(
        **{
            trait: table["target"].map({target: each[trait] for target, each in traits.items()})
            for trait in ("architecture", "defence")
        }
    )


def exclusions(values):
    """Return what is left out in turn: nothing but originals, then every value of which there are others.

    Parameters
    ----------
    values : dict of str to list of str
        By some of `LEFT_OUT`: the names in the study.

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


def kind_of_folds(exclusion):
    """Return one of `FOLD_KINDS`."""
    return exclusion.partition("-")[0]


def make_folds(table, exclusion, parts, seed):
    """Divide labelled pairs: each fold tests on one part of the originals and learns from the others.

    Over the folds of all exclusions of one kind, every pair is tested once.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a pair: dataset, architecture, defence, attack, original.
    exclusion : str
        One of `exclusions`. A data set that is left out is tested as a whole: its originals are its own.
    parts : int
        At least 2: into so many parts the originals of each data set are divided.
    seed : int

    Returns
    -------
    list of Fold
        Folds without a pair to test on are left out.

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
    """Return the part of each row's original: parts of every data set are as large as each other, give or take one."""
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
