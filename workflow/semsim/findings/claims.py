"""The four claims of the paper, each with a verdict on a study and the numbers that it rests on.

One rule decides all of them. A claim has parts. A part holds only if the data show it beyond chance: a size, such as
"weakly", if the whole 95 % interval has that size; that one thing is better or worse than another, if the difference is
distinguishable. The claim is *supported* if all of its parts hold, *partly* supported if some do, *not supported* if
none does, and *not testable here* if no part can be measured. A part that cannot be measured keeps the others from
being more than partly. Single numbers are means over data sets. The interval of such a mean is the mean of their
intervals, which is as wide as if the data sets erred together: the same target models are in all of them. MSE orders
reconstructions exactly like PSNR, so it is not counted beside it; nor does it count how far two versions of one metric
agree, such as LPIPS on two networks. The parts:

1. Hand-crafted metrics agree weakly with people, for single images and for target models: at each of these levels,
   Spearman's rank correlation of even the best of them is below `WEAK`.
2. They contradict each other, and people. Each other: on average, two of them order at least the share `OFTEN` of pairs
   of reconstructions of the same original differently. People: on every data set, each of them is distinguishably
   behind one more annotator who is judged alike (`semsim.statistics.person`): both say yes equally often, and two equal
   answers count as half right. Shares of pairs in opposite order stand beside that but do not decide, because an
   annotator ties many pairs and a hand-crafted metric hardly any.
3. SemSim is more faithful: within one original, on originals that it was not trained on, its area under the ROC curve
   is distinguishably above that of the best hand-crafted metric, which is chosen on the training folds. Where
   the study trains no SemSim but has values of a published one, those are compared with the best hand-crafted metric of
   the same originals.
4. It generalises: the same for each kind of held-out data (data sets, models, attacks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from semsim.findings.semsim import told
from semsim.learned.folds import WITHIN
from semsim.learned.scales import BEST, LEARNED
from semsim.metrics.scales import VERSIONS, without_twins
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES
from semsim.statistics.ceiling import EVERYONE
from semsim.statistics.contradictions import ANNOTATORS as AGAINST_ANNOTATORS
from semsim.statistics.contradictions import OTHERS, PERSON, tied_share
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.statistics.person import NOBODY
from semsim.statistics.resampling import SIGNIFICANT
from semsim.text import (
    ANNOTATORS,
    FOLDS,
    STATISTICS,
    decimal,
    interval,
    left_out,
    listed,
    p_value,
    ranged,
    sentence_case,
    whole_percent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    "A claim is supported if all of its parts hold, partly supported if some do, and not supported if none does."
    f" Cut-offs: agreement is weak if Spearman's ρ is below {WEAK}; metrics contradict each other if two of them order"
    f" {whole_percent(OFTEN)} of the pairs or more differently, on average; in both cases, the whole 95\u00a0% interval"
    " must be on that side. They contradict people if each is behind one annotator on every data set. A difference"
    f" counts if its Holm-corrected p is below {SIGNIFICANT}. Not supported does not mean refuted: the study may be too"
    " small. Numbers are means over data sets."
)
"""The rule in words, for the line below the verdicts."""
UNSEEN = "SemSim is distinguishably ahead of the best hand-crafted metric on unseen data, too."
"""The part of the last claim where nothing but originals was held out."""
LEVELS = {"reconstructions": "per image", "models": "per model"}
"""What the first claim calls the levels at which metrics and annotators agree."""


class Part(NamedTuple):
    """Something that has to hold for a claim.

    Attributes
    ----------
    text : str
        What has to hold, and the number that decides.
    holds : bool or None
        None if it cannot be measured.
    """

    text: str
    holds: bool | None


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
    parts : list of Part
    """

    claim: str
    verdict: str
    who: str
    numbers: str
    parts: list[Part]


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
        Claim(question, _verdict(parts), ANNOTATORS[kind], numbers, parts)
        for question, (parts, numbers) in zip(QUESTIONS, judged, strict=True)
    ]


