"""How well a metric orders reconstructions as annotators do, for thousands of resamples at once.

There are four levels, each a separate question: within one original (same content, different quality), within one cell,
that is, one target model under one attack (different content), between target models, and over all reconstructions
pooled, which mixes the three. Statistics are rank correlations with the recognition rate, and the area under the ROC
curve: how often a reconstruction that the majority recognised has the larger value of two.

A resample is described by how often each target model and each original was drawn. Every statistic here is therefore
one of weighted rows, where the weight of a reconstruction is the product of the two counts, and equals the usual
statistic of rows repeated that often. Pearson's, Spearman's and Kendall's coefficient share one formula: for the
differences over all pairs (i, j) of values, of ranks, or for their signs, sum a_ij b_ij / sqrt(sum a_ij^2 sum b_ij^2).

`x` and `y` are tables [columns, originals] of numbers, NaN where missing; a column is a target model under one attack.
Weights are [resamples, columns] and [resamples, originals]; their dtype is that of the arithmetic. Single precision is
twice as fast and, because weights are whole numbers, accurate to six digits.

References
----------
Daniels: "The relation between measures of correlation in the universe of sample permutations", Biometrika 33, 1944.
"""

from __future__ import annotations

import numpy as np

from semsim.labels.recognition import MAJORITY
from semsim.statistics.resampling import blocks_of_resamples, ratio

PRIMARY = ("originals", "auc")
"""The level and the statistic of the primary test, declared once: everything else is secondary."""


def chance_level(statistic: str) -> float:
    """Return the value of a statistic for a metric that is unrelated to recognition."""
    return 0.5 if statistic == "auc" else 0


class ModelMeans:
    """Level `models`: the means of each column over the originals, correlated over columns."""

    statistics = ("spearman", "kendall", "pearson")

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.known = np.isfinite(x) & np.isfinite(y)
        self.x, self.y = (np.where(self.known, values, 0.0) for values in (x, y))

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        counts = original_weights @ self.known.T
        weights = column_weights * (counts > 0)
        # Rounded, so that equal means stay tied in whatever order they were summed.
        x, y = (np.round(original_weights @ values.T / np.maximum(counts, 1), 12) for values in (self.x, self.y))
        signs_x, signs_y = (np.sign(values[:, :, None] - values[:, None, :]).astype(weights.dtype) for values in (x, y))
        return {
            "spearman": _correlated(*(_midranks(signs, weights) for signs in (signs_x, signs_y)), weights),
            "kendall": _daniels(signs_x, signs_y, weights),
            "pearson": _correlated(x, y, weights),
        }


class WithinOriginals:
    """Level `originals`: over the columns of one original, then averaged over the originals in which it is defined."""

    statistics = ("auc", "spearman")

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.known = (np.isfinite(x) & np.isfinite(y)).T
        values = [np.where(self.known, table.T, np.nan) for table in (x, y)]
        self.below = [_share_below(table).astype(np.float32) for table in values]
        contests = (values[1] > MAJORITY)[:, :, None] & (values[1] <= MAJORITY)[:, None, :]
        self.pairs = first, second = np.triu_indices(len(x), 1)
        # A pair of columns is contested in either order; equal rates are not contested.
        self.contests, self.won = (
            (table[:, first, second] + table[:, second, first]).astype(np.float32)
            for table in (contests.astype(np.float32), contests * self.below[0])
        )

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        first, second = self.pairs
        both = (column_weights[:, first] * column_weights[:, second]).T
        each = {"auc": ratio(self.won @ both, self.contests @ both), "spearman": self._spearman(column_weights)}
        return {name: _weighted_mean(values, original_weights.T) for name, values in each.items()}

    def _spearman(self, column_weights):
        """Return [originals, resamples]. Ranks start at 1/2, so their mean is n / 2; a missing value has rank 0."""
        weights = column_weights.T
        x, y = (below @ weights for below in self.below)
        by_mean = (self.known @ weights) ** 3 / 4
        weighted_x, weighted_y = x * weights, y * weights
        return _coefficient(
            *(
                np.einsum("ocr,ocr->or", *ranks) - by_mean
                for ranks in ((weighted_x, y), (weighted_x, x), (weighted_y, y))
            )
        )


