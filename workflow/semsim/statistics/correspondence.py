"""Do repeated reconstructions resemble the published ones, as far as published metrics can tell?

Labels of the published reconstructions may be replayed for ours if what was easy to reconstruct for them is easy for
us. So each metric's values are correlated with the published ones: within one original over target models (a smooth
original has a high PSNR whatever the model, which says nothing), within one target model over originals, and over the
means of target models. Where other images of the same classes stand in, a class takes the place of an original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from semsim.seeds import seed_for
from semsim.statistics.resampling import percentile_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHUFFLED = ["shuffled", "shuffled_low", "shuffled_high"]
COLUMNS = ["dataset", "reference", "unit", "level", "metric", "value", "low", "high", *SHUFFLED, "targets", "units"]
RESAMPLES = 1000
"""At most so many, and as many shuffles."""


def measure_correspondence(
    own: pd.DataFrame, published: pd.DataFrame, metrics: Sequence[str], unit: str, resamples: int, seed: int
) -> pd.DataFrame:
    """Correlate metrics of reconstructions with the published values of their partners.

    Parameters
    ----------
    own, published : pandas.DataFrame
        Row by row partners: dataset, reference, target, original, label and the metrics.
    metrics : sequence of str
    unit : {"original", "label"}
        What is the same in both: the original, or only its class.
    resamples : int
        Of target models and units, for the intervals; at most `RESAMPLES`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        dataset, reference (of our metrics), unit (``original`` or ``class``), level (``originals``: within one unit
        over target models; ``cells``: within one target model over units; ``models``: means of target models), metric,
        value (Spearman's rho, its mean where there are several), low, high (95 % interval), shuffled, shuffled_low and
        shuffled_high (the mean and the central 95 % where partners are shuffled: the units, or for the level ``models``
        the target models), targets and units (how many).
    """
    rows = []
    for (dataset, reference), table in own.groupby(["dataset", "reference"], sort=False):
        partners = published.loc[table.index].assign(target=table["target"], **{unit: table[unit]})
        for metric in metrics:
            x, y = (each.pivot_table(metric, "target", unit).to_numpy() for each in (table, partners))
            about = {"dataset": dataset, "reference": reference, "unit": "original" if unit == "original" else "class"}
            size = {"targets": x.shape[0], "units": x.shape[1]}
            for level, (measure, shuffled_axis) in LEVELS.items():
                generator = np.random.default_rng(seed_for(seed, "correspondence", dataset, reference, metric, level))
                found = _measured(measure, x, y, shuffled_axis, min(resamples, RESAMPLES), generator)
                rows.append(about | {"level": level, "metric": metric} | found | size)
    return pd.DataFrame(rows, columns=COLUMNS)


def _measured(measure: Callable, x, y, shuffled_axis, resamples, generator):
    """Return a statistic with its interval, and what it is if one side is shuffled."""
    drawn, shuffled = np.empty((2, resamples))
    for number in range(resamples):
        places = np.ix_(*(generator.integers(size, size=size) for size in x.shape))
        drawn[number] = measure(x[places], y[places])
        shuffled[number] = measure(x, generator.permutation(y, axis=shuffled_axis))
    low, high = percentile_interval(drawn)
    chance = pd.Series(shuffled).mean(), *percentile_interval(shuffled)  # NaN where a metric does not vary
    return {"value": measure(x, y), "low": low, "high": high, **dict(zip(SHUFFLED, chance, strict=True))}


def within_rows(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rho within each row of two tables, averaged over the rows where it is defined.

    Parameters
    ----------
    x, y : numpy.ndarray
        [rows, columns]; NaN where missing.

    Examples
    --------
    >>> within_rows(np.array([[1.0, 2, 3], [1, 2, 3]]), np.array([[1.0, 2, 3], [3, 2, 1]]))
    0.0
    """
    unknown = np.isnan(x) | np.isnan(y)
    ranks = [rankdata(np.where(unknown, np.nan, each), axis=1, nan_policy="omit") for each in (x, y)]
    x, y = (each - np.nanmean(each, axis=1, keepdims=True) for each in ranks)
    length = np.sqrt(np.nansum(x**2, axis=1) * np.nansum(y**2, axis=1))
    defined = length > 0
    if not defined.any():
        return float("nan")
    return float(np.mean(np.nansum(x * y, axis=1)[defined] / length[defined]))


LEVELS = {
    "originals": (lambda x, y: within_rows(x.T, y.T), 1),
    "cells": (within_rows, 1),
    "models": (lambda x, y: within_rows(np.nanmean(x, axis=1)[None], np.nanmean(y, axis=1)[None]), 0),
}
"""What is measured at each level, and which axis of [targets, units] is shuffled there."""
