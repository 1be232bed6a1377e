"""Rank correlations between a metric and recognition, for thousands of resamples at once.

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
from scipy import sparse

from semsim.labels.recognition import MAJORITY
from semsim.statistics.resampling import blocks_of_resamples, ratio

CORRELATIONS = ("spearman", "kendall", "pearson")


def chance_level(statistic: str) -> float:
    """Return the value of a statistic for a metric that is unrelated to recognition."""
    return 0.5 if statistic == "auc" else 0


class ModelMeans:
    """Level `models`: the means of each column over the originals, correlated over columns."""

    statistics = CORRELATIONS

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.known = np.isfinite(x) & np.isfinite(y)
        self.x, self.y = (np.where(self.known, values, 0.0) for values in (x, y))
        self.pairs = np.triu_indices(len(x), 1)

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        counts = original_weights @ self.known.T
        weights = column_weights * (counts > 0)
        # Rounded, so that equal means stay tied in whatever order they were summed.
        x, y = (np.round(original_weights @ values.T / np.maximum(counts, 1), 12) for values in (self.x, self.y))
        first, second = self.pairs
        both = weights[:, first] * weights[:, second]
        kernels = {
            "spearman": lambda values: _differences(_small_ranks(values, weights), self.pairs),
            "kendall": lambda values: np.sign(_differences(values, self.pairs)),
            "pearson": lambda values: _differences(values, self.pairs),
        }
        return {name: _daniels(kernel(x), kernel(y), both) for name, kernel in kernels.items()}


class WithinOriginals:
    """Level `originals`: correlated over the columns of one original, then averaged over originals where defined."""

    statistics = CORRELATIONS

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.known = (np.isfinite(x) & np.isfinite(y)).T
        self.pairs = np.triu_indices(len(x), 1)
        values = [np.where(self.known, table.T, np.nan) for table in (x, y)]
        differences = [np.nan_to_num(_differences(table, self.pairs)) for table in values]
        self.products = {
            "kendall": _products(*(np.sign(difference).astype(np.int8) for difference in differences)),
            "pearson": _products(*differences),
        }
        self.below = [_share_below(table).astype(np.float32) for table in values]

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        first, second = self.pairs
        both = (column_weights[:, first] * column_weights[:, second]).T
        each = {
            name: _coefficient(*(product.astype(both.dtype) @ both for product in products))
            for name, products in self.products.items()
        }
        each["spearman"] = self._spearman(column_weights)
        return {name: _weighted_mean(each[name], original_weights.T) for name in self.statistics}

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


class PooledReconstructions:
    """Level `reconstructions`: all of them pooled; also the area under the ROC curve.

    Rows are sorted by `x`, so that a cumulative sum of weights is a rank. `y`, a recognition rate, has few distinct
    values: statistics of pairs of rows are summed over pairs of groups with equal `y`.
    """

    statistics = (*CORRELATIONS, "auc")

    def __init__(self, x: np.ndarray, y: np.ndarray):
        columns, originals = np.nonzero(np.isfinite(x) & np.isfinite(y))
        order = np.argsort(x[columns, originals], kind="stable")
        self.columns, self.originals = columns[order], originals[order]
        x, y = (table[self.columns, self.originals] for table in (x, y))
        self.first, self.last = np.searchsorted(x, x, "left"), np.searchsorted(x, x, "right")
        if (self.last - self.first == 1).all():
            self.first, self.last = slice(None, -1), slice(1, None)  # the same without ties, and faster
        levels, groups = np.unique(y, return_inverse=True)
        place = groups, np.arange(len(y))
        self.levels, self.x = levels - y.mean(), x - x.mean()
        self.groups = sparse.csr_array((np.ones(len(y), dtype=np.float32), place))
        self.x_by_group = sparse.csr_array((self.x, place))
        self.rows = [np.flatnonzero(groups == group) for group in range(len(levels))]
        self.contests = [
            [_Contest(x[rows], x[lower]) for lower in self.rows[:group]] for group, rows in enumerate(self.rows)
        ]
        self.minority = int((levels <= MAJORITY).sum())

    def evaluate(self, column_weights: np.ndarray, original_weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return {statistic: array [resamples]}."""
        weights = column_weights.T.take(self.columns, axis=0) * original_weights.T.take(self.originals, axis=0)
        in_group = self.groups @ weights
        below = _cumulative(weights)
        bounds = below[self.first], below[self.last]
        kendall, auc = self._pairs_won(weights, in_group, bounds)
        return {
            "spearman": self._spearman(weights, in_group, bounds),
            "kendall": kendall,
            "pearson": self._pearson(weights, in_group),
            "auc": auc,
        }

    def _spearman(self, weights, in_group, bounds):
        """Correlate midranks. The mean of n ranks that start at 1/2 is n / 2."""
        x = (bounds[0] + bounds[1]) / 2
        y = np.cumsum(in_group, axis=0) - in_group / 2
        by_mean = in_group.sum(axis=0) ** 3 / 4
        weighted = weights * x
        return _coefficient(
            np.einsum("gr,gr->r", self.groups @ weighted, y) - by_mean,
            np.einsum("nr,nr->r", weighted, x) - by_mean,
            np.einsum("gr,gr,gr->r", in_group, y, y) - by_mean,
        )

    def _pairs_won(self, weights, in_group, bounds):
        """Return Kendall's coefficient and the area under the curve; both count pairs in which `x` rises with `y`."""
        total = in_group.sum(axis=0)
        by_group = [weights.take(rows, axis=0) for rows in self.rows]
        below = [_cumulative(part) for part in by_group]
        all_pairs, majority_pairs = np.zeros_like(total), np.zeros_like(total)
        for group, (part, contests) in enumerate(zip(by_group, self.contests, strict=True)):
            balance = np.zeros_like(part)
            for lower in range(min(group, self.minority)):
                contests[lower].add_won_less_lost(balance, below[lower])
            if group >= self.minority:
                majority_pairs += np.einsum("nr,nr->r", part, balance)
            for lower in range(self.minority, group):
                contests[lower].add_won_less_lost(balance, below[lower])
            all_pairs += np.einsum("nr,nr->r", part, balance)
        untied_x = total**2 - np.einsum("nr,nr->r", weights, bounds[1] - bounds[0])
        untied_y = total**2 - (in_group**2).sum(axis=0)
        between = in_group[: self.minority].sum(axis=0) * in_group[self.minority :].sum(axis=0)
        return _coefficient(2 * all_pairs, untied_x, untied_y), (1 + ratio(majority_pairs, between)) / 2

    def _pearson(self, weights, in_group):
        total = in_group.sum(axis=0)
        x_in_group = self.x_by_group.astype(weights.dtype) @ weights
        x, y = x_in_group.sum(axis=0), self.levels @ in_group
        return _coefficient(
            self.levels @ x_in_group - ratio(x * y, total),
            (self.x**2).astype(weights.dtype) @ weights - ratio(x**2, total),
            self.levels**2 @ in_group - ratio(y**2, total),
        )