class WithinCells:
    """Level `cells`: over the originals of one column, then averaged over the columns in which it is defined."""

    statistics = ("auc", "spearman")

    def __init__(self, x: np.ndarray, y: np.ndarray):
        known = np.isfinite(x + y).any(axis=1)
        self.numbers = np.flatnonzero(known)
        self.cells = [PooledReconstructions(x[[cell]], y[[cell]]) for cell in self.numbers]

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        once = np.ones((len(original_weights), 1), dtype=original_weights.dtype)
        each = [cell.evaluate(once, original_weights) for cell in self.cells]
        weights = column_weights.T[self.numbers]
        return {name: _weighted_mean(np.stack([cell[name] for cell in each]), weights) for name in self.statistics}

    def areas(self, column_weights: np.ndarray, original_weights: np.ndarray) -> np.ndarray:
        """Return only the areas under the ROC curve, [resamples]."""
        once = np.ones((len(original_weights), 1), dtype=original_weights.dtype)
        each = np.stack([cell.areas(once, original_weights) for cell in self.cells])
        return _weighted_mean(each, column_weights.T[self.numbers])


class PooledReconstructions:
    """Level `reconstructions`: all of them pooled, which mixes the other levels.

    Rows are sorted by `x`, so that a cumulative sum of weights is a rank.
    """

    statistics = ("auc", "spearman")

    def __init__(self, x: np.ndarray, y: np.ndarray):
        columns, originals = np.nonzero(np.isfinite(x) & np.isfinite(y))
        order = np.argsort(x[columns, originals], kind="stable")
        self.columns, self.originals = columns[order], originals[order]
        x, y = (table[self.columns, self.originals] for table in (x, y))
        self.first, self.last = np.searchsorted(x, x, "left"), np.searchsorted(x, x, "right")
        if (self.last - self.first == 1).all():
            self.first, self.last = slice(None, -1), slice(1, None)  # the same without ties, and faster
        self.groups = (np.unique(y)[:, None] == y).astype(np.float32)  # a rate has few distinct values
        self.recognised, self.unrecognised = (np.flatnonzero(side) for side in (y > MAJORITY, y <= MAJORITY))
        rivals = x[self.unrecognised]
        self.beaten, self.not_lost_to = (
            np.searchsorted(rivals, x[self.recognised], side) for side in ("left", "right")
        )

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        weights = self._weights(column_weights, original_weights)
        return {"auc": self._area(weights), "spearman": self._spearman(weights)}

    def areas(self, column_weights: np.ndarray, original_weights: np.ndarray) -> np.ndarray:
        """Return only the areas under the ROC curve, [resamples], which takes half the time."""
        return self._area(self._weights(column_weights, original_weights))

    def _weights(self, column_weights, original_weights):
        return column_weights.T.take(self.columns, axis=0) * original_weights.T.take(self.originals, axis=0)

    def _area(self, weights):
        """Return how often a recognised row has a larger value than an unrecognised one; a tie counts half."""
        recognised = weights.take(self.recognised, axis=0)
        below = _cumulative(weights.take(self.unrecognised, axis=0))
        won = np.einsum("nr,nr->r", recognised, below.take(self.beaten, axis=0))
        if (self.beaten < self.not_lost_to).any():
            won = (won + np.einsum("nr,nr->r", recognised, below.take(self.not_lost_to, axis=0))) / 2
        return ratio(won, recognised.sum(axis=0) * below[-1])

    def _spearman(self, weights):
        """Correlate midranks. The mean of n ranks that start at 1/2 is n / 2."""
        below = _cumulative(weights)
        x = (below[self.first] + below[self.last]) / 2
        in_group = self.groups @ weights
        y = np.cumsum(in_group, axis=0) - in_group / 2
        by_mean = in_group.sum(axis=0) ** 3 / 4
        weighted = weights * x
        return _coefficient(
            np.einsum("gr,gr->r", self.groups @ weighted, y) - by_mean,
            np.einsum("nr,nr->r", weighted, x) - by_mean,
            np.einsum("gr,gr,gr->r", in_group, y, y) - by_mean,
        )


MEASURES = {
    "originals": WithinOriginals,
    "cells": WithinCells,
    "models": ModelMeans,
    "reconstructions": PooledReconstructions,
}
"""What is measured at each level, by name. The first three vary one thing each; the last one mixes them."""


