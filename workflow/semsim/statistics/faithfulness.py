"""Faithfulness: does a metric agree with annotators, over target models, reconstructions, and within one original?"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.association import MAJORITY, evaluate_levels
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.permutation import p_of_no_association, permutation_null
from semsim.statistics.resampling import holm, p_of_no_difference, percentile_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from semsim.statistics.crossing import Crossing, Draws

VALUE_COLUMNS = ["level", "statistic", "metric", "value", "low", "high"]
VALUE_COLUMNS += ["faithfulness", "faithfulness_low", "faithfulness_high"]
VALUE_COLUMNS += ["null_low", "null_high", "p", "count", "note"]
DIFFERENCE_COLUMNS = ["level", "statistic", "metric", "other", "difference", "low", "high", "p", "p_holm"]
FEWEST_MODELS = 3
"""With fewer, a correlation over target models is meaningless."""


def measure_faithfulness(
    crossings: dict[tuple[str, str, str], Crossing],
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
    permutations: int = 2000,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how faithful each metric is to recognition, and whether metrics differ.

    Parameters
    ----------
    crossings : dict of (str, str, str) to semsim.statistics.crossing.Crossing
        By dataset, kind (of the annotators) and reference.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value means a better reconstruction.
    resamples : int
        For the intervals.
    seed : int
        Seed of the resamples; those of a data set and kind of annotators do not depend on what else is measured.
    permutations : int
        For the null distribution.

    Returns
    -------
    faithfulness : pandas.DataFrame
        dataset, kind, reference, level (`LEVELS`), statistic (spearman, kendall, pearson; auc for ``reconstructions``),
        metric, value, low, high (95 % interval), faithfulness, faithfulness_low, faithfulness_high (the same, but
        sign-adjusted so that 1 is best: for a metric whose lower values are better, -value, or 1 - value for auc),
        count (of reconstructions that have both numbers), null_low, null_high (95 % of the values if metric and
        recognition are unrelated) and p (of that null hypothesis), for spearman only, and note (why a value is
        undefined, or a caveat).
    differences : pandas.DataFrame
        dataset, kind, reference, level, statistic, metric, other, difference (of their faithfulness), low, high, p and
        p_holm, which is corrected over the pairs of metrics of one level and statistic.
    """
    found, compared = [], []
    for (dataset, kind, reference), crossing in crossings.items():
        generator = np.random.default_rng(seed_for(seed, dataset, kind))
        resampled = resample_metrics(crossing, draw(crossing, resamples, generator))
        null = describe_null(crossing, permutations, generator)
        values = describe_metrics(crossing, resampled).merge(null, how="left")
        values.loc[values["value"].isna(), ["null_low", "null_high", "p"]] = np.nan
        values = with_faithfulness(values, higher_is_better)
        about = {"dataset": dataset, "kind": kind, "reference": reference}
        found.append(values.assign(**about))
        compared.append(compare_metrics([(values, resampled)], higher_is_better).assign(**about))
    return tuple(
        pd.concat(tables, ignore_index=True)[[*GROUP, *columns]]
        for tables, columns in ((found, VALUE_COLUMNS), (compared, DIFFERENCE_COLUMNS))
    )


def turned(values: np.ndarray, statistic: ArrayLike, higher_is_better: ArrayLike) -> np.ndarray:
    """Adjust the sign of a statistic so that 1 is best, also for metrics whose lower values are better."""
    return np.where(higher_is_better, values, np.where(np.equal(statistic, "auc"), 1 - values, -values))


def with_faithfulness(values: pd.DataFrame, higher_is_better: dict[str, bool]) -> pd.DataFrame:
    """Add sign-adjusted values and intervals of metrics, where 1 is best; the ends of an interval may swap."""
    up = values["metric"].map(higher_is_better).to_numpy(dtype=bool)
    value, low, high = (turned(values[name], values["statistic"], up) for name in ("value", "low", "high"))
    ends = {"faithfulness_low": np.where(up, low, high), "faithfulness_high": np.where(up, high, low)}
    return values.assign(faithfulness=value, **ends)


def resample_metrics(crossing: Crossing, draws: Draws) -> dict[str, dict[tuple[str, str], np.ndarray]]:
    """Evaluate every metric in the same resamples.

    Returns
    -------
    dict
        By metric, what `evaluate_levels` returns.
    """
    return {name: evaluate_levels(x, crossing.rates, *draws) for name, x in crossing.metrics.items()}


