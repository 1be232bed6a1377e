"""What the tables of contradictions and of false and missed leakage say."""

import pandas as pd

from semsim.findings.claims import GAP
from semsim.learned.scales import LEARNED
from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import ANNOTATORS, OTHERS, PERSON, tied_share
from semsim.text import counted, decimal, interval, kind_of, listed, percent, ranged, whole_percent

OFTEN_TIED = 0.01
"""The share of pairs from which a metric is said to tie."""


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
    names = without_twins(scales.among({*rows["metric"], *rows["other"]} - {*BASELINES}))
    rows = rows[rows["metric"].isin(names) & rows["other"].isin(names)]
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


def tie_findings(curve: pd.DataFrame, scales: Scales, gap: float = GAP) -> list[str]:
    """Say how many pairs one annotator and some metrics tie, and what it would change to count an annotator's as half.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table ``contradiction_curve.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    gap : float
        The smallest gap between recognition rates that counts.

    Returns
    -------
    list of str
        A sentence, or none if there is no annotator to compare with.
    """
    rows = curve[(curve["truth"] == OTHERS) & (curve["gap"] == gap)]
    rows = rows[rows["reference"] == curve["reference"].iloc[0]]
    rows = rows.assign(share=tied_share(rows))
    person = rows[rows["metric"] == PERSON].dropna(subset="value")
    if person.empty:
        return []
    halved = person["value"] * (1 - person["share"]) + person["share"] / 2
    return [
        f"One annotator ties {_range_of(person['share'])} of the pairs with a gap of {decimal(gap)} or more,"
        f" {_ties_of_metrics(rows, scales)}. Ties are left out. If each counted half, one annotator would order"
        f" {_range_of(halved)} against the others instead of {_range_of(person['value'])}."
    ]


def _ties_of_metrics(rows, scales):
    """Say which metrics often tie two reconstructions, after a clause that says how often one annotator does."""
    names = without_twins(scales.among(set(rows["metric"]) - {PERSON, *BASELINES}))
    ties = {name: rows.loc[rows["metric"] == name, "share"] for name in names}
    often = [f"{scales[name].label} {_range_of(shares)}" for name, shares in ties.items() if shares.max() >= OFTEN_TIED]
    if not often:
        return "because it gives both the same answer; metrics hardly ever tie"
    others = "; other metrics hardly ever tie" if len(often) < len(ties) else ""
    return f"and {listed(often)}, because they give both the same answer{others}"


def _range_of(shares):
    return ranged(shares.min(), shares.max(), whole_percent)


def leakage_error_findings(errors: pd.DataFrame, scales: Scales, reference: str) -> list[str]:
    """Say, for each data set, which metric of images errs least about leakage, and how the target model's verdict does.

    Parameters
    ----------
    errors : pandas.DataFrame
        The table ``leakage_errors.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What reconstructions were compared with.

    Returns
    -------
    list of str
    """
    sentences, scales = [], LEARNED | scales
    for dataset, group in errors[errors["reference"] == reference].groupby("dataset", sort=False):
        known = group.dropna(subset=["false", "missed"]).set_index("metric")
        of_images = [name for name in without_twins(known.index) if scales[name].access == "images"]
        if not of_images:
            sentences.append(f"On {dataset}, most {kind_of(group)} recognise all reconstructions, or none.")
            continue
        best = known.loc[(known["false"] + known["missed"])[of_images].idxmin()]
        label, recognised = scales[best.name].label, f"{best['recognised']:,}"
        sentence = (
            f"On {dataset}, the majority of {kind_of(group)} recognises {recognised} of"
            f" {counted(best['count'], 'reconstructions')}. {label}, which errs least of the metrics that see only the"
            f" images, misses {_estimate(best, 'missed')} of these, and calls {_estimate(best, 'false')} of the others"
            " leaked."
        )
        if "top1" in known.index and known.loc["top1", "by_nobody"]:
            named, of = _estimate(known.loc["top1"], "nobody"), f"{known.loc['top1', 'by_nobody']:,}"
            sentence += f" The target model itself predicts the class of {named} of the {of} that nobody recognises."
        sentences.append(sentence)
    return sentences


def _estimate(row, name):
    return f"{percent(row[name])} ({interval(row[f'{name}_low'], row[f'{name}_high'], percent)})"


def _pair(row, scales):
    return f"{scales[row['metric']].label} and {scales[row['other']].label}"


def _share(row):
    return f"{percent(row['value'])} ({interval(row['low'], row['high'], percent)})"
