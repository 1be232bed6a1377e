"""Generalisation: how faithful is a learned metric to recognition on held-out data, compared with other metrics?

Every pair of an original and its reconstruction is measured by a metric that was trained without this original, and
without its data set, architecture, defence or attack. The statistics are those of faithfulness.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.io.tables import KEYS
from semsim.seeds import seed_for
from semsim.statistics.crossing import cross, draw
from semsim.statistics.faithfulness import (
    DIFFERENCE_COLUMNS,
    compare_metrics,
    describe_metrics,
    resample_metrics,
    with_faithfulness,
)
from semsim.statistics.resampling import percentile_interval

EVERYTHING = "all"
"""In the columns dataset and exclusion: the mean over data sets, and all exclusions together."""
VALUE_COLUMNS = ["level", "statistic", "metric", "value", "low", "high"]
VALUE_COLUMNS += ["faithfulness", "faithfulness_low", "faithfulness_high", "count", "note"]


def measure_generalisation(
    table: pd.DataFrame,
    trials: pd.DataFrame,
    higher_is_better: dict[str, bool],
    learned: dict[str, bool],
    resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how faithful learned metrics are to recognition on held-out data, beside the other metrics.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per reconstruction: dataset, target, attack, original, recognition_rate and the hand-crafted metrics.
    trials : pandas.DataFrame
        One row per reconstruction and kind of folds: dataset, target, attack, original, folds, exclusion, and the
        `learned` metrics that were evaluated.
    higher_is_better : dict of str to bool
        The hand-crafted metrics.
    learned : dict of str to bool
        The learned metrics; the first one is compared with every other metric.
    resamples : int
        For the intervals.
    seed : int
        Seed of the resamples. All kinds of folds share them, so a metric that is not learned has one interval.

    Returns
    -------
    values : pandas.DataFrame
        folds, exclusion, dataset, level, statistic, metric, value, low, high, faithfulness, faithfulness_low,
        faithfulness_high, count, note, as in `measure_faithfulness`. In addition to each data set there is their mean,
        and in addition to each exclusion all exclusions of a kind together (`EVERYTHING`).
    differences : pandas.DataFrame
        folds, exclusion, dataset, level, statistic, metric (always the first learned one), other, difference (of
        their faithfulness), low, high, p, p_holm.
    """
    subject = next(iter(learned))
    learned = {name: better for name, better in learned.items() if name in trials}
    direction = higher_is_better | learned
    found, compared = [], []
    for folds, of_kind in trials.groupby("folds", sort=False):
        views = {EVERYTHING: of_kind}
        if folds != "dataset" and of_kind["exclusion"].nunique() > 1:
            views |= dict(iter(of_kind.groupby("exclusion", sort=False)))
        for exclusion, rows in views.items():
            seen = table.merge(rows[[*KEYS, *learned]], on=KEYS)
            tables = measure_by_dataset(seen, direction, subject, resamples, seed)
            for each, gathered in zip(tables, (found, compared), strict=True):
                gathered.append(each.assign(folds=folds, exclusion=exclusion))
    return tuple(
        pd.concat(tables, ignore_index=True)[["folds", "exclusion", *tables[0].columns[:-2]]]
        for tables in (found, compared)
    )


def measure_by_dataset(
    table: pd.DataFrame, higher_is_better: dict[str, bool], subject: str, resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how faithful metrics are on each data set and on average, and compare one with the others.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per reconstruction: dataset, target, attack, original, recognition_rate and the metrics.
    higher_is_better : dict of str to bool
        The metrics.
    subject : str
        The metric that is compared with every other.
    resamples, seed : int
        For the intervals; each data set has its own resamples.

    Returns
    -------
    values, differences : pandas.DataFrame
        As in `measure_generalisation`, for one view.
    """
    pairs = [(subject, other) for other in higher_is_better if other != subject]
    every, found, compared = {}, [], []
    for dataset, rows in table.groupby("dataset", sort=False):
        crossing = cross(rows, higher_is_better)
        generator = np.random.default_rng(seed_for(seed, dataset))
        resampled = resample_metrics(crossing, draw(crossing, resamples, generator))
        every[dataset] = with_faithfulness(describe_metrics(crossing, resampled), higher_is_better), resampled
        found.append(every[dataset][0].assign(dataset=dataset))
        compared.append(compare_metrics([every[dataset]], higher_is_better, pairs).assign(dataset=dataset))
    if len(every) > 1:
        found.append(_mean_over_datasets(every, higher_is_better).assign(dataset=EVERYTHING))
        compared.append(compare_metrics([*every.values()], higher_is_better, pairs).assign(dataset=EVERYTHING))
    return tuple(
        pd.concat(tables, ignore_index=True)[["dataset", *columns]]
        for tables, columns in ((found, VALUE_COLUMNS), (compared, DIFFERENCE_COLUMNS))
    )


def _mean_over_datasets(every, direction):
    """Return the mean values over the data sets for which a statistic is defined."""
    keys = ["level", "statistic", "metric"]
    stacked = pd.concat({dataset: values for dataset, (values, _) in every.items()}, names=["dataset"])
    stacked = stacked.reset_index("dataset")
    rows = []
    for (level, statistic, metric), group in stacked.groupby(keys, sort=False):
        defined = group.dropna(subset="value")
        row = {"level": level, "statistic": statistic, "metric": metric, "value": defined["value"].mean()}
        draws = [every[dataset][1][metric][level, statistic] for dataset in defined["dataset"]]
        mean = np.mean(draws, axis=0) if draws else np.full(1, np.nan)
        row["low"], row["high"] = percentile_interval(mean)
        missing = "" if len(defined) == len(group) else f"mean of {len(defined)} of {len(group)} data sets"
        rows.append(row | {"count": int(group["count"].sum()), "note": missing})
    return with_faithfulness(pd.DataFrame(rows), direction)


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table for the mean over data sets, or for the only data set."""
    return table[table["dataset"] == EVERYTHING] if EVERYTHING in set(table["dataset"]) else table


def areas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table with areas under the ROC curve over reconstructions."""
    return table[(table["level"] == "reconstructions") & (table["statistic"] == "auc")]