def describe_metrics(crossing: Crossing, resampled: dict) -> pd.DataFrame:
    """Return one row per level, statistic and metric: value, interval, count and note."""
    rows = []
    for metric, x in crossing.metrics.items():
        known = np.isfinite(x) & np.isfinite(crossing.rates)
        once = (np.ones((1, size)) for size in x.shape)
        for (level, statistic), (value,) in evaluate_levels(x, crossing.rates, *once).items():
            row = {"level": level, "statistic": statistic, "metric": metric, "value": float(value)}
            reason = _why_undefined(crossing, x[known], crossing.rates[known], level, statistic)
            if not reason and np.isnan(value):
                reason = "nothing varies at this level"
            if reason:
                row["value"] = row["low"] = row["high"] = np.nan
            else:
                row["low"], row["high"] = percentile_interval(resampled[metric][level, statistic])
            rows.append(row | {"count": int(known.sum()), "note": reason or _caveat(crossing, known)})
    return pd.DataFrame(rows)


def describe_null(crossing: Crossing, permutations: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return one row per level and metric: the interval of Spearman's coefficient without association, and p."""
    rows = []
    for metric, x in crossing.metrics.items():
        observed, null = permutation_null(x, crossing, permutations, generator)
        for level, coefficients in null.items():
            row = {"level": level, "statistic": "spearman", "metric": metric}
            row["null_low"], row["null_high"] = percentile_interval(coefficients)
            rows.append(row | {"p": p_of_no_association(observed[level], coefficients)})
    return pd.DataFrame(rows)


def compare_metrics(
    measured: list[tuple[pd.DataFrame, dict]],
    higher_is_better: dict[str, bool],
    pairs: list[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Return one row per level, statistic and pair of metrics (by default all pairs): which is more faithful?

    Parameters
    ----------
    measured : list of (pandas.DataFrame, dict)
        What `with_faithfulness` and `resample_metrics` return for one data set, or for several with the same metrics;
        then differences are means over the data sets in which both metrics are defined.
    higher_is_better : dict of str to bool
    pairs : list of (str, str), optional

    Returns
    -------
    pandas.DataFrame
        `DIFFERENCE_COLUMNS`; NaN where no data set has both.
    """
    keys = ["level", "statistic", "metric"]
    first, _ = measured[0]
    faithfulness = [values.set_index(keys)["faithfulness"] for values, _ in measured]
    pairs = pairs or [*combinations(first["metric"].unique(), 2)]
    rows = []
    for level, statistic in first[keys[:2]].drop_duplicates().itertuples(index=False):
        family = []
        for metric, other in pairs:
            row = {"level": level, "statistic": statistic, "metric": metric, "other": other}
            gaps = [values[level, statistic, metric] - values[level, statistic, other] for values in faithfulness]
            defined = np.isfinite(gaps)
            if defined.any():
                row["difference"] = np.mean(gaps, where=defined)
                one, two = (
                    [turned(draws[name][level, statistic], statistic, higher_is_better[name]) for _, draws in measured]
                    for name in (metric, other)
                )
                resampled = np.mean(np.subtract(one, two)[defined], axis=0)
                resampled = np.round(resampled, 6)  # the limit of single precision
                row["low"], row["high"] = percentile_interval(resampled)
                row["p"] = p_of_no_difference(resampled)
            family.append(row)
        family = pd.DataFrame(family, columns=DIFFERENCE_COLUMNS)
        rows.append(family.assign(p_holm=holm(family["p"])))
    return pd.concat(rows, ignore_index=True)


def _why_undefined(crossing, x, y, level, statistic):
    """Return why a statistic is undefined, or an empty text."""
    if not len(x):
        return "no reconstruction has both a value and labels"
    if level != "reconstructions" and crossing.model_count < FEWEST_MODELS:
        return f"fewer than {FEWEST_MODELS} target models"
    if np.ptp(x) == 0:
        return "the metric is constant"
    if np.ptp(y) == 0:
        return "the recognition rate is constant"
    if statistic == "auc" and len(np.unique(y > MAJORITY)) == 1:
        return "the majority recognised all, or none"
    return ""


def _caveat(crossing, known):
    """Return a caveat about a defined value, or an empty text."""
    caveats = []
    missing = int(np.isfinite(crossing.rates).sum() - known.sum())
    if missing:
        caveats.append(f"{missing} reconstructions have labels but no value, and are left out")
    if crossing.model_count < FEWEST_MODELS:
        caveats.append(f"fewer than {FEWEST_MODELS} target models: the interval says nothing about others")
    return "; ".join(caveats)
