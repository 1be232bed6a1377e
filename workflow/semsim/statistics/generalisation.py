"""Generalisation: how faithful is a learned metric to recognition on held-out data, compared with other metrics?

Every pair of an original and its reconstruction is measured by a metric that was trained without this original, and
without its data set, architecture, defence, attack or group of target models. The statistics are those of faithfulness,
over everything that was held out together, with the mean over held-out values and the worst of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.io.tables import KEYS
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES, add_baselines
from semsim.statistics.crossing import cross, draw_together
from semsim.statistics.faithfulness import (
    DIFFERENCE_COLUMNS,
    ESTIMATED,
    ESTIMATES,
    Sample,
    compare_metrics,
    is_primary,
    measure_sample,
    with_faithfulness,
    with_holm,
    with_these_models,
)
from semsim.statistics.resampling import percentile_interval

EVERYTHING = "all"
"""In the columns dataset and exclusion: the mean over data sets, and all exclusions together."""
RESAMPLES_OF_EXCLUSIONS = 500
"""At most so many resamples for the intervals of single exclusions."""
LEFT_OUT = ["left_out_mean", "left_out_worst", "worst_left_out"]
VALUE_COLUMNS = [*ESTIMATED, "primary", *ESTIMATES, "these_low", "these_high", "count", "undefined", "note"]


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
        The learned metrics; the first one is compared with every other metric, and with the trivial baselines.
    resamples : int
        For the intervals.
    seed : int
        Seed of the resamples. All kinds of folds share them, so a metric that is not learned has one interval, and all
        data sets share those of target models.

    Returns
    -------
    values : pandas.DataFrame
        folds, exclusion, dataset, level, statistic, metric, primary, value, low, high, faithfulness, faithfulness_low,
        faithfulness_high, these_low, these_high, count, undefined and note, as in `measure_faithfulness`; and, where
        all exclusions of a kind are together, left_out_mean and left_out_worst (of the faithfulness on each left-out
        value; NaN where one of these is undefined) and worst_left_out (the value with the worst). In addition to each
        data set there is their mean, and in addition to each exclusion all exclusions of a kind together
        (`EVERYTHING`).
    differences : pandas.DataFrame
        folds, exclusion, dataset, level, statistic, metric (always the first learned one), other, primary, difference
        (of their faithfulness), low, high, undefined and p, which `correct_generalisation` corrects.
    """
    subject = next(iter(learned))
    learned = {name: better for name, better in learned.items() if name in trials}
    direction = higher_is_better | learned | BASELINES.directions
    table = add_baselines(table)
    together = _sample_kinds(table, trials, direction, list(learned), resamples, seed)
    found, compared = [], []
    for folds, of_kind in trials.groupby("folds", sort=False):
        views = {EVERYTHING: tabulate_samples(together[folds], direction, subject)}
        if folds != "dataset" and of_kind["exclusion"].nunique() > 1:
            fewer = min(resamples, RESAMPLES_OF_EXCLUSIONS)
            for exclusion, rows in of_kind.groupby("exclusion", sort=False):
                seen = table.merge(rows[[*KEYS, *learned]], on=KEYS)
                views[exclusion] = measure_by_dataset(seen, direction, subject, fewer, seed)
        for exclusion, tables in views.items():
            for each, gathered in zip(tables, (found, compared), strict=True):
                gathered.append(each.assign(folds=folds, exclusion=exclusion))
    values, differences = (
        pd.concat(tables, ignore_index=True)[["folds", "exclusion", *tables[0].columns[:-2]]]
        for tables in (found, compared)
    )
    return with_left_out(values), differences


def _sample_kinds(table, trials, direction, learned, resamples, seed):
    """Return the samples by data set of each kind of folds.

    Kinds that measured the same reconstructions share what is not learned, so that it is resampled once.
    """
    alike, found = {}, {}
    for folds, rows in trials.groupby("folds", sort=False):
        alike.setdefault(frozenset(rows[KEYS].itertuples(index=False, name=None)), {})[folds] = rows
    for kinds in alike.values():
        names = {
            folds: {name: f"{name} ({folds})" if name in learned else name for name in direction} for folds in kinds
        }
        directions = {names[folds][name]: better for name, better in direction.items() for folds in kinds}
        beside = table
        for folds, rows in kinds.items():
            beside = beside.merge(rows[[*KEYS, *learned]].rename(columns=names[folds]), on=KEYS)
        samples = sample_by_dataset(beside, directions, resamples, seed)
        for folds in kinds:
            found[folds] = {dataset: _chosen(sample, names[folds]) for dataset, sample in samples.items()}
    return found


def _chosen(sample, names):
    """Return a sample of some of its metrics, which `names` has by their new names."""
    back = {old: new for new, old in names.items()}
    values = sample.values[sample.values["metric"].isin(back)]
    values = values.assign(metric=values["metric"].map(back))
    return Sample(values, *({new: each[old] for new, old in names.items()} for each in sample[1:]))