MEASURES = {"models": ModelMeans, "reconstructions": PooledReconstructions, "originals": WithinOriginals}
"""What is correlated at each level, by name, starting from the coarsest."""


CHUNK = 64
"""Maximum number of resamples evaluated together, small enough for their data to fit in a processor's cache."""


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
    if not np.isfinite(x + y).any():
        undefined = np.full(len(column_weights), np.nan)
        return {(name, statistic): undefined for name, level in MEASURES.items() for statistic in level.statistics}
    _keep_freed_memory()
    levels = {name: level(x, y) for name, level in MEASURES.items()}

    parts = [
        {name: level.evaluate(column_weights[chunk], original_weights[chunk]) for name, level in levels.items()}
        for chunk in blocks_of_resamples(len(column_weights), x.size, CHUNK)
    ]
    return {
        (name, statistic): np.concatenate([part[name][statistic] for part in parts])
        for name, level in levels.items()
        for statistic in level.statistics
    }


def _keep_freed_memory():
    """Allocate and free a large array, which halves the time of thousands of small steps.

    glibc returns freed arrays to the system and gets them back page by page, unless one that large was freed before.
    """
    np.empty(2**24, dtype=np.uint8)


class _Contest:
    """Compare every row of one group with every row of another, both sorted by value: which is larger?"""

    def __init__(self, values, rivals):
        self.beaten = np.searchsorted(rivals, values, "left")
        self.not_lost_to = np.searchsorted(rivals, values, "right")
        self.ties = (self.beaten < self.not_lost_to).any()

    def add_won_less_lost(self, balance, below):
        """Add to `balance` [rows, resamples] the weight of rivals that a row beats minus that of those it loses to."""
        beaten = below.take(self.beaten, axis=0)
        balance += beaten
        balance += below.take(self.not_lost_to, axis=0) if self.ties else beaten
        balance -= below[-1]


def _cumulative(weights):
    """Return cumulative sums down the rows, starting with a row of zeros."""
    sums = np.zeros((len(weights) + 1, weights.shape[1]), dtype=weights.dtype)
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums


def _differences(values, pairs):
    """Return the differences of all pairs along the last axis."""
    first, second = pairs
    return values[..., first] - values[..., second]


def _products(a, b):
    """Return the terms of the formula: a b, a^2 and b^2."""
    return a * b, a**2, b**2


def _daniels(a, b, weights):
    """Return the coefficient from pairs along the last axis."""
    return _coefficient(*((weights * product).sum(axis=-1) for product in _products(a, b)))


def _small_ranks(values, weights):
    """Return midranks of weighted values along the last axis, starting at 1/2, by comparing all pairs."""
    return np.einsum("rij,rj->ri", _share_below(values), weights)


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
