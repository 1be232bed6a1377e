"""The distribution of statistics if a metric and recognition were unrelated: the test against chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from semsim.labels.recognition import MAJORITY
from semsim.statistics.resampling import ratio

if TYPE_CHECKING:
    from semsim.statistics.crossing import Crossing


def permutation_null(
    metrics: dict[str, np.ndarray], crossing: Crossing, permutations: int, generator: np.random.Generator
) -> tuple[dict[tuple[str, str], np.ndarray], dict[tuple[str, str], np.ndarray]]:
    """Shuffle the metrics' target models, attacks and originals, each as a whole, and measure them again.

    This preserves the dependence among reconstructions of one target model, one attack or one original. Every statistic
    is a sum of products of ranks with a table that stays where it is, so a permutation costs one product.

    Parameters
    ----------
    metrics : dict of str to numpy.ndarray
        [columns, originals]. A missing number (NaN) counts as the mean.
    crossing : semsim.statistics.crossing.Crossing
        The recognition rates, and the target model and attack of each column.
    permutations : int
        Number of permutations.
    generator : numpy.random.Generator

    Returns
    -------
    observed : dict of (str, str) to numpy.ndarray
        By level and statistic (``spearman``; ``auc``, minus the 0.5 of chance), before shuffling, [metrics]; NaN where
        undefined.
    null : dict of (str, str) to numpy.ndarray
        The same after shuffling, [permutations, metrics].
    """
    tables = {}
    for x in metrics.values():
        known = np.isfinite(x) & np.isfinite(crossing.rates)
        for key, table in _tables(*(np.where(known, values, np.nan) for values in (x, crossing.rates))).items():
            tables.setdefault(key, []).append(table)
    tables = {key: _Table(*map(np.stack, zip(*each, strict=True))) for key, each in tables.items()}
    # The first row is of what was observed, the others of permutations.
    sums, groups = ({key: np.empty((1 + permutations, len(metrics))) for key in tables} for _ in range(2))
    columns, originals = map(np.arange, crossing.rates.shape)
    blocks = _blocks(crossing)
    for row in range(1 + permutations):
        if row:
            models = generator.permutation(crossing.model_count)
            for members, block in blocks:
                rows = np.searchsorted(members, _first_return(models, members))
                columns[block] = generator.permutation(block[rows], axis=1)
            originals = generator.permutation(crossing.rates.shape[1])
        places = (columns[:, None] * len(originals) + originals).ravel()
        for key, table in tables.items():
            sums[key][row] = table.sums_of_products(places)
            groups[key][row] = table.groups(columns, originals)
    means = {key: ratio(sums[key], groups[key]) for key in tables}
    return {key: each[0] for key, each in means.items()}, {key: each[1:] for key, each in means.items()}


class _Table(NamedTuple):
    """Tables [metrics, columns, originals] whose products are summed, and which groups of them are defined.

    Groups are columns or originals, [metrics, columns, 1] or [metrics, 1, originals], or all together, [metrics, 1, 1].
    """

    x: np.ndarray
    y: np.ndarray
    x_varies: np.ndarray
    y_varies: np.ndarray

    def sums_of_products(self, places):
        """Return the sum of y times x, whose numbers are taken from other places [columns * originals]."""
        count = len(self.x)
        return np.einsum("mk,mk->m", self.x.reshape(count, -1).take(places, axis=1), self.y.reshape(count, -1))

    def groups(self, columns, originals):
        """Return how many groups are defined in both, the rows and columns of x being permuted."""
        varies = self.x_varies
        if varies.shape[1] > 1:
            varies = varies[:, columns]
        if varies.shape[2] > 1:
            varies = varies[:, :, originals]
        return (varies & self.y_varies).sum(axis=(1, 2))


def _tables(x, y):
    """Return the tables of one metric for each level and statistic."""
    means = [np.broadcast_to(_ranks(_means(values), None), values.shape) for values in (x, y)]
    tables = {("models", "spearman"): _table(*(_standardised(ranks, None) for ranks in means), None)}
    for level, within in (("originals", 0), ("cells", 1), ("reconstructions", None)):
        x_ranks, y_ranks = (_ranks(values, within) for values in (x, y))
        standardised = (_standardised(ranks, within) for ranks in (x_ranks, y_ranks))
        tables[level, "spearman"] = _table(*standardised, within)
        tables[level, "auc"] = _table(_centred(x_ranks, within), _contested(y, within), within)
    return tables


def _table(x, y, within):
    """Return a table, whose groups are those with a number other than zero."""
    return _Table(x, y, *(table.any(axis=within, keepdims=True) for table in (x, y)))


def _blocks(crossing):
    """Divide columns into blocks of attacks that were run on the same target models.

    Returns
    -------
    list of (numpy.ndarray, numpy.ndarray)
        The numbers of the target models, [models], and their columns, [models, attacks].
    """
    attacks = {}
    for attack in np.unique(crossing.attacks):
        columns = np.flatnonzero(crossing.attacks == attack)
        attacks.setdefault(tuple(crossing.models[columns]), []).append(columns)
    return [(np.array(members), np.stack(columns, axis=1)) for members, columns in attacks.items()]


def _first_return(models, members):
    """Return for each member the first member reached by applying a permutation of all target models repeatedly.

    This permutes the members while staying as close as possible to the permutation of all.
    """
    reached, is_outside = models[members], np.ones(len(models), dtype=bool)
    is_outside[members] = False
    while (outside := is_outside[reached]).any():
        reached[outside] = models[reached[outside]]
    return reached


def p_of_no_association(value: float, null: np.ndarray) -> float:
    """Return the two-sided p value: the share of values as far from zero, counting the observed one."""
    if np.isnan(value):
        return np.nan
    defined = null[np.isfinite(null)]
    return float((1 + (np.abs(defined) >= abs(value) - 1e-12).sum()) / (1 + len(defined)))


def _means(values):
    """Return the mean of each column, [columns, 1]; NaN if it has no value."""
    known = np.isfinite(values)
    means = np.nansum(values, axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known.any(axis=1, keepdims=True), np.round(means, 12), np.nan)


def _ranks(values, axis):
    """Return midranks of the values that are not NaN; along no axis, among all of them."""
    ranks = scipy.stats.rankdata(values if axis is not None else values.ravel(), axis=axis or 0, nan_policy="omit")
    return ranks.reshape(values.shape)


def _centred(ranks, axis):
    """Return ranks minus their mean; 0 where one is missing."""
    known = np.isfinite(ranks)
    means = np.nansum(ranks, axis=axis, keepdims=True) / np.maximum(known.sum(axis=axis, keepdims=True), 1)
    return np.where(known, ranks - means, 0.0)


def _standardised(ranks, axis):
    """Return centred ranks of unit length, whose products are correlations; 0 where one is missing or all are equal."""
    centred = _centred(ranks, axis)
    length = np.sqrt((centred**2).sum(axis=axis, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _contested(rates, axis):
    """Return what ranks are multiplied with, so that the sum is the area under the ROC curve minus a half.

    The ranks of the P recognised of n sum to (P N) area + P (P + 1) / 2, where N = n - P, and without association to
    P (n + 1) / 2.
    """
    sides = np.where(np.isfinite(rates), rates > MAJORITY, np.nan)
    recognised = np.nansum(sides, axis=axis, keepdims=True)
    pairs = recognised * ((sides == 0).sum(axis=axis, keepdims=True))
    return np.divide(_centred(sides, axis), pairs, out=np.zeros(rates.shape), where=pairs > 0)