def with_left_out(values: pd.DataFrame) -> pd.DataFrame:
    """Add the mean and the worst faithfulness over left-out values to the rows of all of them together.

    What is left out is a data set, or an exclusion's value; where only originals are, there is no such value. Where
    faithfulness to one of the values is undefined, so are mean and worst: the unknown one could be worse than the rest.
    """
    views = ["folds", "dataset", *ESTIMATED]
    of_datasets = values[(values["folds"] == "dataset") & (values["dataset"] != EVERYTHING)]
    of_datasets = of_datasets.assign(value=of_datasets["dataset"], dataset=EVERYTHING)
    single = values[values["exclusion"] != EVERYTHING]
    single = single.assign(value=single["exclusion"].str.replace(r"^[^-]*-", "", regex=True))
    left_out = pd.concat([of_datasets, single])
    known = left_out["faithfulness"].notna()
    left_out = left_out[known.groupby([left_out[name] for name in views]).transform("all")]
    groups = left_out.groupby(views, sort=False)["faithfulness"]
    worst = left_out.loc[groups.idxmin()].set_index(views)
    summary = pd.DataFrame({"left_out_mean": groups.mean(), "left_out_worst": groups.min()})
    summary["worst_left_out"] = worst["value"]
    together = values.merge(summary.reset_index(), on=views, how="left")
    together.loc[together["exclusion"] != EVERYTHING, LEFT_OUT] = np.nan
    return together


def correct_generalisation(differences: pd.DataFrame) -> pd.DataFrame:
    """Add p_holm and tests: corrected over all metrics and kinds of folds of one level and statistic, as printed.

    Single exclusions are corrected over all metrics and exclusions of one kind.
    """
    together = differences["exclusion"] == EVERYTHING
    printed = differences["folds"].where(~together, EVERYTHING)
    corrected = with_holm(differences.assign(printed=printed), ["printed", "dataset", "level", "statistic"])
    return corrected.drop(columns="printed")


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
        For the intervals. All data sets share the resamples of target models, which are the same configurations; each
        has its own of originals.

    Returns
    -------
    values, differences : pandas.DataFrame
        As in `measure_generalisation`, for one view.
    """
    samples = sample_by_dataset(table, higher_is_better, resamples, seed)
    return tabulate_samples(samples, higher_is_better, subject)


def sample_by_dataset(
    table: pd.DataFrame, higher_is_better: dict[str, bool], resamples: int, seed: int
) -> dict[str, Sample]:
    """Return the sample of each data set and, if there are several, that of their mean; as `measure_by_dataset`."""
    crossings = {name: cross(rows, higher_is_better) for name, rows in table.groupby("dataset", sort=False)}
    draws = draw_together(crossings, resamples, seed)
    samples = {name: measure_sample(each, draws[name], higher_is_better) for name, each in crossings.items()}
    return samples | ({EVERYTHING: mean_sample(samples, higher_is_better)} if len(samples) > 1 else {})


def tabulate_samples(
    samples: dict[str, Sample], higher_is_better: dict[str, bool], subject: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of `measure_by_dataset`, from samples by data set."""
    pairs = [(subject, other) for other in higher_is_better if other != subject]
    compared = {name: [sample] for name, sample in samples.items()}
    if EVERYTHING in samples:
        compared[EVERYTHING] = [sample for name, sample in samples.items() if name != EVERYTHING]
    values = [sample.values.assign(dataset=name) for name, sample in samples.items()]
    differences = [
        compare_metrics(each, higher_is_better, pairs).assign(dataset=name) for name, each in compared.items()
    ]
    return tuple(
        pd.concat(tables, ignore_index=True)[["dataset", *columns]]
        for tables, columns in ((values, VALUE_COLUMNS), (differences, DIFFERENCE_COLUMNS))
    )


def mean_sample(samples: dict[str, Sample], higher_is_better: dict[str, bool]) -> Sample:
    """Return the means over the data sets for which a statistic is defined, also in each resample."""
    stacked = pd.concat({dataset: sample.values for dataset, sample in samples.items()}, names=["dataset"])
    stacked = stacked.reset_index("dataset")
    rows, resampled, these = [], {}, {}
    for (level, statistic, metric), group in stacked.groupby(ESTIMATED, sort=False):
        defined = group[group["value"].notna()]
        row = {"level": level, "statistic": statistic, "metric": metric, "value": defined["value"].mean()}
        for name, kept in (("resampled", resampled), ("these", these)):
            draws = [getattr(samples[dataset], name)[metric][level, statistic] for dataset in defined["dataset"]]
            undefined = np.full(len(getattr(samples[group["dataset"].iloc[0]], name)[metric][level, statistic]), np.nan)
            kept.setdefault(metric, {})[level, statistic] = np.mean(draws, axis=0) if draws else undefined
        mean = resampled[metric][level, statistic]
        row["low"], row["high"] = percentile_interval(mean)
        missing = "" if len(defined) == len(group) else f"mean of {len(defined)} of {len(group)} data sets"
        counts = {"count": int(group["count"].sum()), "undefined": int(np.isnan(mean).sum())}
        rows.append(row | counts | {"note": missing})
    values = with_faithfulness(pd.DataFrame(rows), higher_is_better)
    values = values.assign(primary=is_primary(values))
    return Sample(with_these_models(values, these, higher_is_better), resampled, these)


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table for the mean over data sets, or for the only data set."""
    return table[table["dataset"] == EVERYTHING] if EVERYTHING in set(table["dataset"]) else table


def areas(table: pd.DataFrame, level: str = PRIMARY[0]) -> pd.DataFrame:
    """Return the rows of a table with areas under the ROC curve at a level, by default that of the primary test."""
    return table[(table["level"] == level) & (table["statistic"] == "auc")]
