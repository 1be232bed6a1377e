"""Means with intervals where nothing is resampled: of independent values, and of recognition rates."""

from __future__ import annotations

import pandas as pd
from scipy.special import stdtrit

from semsim.statistics.resampling import LEVEL, share_interval


def mean_margin(count: int | pd.Series, error: float | pd.Series) -> float | pd.Series:
    """Return half the width of the 95 % interval of a mean of independent values, from Student's t.

    Parameters
    ----------
    count : int or pandas.Series
        How many values there are.
    error : float or pandas.Series
        The standard error of their mean.

    Returns
    -------
    float or pandas.Series
        Undefined for fewer than two values.
    """
    return stdtrit(count - 1, (1 + LEVEL) / 2) * error


def faced_by_every_target(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the attacks that were run on every target model, so that models are compared on the same."""
    models = table.groupby("attack")["target"].transform("nunique")
    return table[models == table["target"].nunique()]


def model_means(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return by target model the mean of a column and its 95 % interval over originals, as value, low and high.

    Each original counts once, with the mean over its attacks; the interval of a single one is unknown.
    """
    of_originals = table.groupby(["target", "original"], sort=False)[column].mean().groupby("target", sort=False)
    count, value = of_originals.count(), of_originals.mean()
    margin = mean_margin(count, of_originals.sem())
    return pd.DataFrame({"value": value, "low": value - margin, "high": value + margin})


def model_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Return by target model the recognition rate in per cent, as `model_means` does, with Wilson's interval."""
    rates = {target: rate_of(rows) for target, rows in table.groupby("target", sort=False)}
    return 100 * pd.DataFrame.from_dict(rates, orient="index", columns=["value", "low", "high"])


def rate_of(table: pd.DataFrame) -> tuple[float, float, float]:
    """Return the mean recognition rate of the rows of a table, and its interval over originals."""
    rates, originals = table["recognition_rate"].to_numpy(), pd.factorize(table["original"])[0]
    return rates.mean(), *share_interval(rates, originals, table["labels"].sum())
