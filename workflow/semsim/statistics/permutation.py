"""The distribution of Spearman's coefficient if a metric and recognition were unrelated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from semsim.statistics.crossing import Crossing


def permutation_null(
    x: np.ndarray, crossing: Crossing, permutations: int, generator: np.random.Generator
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Shuffle a metric's target models, attacks and originals, each as a whole, and correlate it again.

    This preserves the dependence among reconstructions of one target model, one attack or one original.

    Parameters
    ----------
    x : numpy.ndarray
        A metric, [columns, originals]. A missing number (NaN) counts as the mean.
    crossing : semsim.statistics.crossing.Crossing
        The recognition rates, and the target model and attack of each column.
    permutations : int
        Number of permutations.
    generator : numpy.random.Generator

    Returns
    -------
    observed : dict of str to float
        By level, Spearman's coefficient before shuffling; NaN where it is undefined.
    null : dict of str to numpy.ndarray
        By level, the coefficients after shuffling, [permutations].
    """
    known = np.isfinite(x) & np.isfinite(crossing.rates)
    x_scores, y_scores = (_scores(np.where(known, values, np.nan)) for values in (x, crossing.rates))
    columns, originals = map(np.arange, known.shape)
    observed = _coefficients(x_scores, y_scores, columns, originals)
    null = {level: np.full(permutations, np.nan) for level in observed}
    blocks = _blocks(crossing)
    for shuffle in range(permutations):
        models = generator.permutation(crossing.model_count)
        for members, block in blocks:
            rows = np.searchsorted(members, _first_return(models, members))
            columns[block] = generator.permutation(block[rows], axis=1)
        coefficients = _coefficients(x_scores, y_scores, columns, generator.permutation(originals))
        for level, coefficient in coefficients.items():
            null[level][shuffle] = coefficient
    return observed, null


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
    reached = models[members]
    while (outside := ~np.isin(reached, members)).any():
        reached[outside] = models[reached[outside]]
    return reached


def p_of_no_association(value: float, null: np.ndarray) -> float:
    """Return the two-sided p value: the share of coefficients as far from zero, counting the observed one."""
    if np.isnan(value):
        return np.nan
    defined = null[np.isfinite(null)]
    return float((1 + (np.abs(defined) >= abs(value) - 1e-12).sum()) / (1 + len(defined)))


def _scores(values):
    """Return, by level, centred ranks of unit length, whose products are correlations, and which originals vary.

    These are a table [columns, originals] and a mask of its originals.
    """
    known = np.isfinite(values)
    means = np.nansum(values, axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    means = np.where(known.any(axis=1, keepdims=True), np.round(means, 12), np.nan)
    tables = {
        "models": _standardised(np.broadcast_to(_ranks(means, 0), values.shape), None),
        "reconstructions": _standardised(_ranks(values.reshape(-1, 1), 0).reshape(values.shape), None),
        "originals": _standardised(_ranks(values, 0), 0),
    }
    # Contiguous, so that products of two tables are summed without a copy.
    return {level: (np.ascontiguousarray(table), table.any(axis=0)) for level, table in tables.items()}


def _ranks(values, axis):
    """Return midranks of the values that are not NaN."""
    return rankdata(values, axis=axis, nan_policy="omit")


def _standardised(ranks, axis):
    """Return centred ranks of unit length; 0 where one is missing or all are equal."""
    known = np.isfinite(ranks)
    means = np.nansum(ranks, axis=axis, keepdims=True) / np.maximum(known.sum(axis=axis, keepdims=True), 1)
    centred = np.where(known, ranks - means, 0.0)
    length = np.sqrt((centred**2).sum(axis=axis, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _coefficients(x_scores, y_scores, columns, originals):
    """Return, by level, the sum of products of y and of x with permuted columns and originals.

    Within originals it is the mean over those in which both vary; NaN if there are none.
    """
    places = columns[:, None] * len(originals) + originals
    coefficients = {}
    for level, (x, x_varies) in x_scores.items():
        y, y_varies = y_scores[level]
        groups = (x_varies[originals] & y_varies).sum() if level == "originals" else x_varies.any() and y_varies.any()
        coefficients[level] = np.vdot(x.take(places), y) / groups if groups else np.nan
    return coefficients
