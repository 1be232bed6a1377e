"""What the tables of faithfulness say: which metric follows annotators best, and whether that is distinguishable."""

import numpy as np
import pandas as pd

from semsim.metrics.scales import Scales
from semsim.statistics.association import chance_level
from semsim.statistics.ceiling import EVERYONE
from semsim.text import STATISTICS, at_level, decimal, interval, kind_of, listed, p_value


def faithfulness_findings(
    faithfulness: pd.DataFrame,
    differences: pd.DataFrame,
    ceiling: pd.DataFrame,
    scales: Scales,
    statistic: str,
    reference: str,
) -> list[str]:
    """Say, for each data set and level, which metric is most faithful, and how the others compare.

    Parameters
    ----------
    faithfulness, differences, ceiling : pandas.DataFrame
        The tables of these names, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    statistic : str
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
        Whether the best metric's interval excludes chance, whether it differs from the second best after Holm's
        correction, whether the ceiling lies within its interval, and which metrics are not distinguishable from chance.
    """
    keys = {"statistic": statistic, "reference": reference}
    rows, compared = (
        table[np.logical_and.reduce([table[name] == value for name, value in keys.items()])]
        for table in (faithfulness, differences)
    )
    limits = ceiling[(ceiling["annotator"] == EVERYONE) & (ceiling["statistic"] == statistic)]
    limits = limits.set_index(["dataset", "level"])["value"]
    sentences = []
    for (dataset, level), group in rows.groupby(["dataset", "level"], sort=False):
        place = f"On {dataset}, {at_level(level)},"
        known = group.dropna(subset="value").sort_values("faithfulness", ascending=False)
        if known.empty:
            sentences.append(f"{place} faithfulness is undefined ({group['note'].iloc[0]}).")
            continue
        best = known["metric"].iloc[0]
        pairs = compared[(compared["dataset"] == dataset) & (compared["level"] == level)]
        alike = _alike(best, pairs)
        sentences.append(
            f"{place} {_best(known.iloc[0], alike, scales, statistic, rows)}"
            + _second(best, known[~known["metric"].isin(alike)], pairs, scales)
            + _ceiling(known.iloc[0], limits.get((dataset, level), np.nan))
            + _chance(known[~known["metric"].isin(alike)], scales, statistic)
        )
    return sentences


def reference_change_findings(
    faithfulness: pd.DataFrame, scales: Scales, statistic: str = "spearman", level: str = "models"
) -> list[str]:
    """Say which metrics become more or less faithful with the attacked image as the reference instead of the original.

    Parameters
    ----------
    faithfulness : pandas.DataFrame
        The table of faithfulness, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    statistic, level : str

    Returns
    -------
    list of str
        Empty if there is only one reference.
    """
    rows = faithfulness[(faithfulness["statistic"] == statistic) & (faithfulness["level"] == level)]
    if rows["reference"].nunique() < 2:
        return []
    sentences = []
    for dataset, group in rows.groupby("dataset", sort=False):
        wide = group.pivot(index="metric", columns="reference", values="faithfulness").dropna()
        if wide.empty:
            continue
        change = (wide["attacked"] - wide["original"]).loc[scales.among(wide.index)]
        parts = [f"{scales[metric].label} {decimal(value, signed=True)}" for metric, value in change.items()]
        sentences.append(
            f"On {dataset}, {at_level(level)}, comparing with the attacked image instead of the original changes"
            f" faithfulness ({STATISTICS[statistic]}): {', '.join(parts)}."
        )
    return sentences


def _alike(best, pairs):
    """Return the best metric and those that are equivalent to it, such as PSNR and MSE."""
    same = pairs[(pairs["low"] == 0) & (pairs["high"] == 0)]
    return {best, *same.loc[same["other"] == best, "metric"], *same.loc[same["metric"] == best, "other"]}


def _best(row, alike, scales, statistic, rows):
    """Say which metric is best, and whether its interval excludes chance."""
    low, high = row["faithfulness_low"], row["faithfulness_high"]
    told = "" if low > chance_level(statistic) else ", which is not distinguishable from chance"
    names = [scales[name].label for name in scales.among(alike)]
    are = "is" if len(names) == 1 else "are equally and"
    return (
        f"{listed(names)} {are} most faithful to {kind_of(rows)} ({STATISTICS[statistic]}"
        f" {decimal(row['faithfulness'])}, {interval(low, high)}){told}."
    )


def _second(best, others, pairs, scales):
    """Say whether the best metric differs from the best of the others."""
    if others.empty:
        return ""
    second = others["metric"].iloc[0]
    either = pairs[["metric", "other"]].isin([best, second]).all(axis=1)
    p = pairs.loc[either, "p_holm"].iloc[0]
    told = "distinguishably better than" if p < 0.05 else "not distinguishable from"
    return f" That is {told} the runner-up, {scales[second].label} (Holm-corrected {p_value(p)})."


def _ceiling(row, limit):
    """Say how the best metric compares with one annotator."""
    if np.isnan(limit):
        return ""
    where = "not distinguishable from"
    if row["faithfulness_high"] < limit:
        where = "below"
    elif row["faithfulness_low"] > limit:
        where = "above"
    return f" It is {where} what one annotator achieves ({decimal(limit)})."


def _chance(others, scales, statistic):
    """Name the other metrics whose interval includes chance, or lies below it."""
    chance = chance_level(statistic)
    below = others["faithfulness_high"] < chance
    unclear = (others["faithfulness_low"] <= chance) & ~below
    text = ""
    for rows, what in ((unclear, "Not distinguishable from chance"), (below, "Worse than chance")):
        if rows.any():
            text += f" {what}: {listed([scales[name].label for name in others.loc[rows, 'metric']])}."
    return text