def _verdict(parts):
    """Return the verdict on a claim whose parts hold, do not, or cannot be measured."""
    known = [part.holds for part in parts if part.holds is not None]
    if not known:
        return NOT_TESTABLE
    if not any(known):
        return NOT_SUPPORTED
    return SUPPORTED if len(known) == len(parts) and all(known) else PARTLY


def hand_crafted(scales: Scales, metrics: Iterable[str]) -> list[str]:
    """Return the hand-crafted metrics among `metrics`: those that see only the two images, without twins."""
    chosen = [name for name in scales.among(metrics) if scales[name].access == "images" and name != PUBLISHED]
    return without_twins(chosen)


def _agreement(tables, kind):
    """Judge how well hand-crafted metrics agree with annotators."""
    rows, limit, scales = tables.of_kind("faithfulness", kind), tables.of_kind("ceiling", kind), tables.scales
    rows = rows[(rows["statistic"] == "spearman") & (rows["reference"] == rows["reference"].iloc[0])]
    limit = limit[(limit["statistic"] == "spearman") & (limit["annotator"] == EVERYONE)]
    people = limit.groupby("level")["value"].mean()
    estimate = ["faithfulness", "faithfulness_low", "faithfulness_high"]
    parts, texts = [], []
    for level, where in LEVELS.items():
        means = rows[rows["level"] == level].dropna(subset="faithfulness").groupby("metric")[estimate].mean()
        known = means.loc[hand_crafted(scales, means.index.difference(BASELINES)), "faithfulness"]
        claimed = f"{sentence_case(where)}, {STATISTICS['spearman']} of even the best metric is below {WEAK}"
        if known.empty:
            parts.append(Part(f"{claimed}.", None))
            texts.append(f"{where}, undefined")
            continue
        best = known.idxmax()
        value, low, high = means.loc[best]
        decided = f"{scales[best].label} {decimal(value)} ({interval(low, high)})"
        parts.append(Part(f"{claimed}: {decided}.", bool(high < WEAK)))
        values = listed([f"{scales[name].label} {decimal(value)}" for name, value in known.items()])
        beside = {"one annotator": people.get(level)}
        beside |= {scale.label.lower(): means["faithfulness"].get(name) for name, scale in BASELINES.items()}
        beside = [f"{what}: {decimal(value)}" for what, value in beside.items() if pd.notna(value)]
        texts.append(f"{where}, {values}" + (f" ({', '.join(beside)})" if beside else ""))
    return parts, f"{STATISTICS['spearman']} {'; '.join(texts)}."


def _contradictions(tables, kind):
    """Judge how often hand-crafted metrics contradict each other, and whether they are behind one annotator."""
    scales, pairs = tables.scales, tables.of_kind("contradictions", kind)
    names = hand_crafted(scales, {*pairs["metric"], *pairs["other"]} - {AGAINST_ANNOTATORS, *BASELINES})
    labels = listed([scales[name].label for name in names] or ["the metrics"])
    pairs = pairs[(pairs["reference"] == pairs["reference"].iloc[0]) & (pairs["other"] != AGAINST_ANNOTATORS)]
    pairs = pairs[pairs["metric"].isin(names) & pairs["other"].isin(names)]
    between = pairs.groupby(["metric", "other"])[["value", "low", "high"]].mean().dropna()
    distinct = [VERSIONS.get(one) != other and VERSIONS.get(other) != one for one, other in between.index]
    labels += "" if all(distinct) else ", versions of one metric apart,"
    between = between[distinct]
    claimed = f"On average, two of {labels} order {whole_percent(OFTEN)} or more of the pairs differently"
    if between.empty:
        parts, texts = [Part(f"{claimed}.", None)], ["There are no two metrics to compare."]
    else:
        share, low, high = between.mean()
        decided = f"{whole_percent(share)} ({interval(low, high, whole_percent)})"
        parts = [Part(f"{claimed}: {decided}.", bool(low >= OFTEN))]
        single = ranged(between["value"].min(), between["value"].max(), whole_percent)
        texts = [
            f"On average, two of {labels} order {decided} of the pairs of reconstructions of one original differently"
            + (f"; by pair of metrics, {single}." if len(between) > 1 else ".")
        ]
    texts += _against_annotators(tables, kind, names)
    part, text = _behind_a_person(tables, kind, names)
    return [*parts, part], " ".join([*texts, *text])


