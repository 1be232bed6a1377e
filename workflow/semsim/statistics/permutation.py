"""What Spearman's coefficient would be if a metric and recognition had nothing to do with each other."""

import numpy as np
from scipy.stats import rankdata


def permutation_null(x, crossing, permutations, generator):
    """Shuffle whole target models and whole originals of a metric, and correlate it with the recognition rate again.

    What reconstructions of one target model or of one original have in common stays in common. A target model changes
    places with those that faced the same attacks, attack by attack: what is the attack's doing stays where it is.

    Parameters
    ----------
    x : numpy.ndarray
        A metric, [columns, originals]. A missing number (NaN) counts as the mean.
    crossing : semsim.statistics.crossing.Crossing
        The recognition rates, and whose the columns are.
    permutations : int
        How often to shuffle.
    generator : numpy.random.Generator

    Returns
    -------
    observed : dict of str to float
        By level, Spearman's coefficient before shuffling; NaN where it is undefined.
    null : dict of str to numpy.ndarray
        By level, the coefficients after it, [permutations].
    """
    known = np.isfinite(x) & np.isfinite(crossing.rates)
    x_scores, y_scores = (_scores(np.where(known, values, np.nan)) for values in (x, crossing.rates))
    columns, originals = map(np.arange, known.shape)
    observed = _coefficients(x_scores, y_scores, columns, originals)
    null = {level: np.full(permutations, np.nan) for level in observed}
    blocks = _exchangeable(crossing)
    for shuffle in range(permutations):
        for block in blocks:
            columns[block] = generator.permutation(block)
        coefficients = _coefficients(x_scores, y_scores, columns, generator.permutation(originals))
        for level, coefficient in coefficients.items():
            null[level][shuffle] = coefficient
    return observed, null


def _exchangeable(crossing):
    """Return the columns of target models that faced the same attacks, [models, attacks], one array for each group."""
    groups = {}
    for model in range(crossing.model_count):
        columns = np.flatnonzero(crossing.models == model)
        groups.setdefault(tuple(crossing.attacks[columns]), []).append(columns)
    return [np.array(columns) for columns in groups.values()]


def p_of_no_association(value, null):
    """Return the two-sided p value: the share of coefficients as far from zero, counting the observed one."""
    if np.isnan(value):
        return np.nan
    defined = null[np.isfinite(null)]
    return float((1 + (np.abs(defined) >= abs(value) - 1e-12).sum()) / (1 + len(defined)))


def _scores(values):
    """Return by level ranks less their mean, brought to length 1, so that products correlate, and what varies at all.

    These are a table [columns, originals], and a mask of its originals.
    """
    known = np.isfinite(values)
    means = np.nansum(values, axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    means = np.where(known.any(axis=1, keepdims=True), np.round(means, 12), np.nan)
    tables = {
        "models": _standardised(np.broadcast_to(_ranks(means, 0), values.shape), None),
        "reconstructions": _standardised(_ranks(values.reshape(-1, 1), 0).reshape(values.shape), None),
        "originals": _standardised(_ranks(values, 0), 0),
    }
    # Laid out row by row, so that products of two tables are summed without a copy.
    return {level: (np.ascontiguousarray(table), table.any(axis=0)) for level, table in tables.items()}


def _ranks(values, axis):
    """Return midranks of what is not NaN."""
    return rankdata(values, axis=axis, nan_policy="omit")


def _standardised(ranks, axis):
    """Return ranks less their mean, brought to length 1; 0 where one is missing or all are equal."""
    known = np.isfinite(ranks)
    means = np.nansum(ranks, axis=axis, keepdims=True) / np.maximum(known.sum(axis=axis, keepdims=True), 1)
    centred = np.where(known, ranks - means, 0.0)
    length = np.sqrt((centred**2).sum(axis=axis, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _coefficients(x_scores, y_scores, columns, originals):
    """Return by level the sum of products, columns and originals of x in another order than those of y.

    Within originals it is the mean over those in which both vary; NaN where nothing does.
    """
    places = columns[:, None] * len(originals) + originals
    coefficients = {}
    for level, (x, x_varies) in x_scores.items():
        y, y_varies = y_scores[level]
        groups = (x_varies[originals] & y_varies).sum() if level == "originals" else x_varies.any() and y_varies.any()
        coefficients[level] = np.vdot(x.take(places), y) / groups if groups else np.nan
    return coefficients
