"""Folds: what a metric learns from and what it is tried on, apart in originals always, and in one more respect."""

from typing import NamedTuple

import numpy as np

from semsim.errors import SemsimError
from semsim.seeds import seed_for

LEFT_OUT = ("dataset", "target", "attack")
"""What a fold can leave out, besides originals."""
WITHIN = "within"
"""The kind of folds that leave out nothing but originals: training and test are of one distribution."""


class Fold(NamedTuple):
    """One division of labelled pairs.

    Attributes
    ----------
    kind : str
        `WITHIN`, or one of `LEFT_OUT`.
    name : str
        What is left out, such as ``attack-dlg-1``: a part of the originals, of a data set, target model or attack.
    training, test : numpy.ndarray
        bool [N], of the rows of the table.
    """

    kind: str
    name: str
    training: np.ndarray
    test: np.ndarray


def make_folds(table, parts, seed):
    """Divide labelled pairs in all ways that say how well a metric generalises.

    Over the folds of one kind every pair is in one test, as long as every value of what is left out is.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a pair: dataset, target, attack, original.
    parts : int
        At least 2: into so many parts the originals of each data set are divided. A fold tests on one part and learns
        from the others. A data set that is left out is tested as a whole: its originals are its own.
    seed : int

    Returns
    -------
    list of Fold
        Kinds that cannot be left out, because there is one of them only, have no folds.

    Raises
    ------
    SemsimError
        If a data set has fewer originals than parts.
    """
    part = _parts_of_originals(table, parts, seed)
    folds = [Fold(WITHIN, f"{WITHIN}-{number + 1}", part != number, part == number) for number in range(parts)]
    for kind in LEFT_OUT:
        values = list(table[kind].unique())
        for value in values if len(values) > 1 else ():
            chosen = (table[kind] == value).to_numpy()
            if kind == "dataset":
                folds.append(Fold(kind, f"{kind}-{value}", ~chosen, chosen))
                continue
            folds += [
                Fold(kind, f"{kind}-{value}-{number + 1}", ~chosen & (part != number), chosen & (part == number))
                for number in range(parts)
            ]
    return folds


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