def _against_annotators(tables, kind, names):
    """Say which share of clear pairs each metric, and one annotator, orders against the others."""
    scales, curve = tables.scales, tables.of_kind("contradiction_curve", kind)
    curve = curve[(curve["truth"] == OTHERS) & (curve["gap"] == GAP)]
    curve = curve[curve["reference"] == curve["reference"].iloc[0]].dropna(subset="value")
    shares = curve.groupby("metric")["value"].mean()
    against = shares.reindex(names).dropna()
    if against.empty or PERSON not in shares:
        return []
    tied = whole_percent(tied_share(curve[curve["metric"] == PERSON]).mean())
    values = listed([f"{scales[name].label} {whole_percent(value)}" for name, value in against.items()])
    return [
        f"Of pairs whose recognition rates differ by {GAP} or more, {values} are ordered against the annotators. One"
        f" annotator ties {tied} of them and orders {whole_percent(shares[PERSON])} of the rest against the others."
    ]


def _behind_a_person(tables, kind, names):
    """Judge whether each metric is distinguishably behind one annotator who is judged alike, on every data set."""
    scales, person = tables.scales, tables.of_kind("person", kind)
    rows = person[(person["level"] == PRIMARY[0]) & (person["without"] == NOBODY) & person["metric"].isin(names)]
    rows = rows[rows["reference"] == person["reference"].iloc[0]].dropna(subset="difference")
    claimed = "On every data set, each metric is distinguishably behind one annotator who is judged alike"
    if rows.empty:
        return Part(f"{claimed}.", None), ["There is no annotator to compare with."]
    behind = (rows["difference"] > 0) & (rows["p_holm"] < SIGNIFICANT)
    unclear = rows[~behind].groupby("dataset", sort=False)["metric"].agg(tuple)
    exceptions = [
        f"{'any' if set(each) == set(names) else listed([scales[name].label for name in each])} on {listed(datasets)}"
        for each, datasets in unclear.groupby(unclear, sort=False).groups.items()
    ]
    decided = f"not so for {'; '.join(exceptions)}" if exceptions else "all are"
    means = rows.groupby("metric")[["person", "value"]].mean()
    closest = means["value"].idxmax()
    return Part(f"{claimed}: {decided}.", bool(behind.all())), [
        "Answering yes equally often, and with ties counted half, one annotator is right in"
        f" {whole_percent(means['person'].mean())}, and the closest metric, {scales[closest].label}, in"
        f" {whole_percent(means.loc[closest, 'value'])}."
    ]


def _lead(tables, kind):
    """Judge whether SemSim is more faithful than the best hand-crafted metric, on held-out originals."""
    trained = _trained(tables, kind)
    pair = _beside(tables, kind, WITHIN, BEST) if trained else _published(tables, kind)
    claimed = "Within one original, SemSim is distinguishably ahead of the best hand-crafted metric"
    if pair is None or pd.isna(pair["difference"]):
        return [Part(f"{claimed}.", None)], "SemSim was not compared with other metrics within one original."
    text = f"Area under the ROC curve within one original: {pair['label']} {_compared(pair)}."
    start = _beside(tables, kind, WITHIN, "classifier_features") if trained else None
    if start is not None and pd.notna(start["difference"]):
        text += f" {_worth_of_labels(start)}"
    return [Part(f"{claimed}: {_decided(pair)}.", _ahead(pair))], text


