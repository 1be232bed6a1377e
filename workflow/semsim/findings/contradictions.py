"""What the tables of contradictions and of false and missed leakage say."""

import pandas as pd

from semsim.findings.claims import GAP
from semsim.learned.scales import LEARNED
from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import ANNOTATORS, OTHERS, PERSON
from semsim.text import counted, decimal, interval, kind_of, percent, ranged, whole_percent


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


def tie_findings(curve: pd.DataFrame, gap: float = GAP) -> list[str]:
    """Say how many pairs one annotator ties, and what it would change to count these as half in opposite order.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table ``contradiction_curve.csv``, for annotators of one kind.
    gap : float
        The smallest gap between recognition rates that counts.

    Returns
    -------
    list of str
        A sentence, or none if there is no annotator to compare with.
    """
    rows = curve[(curve["truth"] == OTHERS) & (curve["gap"] == gap) & (curve["metric"] == PERSON)]
    rows = rows[rows["reference"] == curve["reference"].iloc[0]].dropna(subset="value")
    if rows.empty:
        return []
    tied = rows["tied"] / (rows["pairs"] + rows["tied"])
    halved = rows["value"] * (1 - tied) + tied / 2
    return [
        f"One annotator ties {ranged(tied.min(), tied.max(), whole_percent)} of the pairs with a gap of {decimal(gap)}"
        " or more, because it gives both the same answer; metrics hardly ever tie. Ties are left out. If each counted"
        f" half, one annotator would order {ranged(halved.min(), halved.max(), whole_percent)} against the others"
        f" instead of {ranged(rows['value'].min(), rows['value'].max(), whole_percent)}."
    ]


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
