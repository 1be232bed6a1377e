"""The chance of recognition given a hand-crafted metric: what PSNR says about single images, and how little that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.learned.difficulty import learn_chance
from semsim.learned.folds import WITHIN
from semsim.statistics.calibration import CHANCE, COLUMNS, measure_calibration, measure_deviation
from semsim.statistics.content import NO_METRIC, NOTHING
from semsim.statistics.generalisation import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

LOG_ODDS = ["intercept", "weight", "variance", "covariance", "slope_variance"]
"""Columns of how a chance is made of a metric, and how far a set may deviate."""


def calibrate_metrics(
    table: pd.DataFrame, tried: pd.DataFrame, metrics: Mapping[str, Sequence[str]], resamples: int, seed: int
) -> pd.DataFrame:
    """Make chances of single metrics, and measure how well they are calibrated.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a reconstruction: recognition_rate and the columns of metrics.
    tried : pandas.DataFrame
        Chances on held-out originals, as `semsim.learned.difficulty.try_difficulty` returns them, with kind and
        reference.
    metrics : mapping of str to sequence of str
        The columns that are used together, by the name of their combination.
    resamples, seed
        As for `semsim.statistics.calibration.measure_calibration`.

    Returns
    -------
    pandas.DataFrame
        What `measure_calibration` returns of the metrics without difficulty. Where a single metric is used, in the rows
        of all data sets, also its chance as log-odds: intercept and weight, learned from the whole table, and how a set
        deviates from it: variance, covariance and slope_variance.
    """
    alone = tried[(tried["difficulty"] == NOTHING) & (tried["metric"] != NO_METRIC)].assign(folds=WITHIN)
    errors = measure_calibration(alone, resamples, seed)
    for place, row in errors[(errors["dataset"] == EVERYTHING) & (errors["count"] > 0)].iterrows():
        columns = metrics[row["metric"]]
        known = table.dropna(subset=columns)
        if len(columns) > 1 or (model := learn_chance(known, columns)) is None:
            continue
        (mean,), (scale,) = model[0].mean_, model[0].scale_
        weight = model[1].coef_[0, 0] / scale
        trials = alone[alone["metric"] == row["metric"]].dropna(subset=[CHANCE])
        (variance, covariance), (_, slope_variance) = measure_deviation(trials, resamples, seed).covariance
        values = model[1].intercept_[0] - weight * mean, weight, variance, covariance, slope_variance
        errors.loc[place, LOG_ODDS] = values
    return errors.reindex(columns=[*COLUMNS, *LOG_ODDS])
