"""What the tables of faithfulness say: which metric follows annotators best, and whether that can be told."""

import numpy as np

from semsim.statistics.ceiling import EVERYONE
from semsim.wording import LEVELS, STATISTICS, decimal, interval, kind_of, listed, p_value

NOTHING = {"auc": 0.5}
"""What a metric that has nothing to do with recognition would have; 0 for correlations."""


def faithfulness_findings(faithfulness, differences, ceiling, scales, statistic, reference):
    """Say, for each data set and level, which metric is most faithful, and how that compares.

    Parameters
    ----------
    faithfulness, differences, ceiling : pandas.DataFrame
        The tables of these names, of annotators of one kind.
    scales : semsim.scales.Scales
    statistic : str
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
        Whether the best metric's interval excludes no association, whether it differs from the second best after Holm's
        correction, whether the ceiling lies within its interval, and which metrics cannot be told from chance.
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
        place = f"On {dataset}, {_at(level)},"
        known = group.dropna(subset="value").sort_values("faithfulness", ascending=False)
        if known.empty:
            sentences.append(f"{place} faithfulness is undefined ({group['note'].iloc[0]}).")
            continue
        sentences.append(
            f"{place} {_best(known.iloc[0], scales, statistic, rows)}"
            + _second(known, compared[(compared["dataset"] == dataset) & (compared["level"] == level)], scales)
            + _ceiling(known.iloc[0], limits.get((dataset, level), np.nan), scales, statistic)
            + _chance(known, scales, statistic)
        )
    return sentences


def reference_change_findings(faithfulness, scales, statistic="spearman", level="models"):
    """Say which metrics are more or less faithful when compared with the original instead of what was attacked.

    Parameters
    ----------
    faithfulness : pandas.DataFrame
        The table of faithfulness, of annotators of one kind.
    scales : semsim.scales.Scales
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
            f"On {dataset}, {_at(level)}, comparing with what was attacked instead of the original changes faithfulness"
            f" ({STATISTICS[statistic]}) by: {', '.join(parts)}."
        )
    return sentences


def _at(level):
    return {"models": "over target models", "reconstructions": "over all reconstructions"}.get(level, LEVELS[level])


def _best(row, scales, statistic, rows):
    """Say which metric is best, and whether its interval excludes no association."""
    low, high = _turned(row, scales)
    nothing = NOTHING.get(statistic, 0)
    told = "" if low > nothing else ", which is not distinguishable from no association"
    return (
        f"{scales[row['metric']].label} is most faithful to {kind_of(rows)} ({STATISTICS[statistic]}"
        f" {decimal(row['faithfulness'])}, {interval(low, high)}){told}."
    )


def _second(known, compared, scales):
    """Say whether the best metric differs from the second best."""
    if len(known) < 2:
        return ""
    best, second = known["metric"].iloc[:2]
    pair = compared[
        ((compared["metric"] == best) & (compared["other"] == second))
        | ((compared["metric"] == second) & (compared["other"] == best))
    ].iloc[0]
    name = scales[second].label
    if pair["p_holm"] < 0.05:
        return f" It is distinguishably better than {name}, the second ({p_value(pair['p_holm'])} after Holm)."
    return f" It is not distinguishable from {name}, the second ({p_value(pair['p_holm'])} after Holm)."


def _ceiling(row, limit, scales, statistic):
    """Say how the best metric stands to one annotator."""
    if np.isnan(limit):
        return ""
    low, high = _turned(row, scales)
    where = "below" if high < limit else "above" if low > limit else "not distinguishable from"
    return f" That is {where} what one annotator reaches ({decimal(limit)})."


def _chance(known, scales, statistic):
    """Name the metrics whose interval includes no association."""
    nothing = NOTHING.get(statistic, 0)
    others = [
        row["metric"]
        for _, row in known.iloc[1:].iterrows()
        if _turned(row, scales)[0] <= nothing <= _turned(row, scales)[1]
    ]
    wrong = [row["metric"] for _, row in known.iloc[1:].iterrows() if _turned(row, scales)[1] < nothing]
    text = ""
    if others:
        text += f" Not distinguishable from no association: {listed([scales[name].label for name in others])}."
    if wrong:
        text += f" Against the annotators: {listed([scales[name].label for name in wrong])}."
    return text


def _turned(row, scales):
    """Return the limits of a row's interval, turned so that 1 is best."""
    if scales[row["metric"]].higher_is_better:
        return row["low"], row["high"]
    top = 1 if row["statistic"] == "auc" else 0
    return top - row["high"], top - row["low"]
