"""Which differences are too small for a metric to say which of two models people would recognise more of.

The limits are those of the published human study: 14 target models, one attack, 600 originals of CIFAR-100. `LIMITS`
has one row per metric and number of originals: the smallest difference from which the metric ordered exactly these
models as people did, in at least nine cases in ten by the lower bound of the interval; empty if there is none. Other
models may need larger differences, so a difference above the limit proves nothing. Only metrics whose settings are
documented with the published values are included.
"""

from __future__ import annotations

import argparse
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.scoring.summary import number
from semsim.statistics.ranking import OWN
from semsim.text import counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from semsim.metrics.scales import Scales

LIMITS = files("semsim.scoring") / "deciding.csv"
"""Made by ``python -m semsim.scoring.deciding results/human-study/tables``, after ``make human-study``."""


@cache
def limits() -> pd.DataFrame:
    """Return the table of limits: metric, originals, difference."""
    with LIMITS.open() as file:
        return pd.read_csv(file)


def too_small(metric: str, label: str, originals: int, differences: ArrayLike) -> str:
    """Say if differences between sets are below what their metric could decide in the human study.

    Parameters
    ----------
    metric, label : str
        The column of the metric, and its name.
    originals : int
        How many the sets have.
    differences : array-like
        Between the means of sets.

    Returns
    -------
    str
        Empty if no difference is too small, or nothing is known about the metric.

    Examples
    --------
    >>> too_small("psnr", "PSNR", 3, [2.5])
    'In the published human study, no difference in PSNR over 3 originals was enough to say which of two models ...'
    """
    known = limits()
    known = known[(known["metric"] == metric) & (known["originals"] <= originals)]
    if known.empty:
        return ""
    seen, limit = known.sort_values("originals")[["originals", "difference"]].iloc[-1]
    study = f"over {counted(int(seen), 'originals')} was enough to say which of two models people recognise more of."
    if np.isnan(limit):
        return f"In the published human study, no difference in {label} {study}"
    if (np.abs(differences) < limit).any():
        return f"In the published human study, no difference in {label} below {number(limit)} {study}"
    return ""


def limits_of(ranking_limits: pd.DataFrame, scales: Scales) -> pd.DataFrame:
    """Return the table that is shipped, from the tables of the human study.

    Parameters
    ----------
    ranking_limits : pandas.DataFrame
        From `semsim.statistics.ranking.ranking_limits`.
    scales : semsim.metrics.scales.Scales
        Those of the study; a metric with a caveat is not comparable with what is computed here.

    Returns
    -------
    pandas.DataFrame
        metric, originals, difference.
    """
    comparable = [metric for metric, scale in scales.items() if not scale.caveat]
    rows = ranking_limits[(ranking_limits["by"] == OWN) & ranking_limits["metric"].isin(comparable)]
    return rows[["metric", "originals", "these_gap"]].rename(columns={"these_gap": "difference"})


def main() -> None:
    """Make the shipped table."""
    parser = argparse.ArgumentParser(description="Make the shipped table of limits from those of the human study.")
    parser.add_argument("tables", type=Path, help="results/human-study/tables")
    tables = parser.parse_args().tables
    scales = scales_of(read_table(tables / "scales.csv"))
    write_table(limits_of(read_table(tables / "ranking_limits.csv"), scales), LIMITS)


if __name__ == "__main__":
    run(main)
