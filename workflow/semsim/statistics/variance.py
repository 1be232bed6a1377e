"""What recognition depends on: the variance of recognition rates, divided among originals, cells and labels.

Rates vary because some originals are easier to recognise, because some cells (a target model under an attack) leak
more, because a cell leaks more of one original than of another (the interaction), and because a rate is a mean of few
labels. Components are differences of mean products of pairs of rates, which are unbiased however many reconstructions
are missing; a component may come out below zero. If nothing is missing they are those of the analysis of variance.

References
----------
Koch: "A general approach to the estimation of variance components", Technometrics 9, 1967.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.crossing import COLUMN, Crossing, draw, numbers_of
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

COMPONENTS = ("original", "cell", "interaction", "labels")
"""In a table: the original, the target model under an attack, both together, and which labels were given."""
COLUMNS = ["dataset", "kind", "component", "variance", "share", "low", "high", "count", "undefined", "note"]
BLOCK = 256
"""Maximum number of resamples that are evaluated at once."""


def divide_variance(answers: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Divide the variance of recognition rates among originals, cells, their interaction and labels.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.
    resamples : int
        Number of bootstrap resamples of target models and originals, for the intervals.
    seed : int

    Returns
    -------
    pandas.DataFrame
        dataset, kind, component (`COMPONENTS`), variance (of a recognition rate), share (of the sum of all components),
        low, high (95 % interval of the share), count (of reconstructions), undefined (resamples without a value) and
        note.
    """
    tables = []
    for (dataset, kind), rows in answers.groupby(["dataset", "kind"], sort=False):
        crossing = cross_answers(rows)
        draws = draw(crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
        once = (np.ones((1, size)) for size in crossing.rates.shape)
        (variances,), shares = components(crossing, *once), _shares(components(crossing, *draws))
        table = pd.DataFrame({"component": COMPONENTS, "variance": variances, "share": _shares(variances)})
        table["low"], table["high"] = np.transpose([percentile_interval(column) for column in shares.T])
        about = {"count": int(np.isfinite(crossing.rates).sum()), "undefined": np.isnan(shares).sum(axis=0)}
        tables.append(table.assign(dataset=dataset, kind=kind, note=_note(variances), **about))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _note(variances):
    """Return why components are undefined, or an empty text."""
    original, cell, _, labels = variances
    if np.isnan(original + cell):
        return "needs two originals that were reconstructed under the same two target models or attacks"
    return "" if np.isfinite(labels) else "one label for each reconstruction: part of the interaction"


def cross_answers(answers: pd.DataFrame) -> Crossing:
    """Arrange recognition rates and the sampling variance of each, which is its only metric, from single answers."""
    cells = answers.groupby([*COLUMN, "original"])["recognised"].agg(["mean", "size"]).astype(float)
    noise = ratio((cells["mean"] * (1 - cells["mean"])).to_numpy(), cells["size"].to_numpy() - 1)
    rates, noise = (column.unstack("original") for column in (cells["mean"], cells["mean"] * 0 + noise))
    return Crossing({"noise": noise.to_numpy()}, rates.to_numpy(), *numbers_of(rates.index))


def components(crossing: Crossing, columns: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Return the variance components of resamples.

    Parameters
    ----------
    crossing : semsim.statistics.crossing.Crossing
        From `cross_answers`.
    columns, originals : numpy.ndarray
        How often each was drawn, [resamples, columns] and [resamples, originals]. Copies of one are never a pair: they
        would vary less than two of them do.

    Returns
    -------
    numpy.ndarray
        [resamples, components]; NaN where there are no such pairs.
    """
    blocks = blocks_of_resamples(len(columns), crossing.rates.size, BLOCK)
    return np.concatenate([_components(crossing, columns[block], originals[block]) for block in blocks])


def _components(crossing, columns, originals):
    columns, originals = (weights.astype(float) for weights in (columns, originals))
    known = np.isfinite(crossing.rates)
    centred = crossing.rates - np.nanmean(crossing.rates)
    rates = np.where(known, centred, 0)
    sums = (_sums_of_pairs(table, square, columns, originals) for table, square in ((rates, rates**2), (known, known)))
    every, same_original, same_column, different = (ratio(*each) for each in zip(*sums, strict=True))
    noise = crossing.metrics["noise"]
    measured = np.isfinite(noise)
    labels = ratio(*(_weighted_sum(table, columns, originals) for table in (np.where(measured, noise, 0), measured)))
    original, cell = same_original - different, same_column - different
    rest = every - different - original - cell
    return np.stack([original, cell, rest - np.nan_to_num(labels), labels], axis=1)


def _sums_of_pairs(values, squares, columns, originals):
    """Return weighted sums of squares, and of products of two values: of one original, one column, or neither."""
    by_original, by_column = columns @ values, originals @ values.T
    in_original, in_column = columns**2 @ squares, originals @ squares.T
    same_original = (originals * (by_original**2 - in_original)).sum(axis=1)
    same_column = (columns * (by_column**2 - originals**2 @ squares.T)).sum(axis=1)
    different = (
        (columns * by_column).sum(axis=1) ** 2
        - (columns**2 * by_column**2).sum(axis=1)
        - (originals**2 * by_original**2).sum(axis=1)
        + _weighted_sum(squares, columns**2, originals**2)
    )
    return (columns * in_column).sum(axis=1), same_original, same_column, different


def _weighted_sum(values, columns, originals):
    return ((columns @ values) * originals).sum(axis=1)


def _shares(variances):
    """Return the components as shares of their sum, along the last axis; that of labels may be unknown."""
    *others, labels = np.moveaxis(variances, -1, 0)
    return ratio(variances, (sum(others) + np.nan_to_num(labels))[..., None])
