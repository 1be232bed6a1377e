"""The four claims of the paper, each with a verdict on a study and the numbers that it rests on.

One rule decides all of them. A claim has parts. A part that states a size, such as "weakly", holds if the number has
that size; a part that says that one thing is better or worse than another holds only if the difference is
distinguishable, so that the same evidence gives the same verdict whatever is claimed. The claim is *supported* if all
of its parts hold, *partly* supported if some do, *not supported* if none does, and *not testable here* if no part can
be measured. A part that cannot be measured keeps the others from being more than partly. Single numbers are means over
data sets. MSE orders reconstructions exactly like PSNR, so it is not counted beside it. The parts:

1. Hand-crafted metrics agree weakly with people, for single images and for target models: at each of these levels,
   Spearman's rank correlation of even the best of them stays below `WEAK`.
2. They contradict each other, and people. Each other: any two of them order at least the share `OFTEN` of pairs of
   reconstructions of the same original differently. People: each of them orders more pairs that differ by at least
   `GAP` in the recognition rate of the other annotators the opposite way than one more annotator does; distinguishably,
   that is, with intervals that lie apart on every data set.
3. SemSim is more faithful: within one original, on originals that it was not trained on, its area under the ROC curve
   is distinguishably above that of the best hand-crafted metric. Which metric is best was chosen on other folds. Where
   the study trains no SemSim but has values of a published one, those are compared with the best hand-crafted metric of
   the same originals.
4. It generalises: the same for each kind of held-out data (data sets, models, attacks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from semsim.learned.folds import WITHIN
from semsim.metrics.scales import without_twins
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES
from semsim.statistics.ceiling import EVERYONE
from semsim.statistics.contradictions import ANNOTATORS as AGAINST_ANNOTATORS
from semsim.statistics.contradictions import OTHERS, PERSON
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.statistics.resampling import SIGNIFICANT
from semsim.text import ANNOTATORS, FOLDS, STATISTICS, decimal, interval, left_out, listed, p_value

if TYPE_CHECKING:
    from semsim.metrics.scales import Scales
    from semsim.results.study_tables import StudyTables

WEAK = 0.5
"""Rank correlations below this are weak: less than a quarter of the variance of ranks is explained."""
OFTEN = 0.1
"""The share of pairs in opposite order from which two metrics contradict each other."""
GAP = 0.5
"""Pairs whose recognition rates by the other annotators differ by less are not counted against a metric or person."""
PUBLISHED = "retrained_semsim"
"""The column of a SemSim that others trained and published."""
SUPPORTED, PARTLY, NOT_SUPPORTED, NOT_TESTABLE = VERDICTS = (
    "supported",
    "partly supported",
    "not supported",
    "not testable here",
)
QUESTIONS = (
    "Hand-crafted metrics agree weakly with people, per image and per model.",
    "Hand-crafted metrics contradict each other, and people.",
    "SemSim is more faithful than hand-crafted metrics.",
    "SemSim generalises to unseen data sets, models and attacks.",
)
RULE = (
    "One rule decides all four. A claim is supported if all of its parts hold, partly supported if some do, and not"
    " supported if none does. A part about a size (below, at least) holds by its number; a part about a difference"
    f" (above, more) only if that is distinguishable: Holm-corrected p below {SIGNIFICANT}, or intervals lie apart."
    " Not supported does not mean refuted: the study may be too small to show it."
)
"""The rule in words, for the box that has the verdicts."""
PARTS = (
    f"Two parts: Spearman's rank correlation of even the best metric is below {WEAK}, per image and per model.",
    f"Two parts: any two metrics order at least {100 * OFTEN:.0f}\u00a0% of the pairs of reconstructions of one"
    " original differently; and every metric orders distinguishably more clear pairs against the annotators than one"
    " annotator does.",
    "One part: within one original, on originals not trained on, SemSim's area under the ROC curve is distinguishably"
    " above that of the best hand-crafted metric.",
    "One part for each kind of held-out data: SemSim is distinguishably above the best hand-crafted metric there, too.",
)


class Claim(NamedTuple):
    """A claim of the paper, judged.

    Attributes
    ----------
    claim : str
    verdict : str
        One of `VERDICTS`.
    who : str
        The annotators to whom it applies.
    numbers : str
        What the verdict rests on, or why there is none.
    parts : str
        What has to hold, in one line.
    """

    claim: str
    verdict: str
    who: str
    numbers: str
    parts: str


def judge_claims(tables: StudyTables, kind: str) -> list[Claim]:
    """Judge the paper's four claims by the tables of a study, for annotators of one kind.

    Parameters
    ----------
    tables : semsim.results.study_tables.StudyTables
        Those of SemSim may be missing; then what they would decide is not testable.
    kind : str

    Returns
    -------
    list of Claim
    """
    judged = (judge(tables, kind) for judge in (_agreement, _contradictions, _lead, _generalisation))
    return [
        Claim(question, _verdict(holds), ANNOTATORS[kind], numbers, parts)
        for question, (holds, numbers), parts in zip(QUESTIONS, judged, PARTS, strict=True)
    ]


def _verdict(parts):
    """Return the verdict on a claim whose parts hold (True), do not (False), or cannot be measured (None)."""
    known = [part for part in parts if part is not None]
    if not known:
        return NOT_TESTABLE
    if not any(known):
        return NOT_SUPPORTED
    return SUPPORTED if all(parts) else PARTLY


def hand_crafted(scales: Scales, metrics) -> list[str]:
    """Return the hand-crafted metrics among `metrics`: those that see only the two images, without twins."""
    chosen = [name for name in scales.among(metrics) if scales[name].access == "images" and name != PUBLISHED]
    return without_twins(chosen)


def _agreement(tables, kind):
    """Judge how well hand-crafted metrics agree with annotators."""
    rows, limit, scales = tables.of_kind("faithfulness", kind), tables.of_kind("ceiling", kind), tables.scales
    rows = rows[(rows["statistic"] == "spearman") & (rows["reference"] == rows["reference"].iloc[0])]
    limit = limit[(limit["statistic"] == "spearman") & (limit["annotator"] == EVERYONE)]
    people = limit.groupby("level")["value"].mean()
    parts, texts = [], []
    for level, where in (("reconstructions", "per image"), ("models", "per model")):
        known = rows[rows["level"] == level].dropna(subset="faithfulness").groupby("metric")["faithfulness"].mean()
        names = hand_crafted(scales, known.index)
        parts.append(bool(known[names].max() < WEAK) if names else None)
        values = listed([f"{scales[name].label} {decimal(known[name])}" for name in names] or ["undefined"])
        person = people.get(level)
        texts.append(f"{where}, {values}" + ("" if pd.isna(person) else f" (one annotator: {decimal(person)})"))
    return parts, f"{STATISTICS['spearman']} {'; '.join(texts)}."


def _contradictions(tables, kind):
    """Judge how often hand-crafted metrics contradict each other, and annotators."""
    scales, pairs = tables.scales, tables.of_kind("contradictions", kind)
    names = hand_crafted(scales, {*pairs["metric"], *pairs["other"]} - {AGAINST_ANNOTATORS, *BASELINES})
    pairs = pairs[(pairs["reference"] == pairs["reference"].iloc[0]) & (pairs["other"] != AGAINST_ANNOTATORS)]
    pairs = pairs[pairs["metric"].isin(names) & pairs["other"].isin(names)]
    between = pairs.groupby(["metric", "other"])["value"].mean().dropna()
    texts = [f"two metrics order {_range(between)} of the pairs differently" if len(between) else "no two metrics"]
    against, person, apart = _against_people(tables, kind, names)
    parts = [bool(between.min() >= OFTEN) if len(between) else None, None]
    if len(against) and pd.notna(person):
        parts[1] = apart
        values = listed([f"{scales[name].label} {_whole(against[name])}" for name in against.index])
        texts.append(f"of the pairs whose recognition rates are {GAP} apart or more, {values} are ordered against them")
        fewer = "distinguishably fewer than by every metric" if apart else "not distinguishably fewer everywhere"
        texts[-1] += f" (by one annotator: {_whole(person)}, {fewer})"
    return parts, f"{texts[0].capitalize()}; {'; '.join(texts[1:]) or 'there is no annotator to compare with'}."


def _against_people(tables, kind, names):
    """Return the share of clear pairs that each metric orders against annotators, and that of one annotator.

    And whether on every data set the interval of each metric lies above that of the annotator.
    """
    curve = tables.of_kind("contradiction_curve", kind)
    curve = curve[(curve["truth"] == OTHERS) & (curve["gap"] == GAP)]
    curve = curve[curve["reference"] == curve["reference"].iloc[0]].dropna(subset="value")
    shares = curve.groupby("metric")["value"].mean()
    people = curve[curve["metric"] == PERSON].set_index("dataset")["high"]
    metrics = curve[curve["metric"].isin(names) & curve["dataset"].isin(people.index)]
    apart = bool((metrics["low"] > metrics["dataset"].map(people)).all())
    return shares.reindex(names).dropna(), shares.get(PERSON), apart


def _lead(tables, kind):
    """Judge whether SemSim is more faithful than the best hand-crafted metric, on held-out originals."""
    pair = _of_folds(tables, kind, WITHIN) if _trained(tables, kind) else _published(tables, kind)
    if pair is None or pd.isna(pair["difference"]):
        return [None], "SemSim was not compared with other metrics within one original."
    return [_ahead(pair)], f"{pair['label']} {_compared(pair)}."


def _generalisation(tables, kind):
    """Judge whether SemSim stays ahead on data of a kind that it was not trained on."""
    if not _trained(tables, kind):
        return [None], "No SemSim was trained on labels of these annotators."
    parts, texts = [], []
    kinds = set(tables.of_kind("generalisation", kind)["folds"])
    for folds in (name for name in FOLDS if name in kinds and name != WITHIN):
        pair = _of_folds(tables, kind, folds)
        known = pair is not None and pd.notna(pair["difference"])
        parts.append(_ahead(pair) if known else None)
        held_out = FOLDS[folds].removeprefix("originals and ")
        texts.append(f"new {held_out}, {_compared(pair) + pair['worst'] if known else 'undefined'}")
    return parts, f"SemSim: {'; '.join(texts) or 'no other data were held out'}."


def _ahead(pair):
    """Return whether SemSim is distinguishably more faithful than the other metric."""
    return bool(pair["difference"] > 0 and pair["p_holm"] < SIGNIFICANT)


def _trained(tables, kind):
    """Return whether the study trained SemSim on labels of these annotators."""
    return "generalisation" in tables and not tables.of_kind("generalisation", kind).empty


def _of_folds(tables, kind, folds):
    """Return how SemSim compares with the single metric that is best on other folds, or None if it was not compared."""
    values, pairs = (
        overall(areas(table[(table["folds"] == folds) & (table["exclusion"] == EVERYTHING)], PRIMARY[0]))
        for table in (tables.of_kind(name, kind) for name in ("generalisation", "generalisation_differences"))
    )
    pairs, ours = pairs[pairs["other"] == "best_metric"], values[values["metric"] == "semsim"]
    if pairs.empty or ours.empty:
        return None
    row = ours.iloc[0]
    worst = ""
    if pd.notna(row["left_out_worst"]):
        worst = f", at worst {decimal(row['left_out_worst'])} ({left_out(row['worst_left_out'])})"
    about = {
        "label": "SemSim",
        "value": row["faithfulness"],
        "other_label": "the single metric that is best on other folds",
        "worst": worst,
    }
    return pairs.iloc[0].to_dict() | about


def _published(tables, kind):
    """Return how a published SemSim compares with the best hand-crafted metric, or None if there is none."""
    scales = tables.scales
    values, pairs = (
        areas(table[table["dataset"] == table["dataset"].iloc[0]], PRIMARY[0])
        for table in (tables.of_kind(name, kind) for name in ("faithfulness", "faithfulness_differences"))
    )
    known = values.dropna(subset="faithfulness").drop_duplicates("metric").set_index("metric")["faithfulness"]
    others = hand_crafted(scales, known.index[~known.index.isin(BASELINES)])
    if PUBLISHED not in known or not others:
        return None
    best = known[others].idxmax()
    pair = pairs[pairs[["metric", "other"]].isin([PUBLISHED, best]).all(axis=1)].iloc[0].to_dict()
    if pair["other"] == PUBLISHED:
        pair |= {"difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"]}
    return pair | {"label": scales[PUBLISHED].label, "value": known[PUBLISHED], "other_label": scales[best].label}


def _compared(pair):
    """Say how SemSim compares with another metric."""
    return (
        f"{decimal(pair['value'])}, {decimal(pair['difference'], signed=True)} against {pair['other_label']}"
        f" ({interval(pair['low'], pair['high'])}, Holm-corrected {p_value(pair['p_holm'])})"
    )


def _range(shares):
    """Write the smallest and the largest of several shares."""
    low, high = _whole(shares.min()), _whole(shares.max())
    return low if low == high else f"{low} to {high}"


def _whole(share):
    """Write a share as a percentage without decimals."""
    return f"{100 * share:.0f}\u00a0%"
