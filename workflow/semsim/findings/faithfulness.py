"""What the tables of faithfulness say: which metric follows annotators best, and whether that is distinguishable."""

import numpy as np
import pandas as pd

from semsim.findings.claims import hand_crafted
from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.association import PRIMARY, chance_level
from semsim.statistics.baselines import BASELINES, MODEL_AND_ATTACK
from semsim.statistics.generalisation import areas
from semsim.statistics.person import NOBODY
from semsim.statistics.resampling import SIGNIFICANT
from semsim.text import LEVELS, STATISTICS, decimal, interval, kind_of, listed, p_value, sentence_case


def faithfulness_findings(
    faithfulness: pd.DataFrame,
    differences: pd.DataFrame,
    scales: Scales,
    statistic: str,
    reference: str,
) -> list[str]:
    """Say, for each data set and level, which metric is most faithful, and how the others compare.

    Parameters
    ----------
    faithfulness, differences : pandas.DataFrame
        The tables of these names, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    statistic : str
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
        Which metric is best, whether it differs from the second best, what the trivial baselines reach, and which
        metrics are not distinguishable from chance by permutation; p values are Holm-corrected over all metrics (pairs
        of metrics) and levels of the statistic.
    """
    keys = {"statistic": statistic, "reference": reference}
    rows, compared = (
        table[np.logical_and.reduce([table[name] == value for name, value in keys.items()])]
        for table in (faithfulness, differences)
    )
    sentences = []
    for (dataset, level), group in rows.groupby(["dataset", "level"], sort=False):
        place = f"On {dataset}, {LEVELS[level]},"
        trivial = group["metric"].isin(BASELINES)
        known = _single(group[~trivial]).dropna(subset="value").sort_values("faithfulness", ascending=False)
        if known.empty:
            sentences.append(f"{place} faithfulness is undefined ({group['note'].iloc[0]}).")
            continue
        best = known["metric"].iloc[0]
        pairs = compared[(compared["dataset"] == dataset) & (compared["level"] == level)]
        alike = _alike(best, pairs)
        sentences.append(
            f"{place} {_best(known.iloc[0], alike, scales, statistic, rows)}"
            + _second(best, known[~known["metric"].isin(alike)], pairs, scales)
            + _baselines(group[trivial].dropna(subset="value"))
            + _chance(known[~known["metric"].isin(alike)], scales, statistic)
        )
    return sentences


def baseline_findings(differences: pd.DataFrame, scales: Scales, reference: str) -> list[str]:
    """Name the data sets on which no hand-crafted metric is shown to see more than the target model and the attack.

    Parameters
    ----------
    differences : pandas.DataFrame
        The table of this name, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
        By the primary test. A sentence; none if some metric is distinguishably ahead of the baseline everywhere.
    """
    rows = areas(differences[(differences["reference"] == reference) & (differences["other"] == MODEL_AND_ATTACK)])
    rows = rows[rows["metric"].isin(hand_crafted(scales, rows["metric"]))].dropna(subset="difference")
    ahead = (rows["difference"] > 0) & (rows["p_holm"] < SIGNIFICANT)
    anywhere = ahead.groupby(rows["dataset"], sort=False).any()
    where = list(anywhere.index[~anywhere])
    if not where:
        return []
    return [
        f"On {listed(where)}, no hand-crafted metric is distinguishably ahead of the"
        f" {BASELINES[MODEL_AND_ATTACK].label.lower()} {LEVELS[PRIMARY[0]]}. As far as these data show, a look-up"
        " table of recognition rates by target model and attack, which sees no image, orders reconstructions as well as"
        " any of them."
    ]


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
            f"On {dataset}, {LEVELS[level]}, comparing with the attacked image instead of the original changes"
            f" faithfulness ({STATISTICS[statistic]}): {', '.join(parts)}."
        )
    return sentences


def _single(rows):
    """Return the rows of metrics without twins, such as MSE beside PSNR."""
    return rows[rows["metric"].isin(without_twins(rows["metric"].unique()))]


def _alike(best, pairs):
    """Return the best metric and those that are equivalent to it on these images."""
    same = pairs[(pairs["low"] == 0) & (pairs["high"] == 0)]
    return {best, *same.loc[same["other"] == best, "metric"], *same.loc[same["metric"] == best, "other"]}


def _best(row, alike, scales, statistic, rows):
    """Say which metric is best, and whether that is distinguishable from chance."""
    low, high = row["faithfulness_low"], row["faithfulness_high"]
    told = ", which a permutation test does not distinguish from chance" if row["p_holm"] >= SIGNIFICANT else ""
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
    told = "distinguishably better than" if p < SIGNIFICANT else "not distinguishable from"
    return f" That is {told} the runner-up, {scales[second].label} (Holm-corrected {p_value(p)})."


def _baselines(rows):
    """Say what the baselines reach, which never look at the image."""
    told = [
        f"the {BASELINES[row['metric']].label.lower()} reaches {decimal(row['faithfulness'])}"
        for _, row in rows.iterrows()
    ]
    return f" {sentence_case(' and '.join(told))}." if told else ""


def _chance(others, scales, statistic):
    """Name the other metrics that the test does not tell from chance, or finds to be worse."""
    unclear = others["p_holm"] >= SIGNIFICANT
    below = (others["faithfulness"] < chance_level(statistic)) & (others["p_holm"] < SIGNIFICANT)
    text = ""
    for rows, what in ((unclear, "Not distinguishable from chance by permutation"), (below, "Worse than chance")):
        if rows.any():
            text += f" {what}: {listed([scales[name].label for name in others.loc[rows, 'metric']])}."
    return text


def person_findings(person: pd.DataFrame, scales: Scales, reference: str) -> list[str]:
    """Say, for each data set and level, how far metrics are behind one annotator who is judged alike.

    Parameters
    ----------
    person : pandas.DataFrame
        The table ``person.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
        The annotator, the metric that comes closest, and the metrics that are not distinguishably behind.
    """
    rows = person[(person["reference"] == reference) & (person["without"] == NOBODY)]
    rows = rows[~rows["metric"].isin(BASELINES)]
    sentences = []
    for (dataset, level), group in rows.groupby(["dataset", "level"], sort=False):
        known = _single(group).dropna(subset="difference")
        if len(known):
            place = f"On {dataset}, {LEVELS[level]}, one of the {kind_of(rows)}"
            sentences.append(f"{place} {_beside_a_person(known, scales)}")
    return sentences


def _beside_a_person(rows, scales):
    """Say what a person reaches, which metric comes closest, and which are not distinguishably behind."""
    best = rows.loc[rows["difference"].idxmin()]
    behind = "behind" if best["difference"] > 0 else "ahead"
    level_with = rows.loc[(rows["p_holm"] >= SIGNIFICANT) | (rows["difference"] <= 0), "metric"]
    text = (
        f"reaches {decimal(best['person'])} ({interval(best['person_low'], best['person_high'])}). Judged alike,"
        f" {scales[best['metric']].label} comes closest with {decimal(best['value'])},"
        f" {decimal(abs(best['difference']))} {behind} (difference"
        f" {interval(best['difference_low'], best['difference_high'])}); "
    )
    if level_with.empty:
        return f"{text}every metric is distinguishably behind."
    return f"{text}not distinguishably behind: {listed([scales[name].label for name in level_with])}."
