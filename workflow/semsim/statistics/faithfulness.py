"""Faithfulness: does a metric order reconstructions as annotators do?

Faithfulness is measured within one original, within one target model and attack, between target models, and pooled. The
primary test is fixed in advance: the area under the ROC curve within one original. Whether a metric is above chance is
decided by permutation (p_holm), not by its interval, which says how large an effect may be; whether two metrics differ,
by their resampled difference. Families of Holm's correction are all metrics (or pairs of them) and levels of one
statistic, as printed.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.association import MAJORITY, PRIMARY, chance_level
from semsim.statistics.baselines import BASELINES, CANNOT_TELL, evaluate_metric, with_baselines
from semsim.statistics.crossing import GROUP, Draws, draw
from semsim.statistics.permutation import p_of_no_association, permutation_null
from semsim.statistics.resampling import holm, p_of_no_difference, percentile_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from semsim.statistics.crossing import Crossing

ESTIMATED = ["level", "statistic", "metric"]
"""Columns that identify what is estimated."""
ESTIMATES = ["value", "low", "high", "faithfulness", "faithfulness_low", "faithfulness_high"]
VALUE_COLUMNS = [*ESTIMATED, "primary", *ESTIMATES, "these_low", "these_high"]
VALUE_COLUMNS += ["null_low", "null_high", "p", "p_holm", "tests", "count", "undefined", "note"]
DIFFERENCE_COLUMNS = [*ESTIMATED, "other", "primary", "difference", "low", "high", "undefined", "p"]
CORRECTED = ["p_holm", "tests"]
FEWEST_MODELS = 3
"""With fewer, a correlation over target models is meaningless."""
RESAMPLES_OF_THESE = 2000
"""At most so many resamples for intervals that keep the target models."""


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
        dataset, kind, reference, level and statistic (`semsim.statistics.association.MEASURES`), metric (also the
        trivial baselines), primary (whether the row is of the primary test, `PRIMARY`), value, low, high (95 %
        interval), faithfulness, faithfulness_low, faithfulness_high (the same, but sign-adjusted so that 1 is best: for
        a metric whose lower values are better, -value, or 1 - value for auc), these_low, these_high (interval of
        faithfulness for exactly these target models: only originals are drawn), null_low, null_high (95 % of the values
        if metric and recognition are unrelated) and p (of that null hypothesis: the test against chance) for spearman
        and auc, p_holm (corrected over all metrics and levels of one statistic, `tests` of them), count (of
        reconstructions that have both numbers), undefined (resamples without a value, which the interval leaves out),
        and note (why a value is undefined, or a caveat).
    differences : pandas.DataFrame
        dataset, kind, reference, level, statistic, metric, other, primary, difference (of their faithfulness), low,
        high, undefined, p and p_holm, which is corrected over all pairs and levels of one statistic, `tests` of them.
    """
    found, compared = [], []
    for (dataset, kind, reference), measured in crossings.items():
        crossing = with_baselines(measured)
        directions = higher_is_better | BASELINES.directions
        generator = np.random.default_rng(seed_for(seed, dataset, kind))
        sample = measure_sample(crossing, draw(crossing, resamples, generator), directions)
        null = describe_null(measured, permutations, generator)
        values = sample.values.merge(null, how="left", on=ESTIMATED)
        values.loc[values["value"].isna(), ["null_low", "null_high", "p"]] = np.nan
        about = {"dataset": dataset, "kind": kind, "reference": reference}
        found.append(values.assign(**about))
        compared.append(compare_metrics([sample], directions).assign(**about))
    return tuple(
        with_holm(pd.concat(tables, ignore_index=True), [*GROUP, "statistic"])[[*GROUP, *columns]]
        for tables, columns in ((found, VALUE_COLUMNS), (compared, [*DIFFERENCE_COLUMNS, *CORRECTED]))
    )


class Sample(NamedTuple):
    """The metrics of one data set, measured.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per level, statistic and metric: `VALUE_COLUMNS`, without what tests chance.
    resampled : dict
        By metric, then by level and statistic, the values in each resample of target models and originals.
    these : dict
        The same, in resamples of originals only.
    """

    values: pd.DataFrame
    resampled: dict[str, dict[tuple[str, str], np.ndarray]]
    these: dict[str, dict[tuple[str, str], np.ndarray]]


def measure_sample(crossing: Crossing, draws: Draws, higher_is_better: dict[str, bool]) -> Sample:
    """Measure every metric of a data set: values, with intervals for models like these and for exactly these."""
    originals = draws.originals[:RESAMPLES_OF_THESE]
    every = np.ones((len(originals), len(crossing.models)), dtype=originals.dtype)
    once = Draws(*(np.ones((1, size), dtype=float) for size in crossing.rates.shape))
    samples = once, draws, Draws(every, originals)
    measured = {name: evaluate_metric(name, crossing, *samples) for name in crossing.metrics}
    once, resampled, these = ({name: each[number] for name, each in measured.items()} for number in range(len(samples)))
    values = with_faithfulness(describe_metrics(crossing, once, resampled), higher_is_better)
    return Sample(with_these_models(values, these, higher_is_better), resampled, these)


def with_these_models(values: pd.DataFrame, these: dict, higher_is_better: dict[str, bool]) -> pd.DataFrame:
    """Add these_low and these_high: intervals of faithfulness where only originals are drawn."""
    limits = [
        percentile_interval(
            turned(these[row.metric][row.level, row.statistic], row.statistic, higher_is_better[row.metric])
        )
        if np.isfinite(row.value)
        else (np.nan, np.nan)
        for row in values.itertuples(index=False)
    ]
    low, high = zip(*limits, strict=True)
    return values.assign(these_low=low, these_high=high)


