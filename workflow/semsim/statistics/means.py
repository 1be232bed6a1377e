"""The interval of a mean of independent values, where nothing is resampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import stdtrit

from semsim.statistics.resampling import LEVEL

if TYPE_CHECKING:
    import pandas as pd


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