CHUNK = 2048
"""Maximum number of resamples evaluated together; fewer of many reconstructions, to fit in a processor's cache."""


def evaluate_levels(
    x: np.ndarray, y: np.ndarray, column_weights: np.ndarray, original_weights: np.ndarray
) -> dict[tuple[str, str], np.ndarray]:
    """Evaluate every statistic of every level for every resample.

    Parameters
    ----------
    x, y : numpy.ndarray
        A metric and the recognition rate, [columns, originals]; NaN where missing.
    column_weights, original_weights : numpy.ndarray
        [resamples, columns] and [resamples, originals]; the latter may be `semsim.statistics.resampling.DrawnCounts`.

    Returns
    -------
    dict of (str, str) to numpy.ndarray
        By level and statistic, [resamples]; NaN where the statistic is undefined in a resample.
    """
    return Levels(x, y).evaluate(column_weights, original_weights)


class Levels:
    """A metric and the recognition rate, arranged for every level: `evaluate_levels` for several sets of resamples.

    Parameters
    ----------
    x, y : numpy.ndarray
        As in `evaluate_levels`.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        known = np.isfinite(x + y).any()
        self.size, self.measures = x.size, {name: level(x, y) for name, level in MEASURES.items() if known}

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        """Return what `evaluate_levels` does, for these resamples."""
        keys = [(name, statistic) for name, level in MEASURES.items() for statistic in level.statistics]
        if not self.measures:
            return dict.fromkeys(keys, np.full(len(column_weights), np.nan))
        _keep_freed_memory()
        parts = [
            {
                name: level.evaluate(column_weights[chunk], original_weights[chunk])
                for name, level in self.measures.items()
            }
            for chunk in blocks_of_resamples(len(column_weights), self.size, CHUNK)
        ]
        return {
            (name, statistic): np.concatenate([part[name][statistic] for part in parts]) for name, statistic in keys
        }


def _keep_freed_memory():
    """Allocate and free a large array, which halves the time of thousands of small steps.

    glibc returns freed arrays to the system and gets them back page by page, unless one that large was freed before.
    """
    np.empty(2**24, dtype=np.uint8)


def _cumulative(weights):
    """Return cumulative sums down the rows, starting with a row of zeros."""
    sums = np.zeros((len(weights) + 1, weights.shape[1]), dtype=weights.dtype)
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums


def _products(a, b):
    """Return the terms of the formula: a b, a^2 and b^2."""
    return a * b, a**2, b**2


def _daniels(a, b, weights):
    """Return the coefficient from differences a, b [resamples, n, n] of weighted values, which have each pair twice."""
    return _coefficient(*((_summed(product, weights) * weights).sum(axis=-1) for product in _products(a, b)))


def _correlated(a, b, weights):
    """Return Pearson's coefficient of weighted values along the last axis."""
    total = weights.sum(axis=-1, keepdims=True)
    a, b = (values - ratio((weights * values).sum(axis=-1, keepdims=True), total) for values in (a, b))
    return _coefficient(*((weights * product).sum(axis=-1) for product in _products(a, b)))


def _midranks(signs, weights):
    """Return midranks of weighted values, starting at 1/2, from the signs of their differences [resamples, n, n]."""
    return (weights.sum(axis=-1, keepdims=True) + _summed(signs, weights)) / 2


def _summed(table, weights):
    """Return the weighted sums of rows, float64: whole numbers, so that single precision was exact."""
    return (table @ weights[:, :, None])[:, :, 0].astype(float)


def _share_below(values):
    """Return for all pairs (i, j) along the last axis whether j is below i; 1/2 where they are equal."""
    one, other = values[..., :, None], values[..., None, :]
    return (other < one) + 0.5 * (other == one)


def _coefficient(product, square_a, square_b):
    """Return product / sqrt(square_a square_b), clipped to [-1, 1]."""
    return np.clip(ratio(product, np.sqrt(np.maximum(square_a, 0)) * np.sqrt(np.maximum(square_b, 0))), -1, 1)


def _weighted_mean(values, weights):
    """Return the weighted mean over the first axis of values that are not NaN."""
    known = weights * np.isfinite(values)
    return ratio(np.einsum("or,or->r", known, np.nan_to_num(values)), known.sum(axis=0))