def with_holm(table: pd.DataFrame, family: list[str]) -> pd.DataFrame:
    """Add p_holm, corrected by Holm's method over the rows that agree in `family`, and tests, how many these are.

    A row whose p is undefined is no test.
    """
    p_values = table.groupby(family, sort=False)["p"]
    return table.assign(p_holm=p_values.transform(holm), tests=p_values.transform("count"))


def turned(values: np.ndarray, statistic: ArrayLike, higher_is_better: ArrayLike) -> np.ndarray:
    """Adjust the sign of a statistic so that 1 is best, also for metrics whose lower values are better."""
    return np.where(higher_is_better, values, np.where(np.equal(statistic, "auc"), 1 - values, -values))


def with_faithfulness(values: pd.DataFrame, higher_is_better: dict[str, bool]) -> pd.DataFrame:
    """Add sign-adjusted values and intervals of metrics, where 1 is best; the ends of an interval may swap."""
    up = values["metric"].map(higher_is_better).to_numpy(dtype=bool)
    value, low, high = (turned(values[name], values["statistic"], up) for name in ("value", "low", "high"))
    ends = {"faithfulness_low": np.where(up, low, high), "faithfulness_high": np.where(up, high, low)}
    return values.assign(faithfulness=value, **ends)


def describe_metrics(crossing: Crossing, once: dict, resampled: dict) -> pd.DataFrame:
    """Return one row per level, statistic and metric: value, interval, count, undefined resamples and note.

    Parameters
    ----------
    crossing : semsim.statistics.crossing.Crossing
    once, resampled : dict
        By metric, then by level and statistic, the value of all that there is, [1], and those in resamples.
    """
    rows = []
    for metric, x in crossing.metrics.items():
        known = np.isfinite(x) & np.isfinite(crossing.rates)
        for (level, statistic), (value,) in once[metric].items():
            row = {"level": level, "statistic": statistic, "metric": metric, "value": float(value)}
            reason = CANNOT_TELL.get((metric, level)) or _why_undefined(crossing, x, known, level, statistic)
            if not reason and np.isnan(value):
                reason = "nothing varies at this level"
            draws = resampled[metric][level, statistic]
            row["low"], row["high"] = percentile_interval(draws)
            row["undefined"] = int(np.isnan(draws).sum())
            if reason:
                row |= {"value": np.nan, "low": np.nan, "high": np.nan, "undefined": len(draws)}
            rows.append(row | {"count": int(known.sum()), "note": reason or _caveat(crossing, known)})
    rows = pd.DataFrame(rows)
    return rows.assign(primary=is_primary(rows))


def is_primary(rows: pd.DataFrame) -> pd.Series:
    """Return whether each row is at the level and of the statistic of the primary test."""
    level, statistic = PRIMARY
    return (rows["level"] == level) & (rows["statistic"] == statistic)


def describe_null(crossing: Crossing, permutations: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return one row per level, statistic and metric: the interval of the statistic without association, and p."""
    rows = []
    observed, null = permutation_null(crossing.metrics, crossing, permutations, generator)
    for (level, statistic), values in null.items():
        for metric, value, permuted in zip(crossing.metrics, observed[level, statistic], values.T, strict=True):
            row = {"level": level, "statistic": statistic, "metric": metric}
            low, high = percentile_interval(permuted)
            row["null_low"], row["null_high"] = (chance_level(statistic) + end for end in (low, high))
            rows.append(row | {"p": p_of_no_association(value, permuted)})
    return pd.DataFrame(rows)


def compare_metrics(
    samples: list[Sample],
    higher_is_better: dict[str, bool],
    pairs: list[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Return one row per level, statistic and pair of metrics (by default all pairs): which is more faithful?

    Parameters
    ----------
    samples : list of Sample
        One data set, or several with the same metrics; then differences are means over the data sets in which both
        metrics are defined.
    higher_is_better : dict of str to bool
    pairs : list of (str, str), optional

    Returns
    -------
    pandas.DataFrame
        `DIFFERENCE_COLUMNS`; NaN where no data set has both. Whoever prints them corrects p over what is printed
        (`with_holm`).
    """
    first = samples[0].values
    faithfulness = [sample.values.set_index(ESTIMATED)["faithfulness"] for sample in samples]
    pairs = pairs or [*combinations(first["metric"].unique(), 2)]
    rows = []
    for level, statistic in first[ESTIMATED[:2]].drop_duplicates().itertuples(index=False):
        for metric, other in pairs:
            row = {"level": level, "statistic": statistic, "metric": metric, "other": other}
            gaps = [values[level, statistic, metric] - values[level, statistic, other] for values in faithfulness]
            defined = np.isfinite(gaps)
            if defined.any():
                row["difference"] = np.mean(gaps, where=defined)
                one, two = (
                    [
                        turned(sample.resampled[name][level, statistic], statistic, higher_is_better[name])
                        for sample in samples
                    ]
                    for name in (metric, other)
                )
                resampled = np.mean(np.subtract(one, two)[defined], axis=0)
                resampled = np.round(resampled, 6)  # the limit of single precision
                row["low"], row["high"] = percentile_interval(resampled)
                row["p"] = p_of_no_difference(resampled)
                row["undefined"] = int(np.isnan(resampled).sum())
            rows.append(row)
    rows = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
    return rows.assign(primary=is_primary(rows))


def _why_undefined(crossing, x, known, level, statistic):
    """Return why a statistic is undefined, or an empty text."""
    x, y = x[known], crossing.rates[known]
    if not len(x):
        return "no reconstruction has both a value and labels"
    if level in ("models", "originals") and crossing.model_count < FEWEST_MODELS:
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