def _worth_of_labels(start):
    """Say what labels add to the plain classifier from which SemSim may start."""
    return (
        "Before it learns from labels, the classifier from which it starts reaches"
        f" {decimal(start['value'] - start['difference'])}; what labels add is {told(start['p_holm'])} from zero"
        f" ({decimal(start['difference'], signed=True)}, {interval(start['low'], start['high'])})."
    )


def _generalisation(tables, kind):
    """Judge whether SemSim stays ahead on data of a kind that it was not trained on."""
    if not _trained(tables, kind):
        return [Part(UNSEEN, None)], "No SemSim was trained on labels of these annotators."
    parts, texts = [], []
    kinds = set(tables.of_kind("generalisation", kind)["folds"])
    for folds in (name for name in FOLDS if name in kinds and name != WITHIN):
        pair = _beside(tables, kind, folds, BEST)
        known = pair is not None and pd.notna(pair["difference"])
        held_out = FOLDS[folds].removeprefix("originals and ")
        claimed = f"New {held_out}: SemSim is distinguishably ahead of the best hand-crafted metric"
        parts.append(Part(f"{claimed}, {_decided(pair)}." if known else f"{claimed}.", _ahead(pair) if known else None))
        texts.append(f"new {held_out} {_short(pair) if known else 'undefined'}")
    if not texts:
        return [Part(UNSEEN, None)], "No other data were held out."
    return parts, (
        f"SemSim's area and, in brackets, its lead over the best hand-crafted metric (95\u00a0% interval):"
        f" {'; '.join(texts)}."
    )


def _ahead(pair):
    """Return whether SemSim is distinguishably more faithful than the other metric."""
    return bool(pair["difference"] > 0 and pair["p_holm"] < SIGNIFICANT)


def _trained(tables, kind):
    """Return whether the study trained SemSim on labels of these annotators."""
    return "generalisation" in tables and not tables.of_kind("generalisation", kind).empty


def _beside(tables, kind, folds, other):
    """Return how SemSim compares with another metric on held-out data, or None if it was not compared."""
    values, pairs = (
        overall(areas(table[(table["folds"] == folds) & (table["exclusion"] == EVERYTHING)]))
        for table in (tables.of_kind(name, kind) for name in ("generalisation", "generalisation_differences"))
    )
    pairs, ours = pairs[pairs["other"] == other], values[values["metric"] == "semsim"]
    if pairs.empty or ours.empty:
        return None
    row = ours.iloc[0]
    worst = ""
    if pd.notna(row["left_out_worst"]):
        single = FOLDS[folds].removeprefix("originals and ")
        worst = f", for the worst {single} {decimal(row['left_out_worst'])} ({left_out(row['worst_left_out'])})"
    about = {"label": "SemSim", "value": row["faithfulness"], "worst": worst}
    return pairs.iloc[0].to_dict() | about | {"other_label": f"the {LEARNED[other].label.lower()}"}


def _published(tables, kind):
    """Return how a published SemSim compares with the best hand-crafted metric, or None if there is none."""
    scales = tables.scales
    values, pairs = (
        areas(table[table["dataset"] == table["dataset"].iloc[0]])
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
        f" ({interval(pair['low'], pair['high'])}; {p_value(pair['p'])}, and after Holm's correction for"
        f" {pair['tests']:.0f} comparisons {p_value(pair['p_holm'])})"
    )


def _short(pair):
    """Say how SemSim compares with another metric, after a heading that explains it."""
    lead = f"{decimal(pair['difference'], signed=True)}, {decimal(pair['low'])} to {decimal(pair['high'])}"
    return f"{decimal(pair['value'])} ({lead}){pair['worst']}"


def _decided(pair):
    """Say how far SemSim is ahead, and whether that is distinguishable."""
    return f"{decimal(pair['difference'], signed=True)} (Holm-corrected {p_value(pair['p_holm'])})"
