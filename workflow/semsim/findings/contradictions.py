"""What the table of contradictions says: how often metrics contradict each other and the annotators."""

import pandas as pd

from semsim.metrics.scales import Scales
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import ANNOTATORS
from semsim.text import counted, interval, kind_of, percent


def contradiction_findings(contradictions: pd.DataFrame, scales: Scales, reference: str) -> list[str]:
    """Say, for each data set, which two metrics contradict each other most often, and which least often.

    Parameters
    ----------
    contradictions : pandas.DataFrame
        The table of contradictions, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
    """
    rows = contradictions[(contradictions["reference"] == reference) & (contradictions["other"] != ANNOTATORS)]
    rows = rows[~rows["other"].isin(BASELINES)]
    sentences = []
    for dataset, group in rows.dropna(subset="value").groupby("dataset", sort=False):
        alike, differing = (group[same] for same in (group["high"] == 0, group["high"] > 0))
        sentence = ""
        if len(differing):
            most, least = differing.loc[differing["value"].idxmax()], differing.loc[differing["value"].idxmin()]
            sentence = f" {_pair(most, scales)} order {_share(most)} of the pairs differently"
            if len(differing) > 1:
                sentence += f", the most of any two metrics; {_pair(least, scales)} {_share(least)}, the fewest"
            sentence += "."
        for _, row in alike.iterrows():
            sentence += f" {_pair(row, scales)} order all pairs identically."
        sentences.append(f"On {dataset},{sentence}")
    return sentences


def against_annotators_findings(contradictions: pd.DataFrame, scales: Scales, reference: str) -> list[str]:
    """Say, for each data set, which metric contradicts the annotators most and least often.

    Parameters
    ----------
    contradictions : pandas.DataFrame
        The table of contradictions, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
    """
    rows = contradictions[(contradictions["reference"] == reference) & (contradictions["other"] == ANNOTATORS)]
    sentences = []
    for dataset, group in rows.groupby("dataset", sort=False):
        known = group[~group["metric"].isin(BASELINES)].dropna(subset="value")
        if known.empty:
            sentences.append(f"On {dataset}, {kind_of(group)} do not clearly separate any pair of reconstructions.")
            continue
        best, worst = known.loc[known["value"].idxmin()], known.loc[known["value"].idxmax()]
        sentence = (
            f"On {dataset}, {kind_of(group)} clearly separate up to {counted(int(known['pairs'].max()), 'pairs')}"
            f" of reconstructions of the same original. {scales[best['metric']].label} orders {_share(best)} of them"
            " the opposite way"
        )
        if len(known) > 1:
            sentence += f", the fewest; {scales[worst['metric']].label} {_share(worst)}, the most"
        at_chance = [scales[row["metric"]].label for _, row in known.iterrows() if row["low"] <= 0.5 <= row["high"]]
        if at_chance:
            sentence += f". Not distinguishable from a coin toss: {', '.join(at_chance)}"
        sentences.append(f"{sentence}.")
    return sentences


def _pair(row, scales):
    return f"{scales[row['metric']].label} and {scales[row['other']].label}"


def _share(row):
    return f"{percent(row['value'])} ({interval(row['low'], row['high'], percent)})"
