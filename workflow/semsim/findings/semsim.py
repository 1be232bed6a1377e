"""What the tables of SemSim say: where it is ahead of the other metrics, and where it is not."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from semsim.learned.folds import WITHIN
from semsim.learned.scales import BEST, LEARNED
from semsim.metrics.scales import Scales
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.statistics.resampling import SIGNIFICANT
from semsim.text import (
    FOLDS,
    LEVELS,
    counted,
    decimal,
    first_few,
    interval,
    left_out,
    listed,
    p_value,
    sentence_case,
    variant_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPARED = (BEST, "classifier_features", "combination", "combination_with_target", *BASELINES)
"""What SemSim is compared with in sentences; the table has all other metrics."""


def learning_findings(counts: pd.DataFrame, curves: pd.DataFrame, trials: pd.DataFrame) -> list[str]:
    """Say what SemSim learned from, and where it could not be trained.

    Parameters
    ----------
    counts, curves, trials : pandas.DataFrame
        The tables ``semsim_triplets.csv``, ``semsim_curves.csv`` and ``semsim.csv``.

    Returns
    -------
    list of str
    """
    sentences = []
    for row in counts.to_dict("records"):
        total = row["same original"] + row["same class"] + row["any"]
        sentences.append(
            f"Of {counted(total, row['side'] + ' reconstructions')} used for training, {row['same original']:,} are"
            f" paired within the same original, {row['same class']:,} within the same class and {row['any']:,} with any"
            " other."
        )
    best = curves["validation_auc"].max() if len(curves) else float("nan")
    if best == best:
        kept = curves.loc[curves["validation_auc"] == best, "epoch"].max()
        which = f"weights of epoch {kept} of {curves['epoch'].max()}" if kept else "weights before training"
        sentences.append(
            f"The {which} were kept. On the originals that were set aside to"
            f" choose it, the area under the ROC curve over all reconstructions is {decimal(best)}, which is no test."
        )
    for note, rows in trials.dropna(subset="note").groupby("note"):
        if note:
            where = first_few(list(rows["exclusion"].unique()))
            sentences.append(f"In some folds ({where}), SemSim was not trained: {note}.")
    return sentences


def generalisation_findings(
    generalisation: pd.DataFrame,
    differences: pd.DataFrame,
    scales: Scales,
    levels: Sequence[str] = (PRIMARY[0], "reconstructions"),
) -> list[str]:
    """Say, for each kind of held-out data, how SemSim compares with the other metrics.

    Parameters
    ----------
    generalisation, differences : pandas.DataFrame
        The tables ``generalisation.csv`` and ``generalisation_differences.csv``.
    scales : semsim.metrics.scales.Scales
        Scales of the hand-crafted metrics.
    levels : sequence of str
        By default within one original, which is the level of the primary test, and over all reconstructions.

    Returns
    -------
    list of str
        What SemSim is distinguishably ahead of or behind, and what it is not distinguishable from, with differences and
        their 95 % intervals; p values are corrected over all metrics and kinds of held-out data at a level.
    """
    labels = (scales | LEARNED | BASELINES).labels
    sentences = []
    for folds, level in product(FOLDS, levels):
        rows, compared = (
            overall(areas(table[(table["exclusion"] == EVERYTHING) & (table["folds"] == folds)], level))
            for table in (generalisation, differences)
        )
        group = rows.set_index("metric")
        if group.empty:
            continue
        place = f"With {FOLDS[folds]} held out, {LEVELS[level]},"
        ours, pairs = group.loc["semsim"], compared.dropna(subset="difference").set_index("other")
        if pd.isna(ours["faithfulness"]):
            sentences.append(f"{place} SemSim's faithfulness is undefined ({ours['note']}).")
            continue
        others = pairs.loc[[name for name in COMPARED if name in pairs.index]]
        sentences.append(
            f"{place} SemSim reaches {decimal(ours['faithfulness'])}"
            f" ({interval(ours['faithfulness_low'], ours['faithfulness_high'])}){_worst(ours)}."
            + _compared(others, labels)
        )
    return sentences


def dataset_findings(generalisation: pd.DataFrame, differences: pd.DataFrame, scales: Scales) -> list[str]:
    """Say on how many data sets SemSim is ahead of the best hand-crafted metric, once for folds that agree.

    Parameters and result are those of `generalisation_findings`.
    """
    alike = {}
    pairs = areas(differences)
    pairs = pairs[(pairs["other"] == BEST) & (pairs["exclusion"] == EVERYTHING) & (pairs["dataset"] != EVERYTHING)]
    for folds in FOLDS:
        group = pairs[pairs["folds"] == folds].dropna(subset="difference")
        if group.empty:
            continue
        behind, clear = group["difference"] <= 0, (group["difference"] > 0) & (group["p_holm"] < SIGNIFICANT)
        where = list(group.loc[behind, "dataset"])
        found = (
            f"SemSim is ahead of the best hand-crafted metric on {int((~behind).sum())} of"
            f" {counted(len(group), 'data sets')}, distinguishably on {int(clear.sum())}"
            + (f"; it is behind on {listed(where)}" if where else "")
        )
        alike.setdefault(found, []).append(folds)
    return [f"{sentence_case(LEVELS[PRIMARY[0]])}, with {_held_out(folds)}, {found}." for found, folds in alike.items()]


def group_findings(trials: pd.DataFrame) -> list[str]:
    """Say which target models are in each of the groups that were held out, if any were.

    Parameters
    ----------
    trials : pandas.DataFrame
        The table ``semsim.csv``.

    Returns
    -------
    list of str
    """
    groups = trials[trials["folds"] == "targets"].groupby("exclusion", sort=False)["target"].unique()
    parts = [f"{exclusion.removeprefix('targets-')} has {listed(targets)}" for exclusion, targets in groups.items()]
    return [f"Of the groups of target models that were held out, {'; '.join(parts)}."] if parts else []


def _held_out(folds):
    """Say what was held out in folds of several kinds."""
    further = [FOLDS[name].removeprefix("originals and ") for name in folds if name != WITHIN]
    if not further:
        return "originals held out"
    *first, last = further
    either = f"{', '.join(first)} or {last}" if first else last
    return f"originals held out, alone or with {either}" if WITHIN in folds else f"originals and {either} held out"


def ablation_findings(ablations: pd.DataFrame, level: str = PRIMARY[0]) -> list[str]:
    """Say what each change of SemSim's settings does.

    Parameters
    ----------
    ablations : pandas.DataFrame
        The table ``ablations.csv``; the first variant is SemSim with the study's settings.
    level : str

    Returns
    -------
    list of str
    """
    rows = overall(areas(ablations, level)).set_index("variant")
    main, *changed = rows.index
    value = rows.loc[main, "faithfulness"]
    place = f"With the study's settings, SemSim reaches {decimal(value)} {LEVELS[level]}."
    sentences = [place] if value == value else []
    for variant in changed:
        row = rows.loc[variant]
        if row["change"] != row["change"]:
            why = why_undefined(areas(ablations[ablations["variant"] == variant], level))
            sentences.append(f"With {variant_label(variant)}, its faithfulness is undefined ({why}).")
            continue
        sentences.append(
            f"With {variant_label(variant)}, it reaches {decimal(row['faithfulness'])}:"
            f" {decimal(row['change'], signed=True)} ({interval(row['change_low'], row['change_high'])}),"
            f" {told(row['p_holm'])} (Holm-corrected {p_value(row['p_holm'])})."
        )
    return sentences


def why_undefined(rows: pd.DataFrame) -> str:
    """Return why a statistic is undefined: the reasons noted for single data sets, since their mean has no note."""
    notes = rows.loc[rows["dataset"] != EVERYTHING, "note"].dropna().unique()
    return listed([note for note in notes if note] or ["there is nothing to compare with"])


def told(p: float) -> str:
    """Say whether a difference is distinguishable from zero."""
    return "distinguishable" if p < SIGNIFICANT else "not distinguishable"


def _worst(row):
    """Say what is reached on average and in the worst of the left-out values, where there are some."""
    if pd.isna(row.get("left_out_worst")):
        return ""
    mean, worst = decimal(row["left_out_mean"]), decimal(row["left_out_worst"])
    return f"; averaged over left-out values {mean}, at worst {worst} ({left_out(row['worst_left_out'])})"


def _compared(pairs, labels):
    """Say how SemSim compares with other metrics."""
    clear, labels = pairs["p_holm"] < SIGNIFICANT, labels | {BEST: f"the {labels[BEST].lower()}"}
    parts = []
    for rows, what in (
        (pairs[clear & (pairs["difference"] > 0)], "distinguishably ahead of"),
        (pairs[clear & (pairs["difference"] < 0)], "distinguishably behind"),
        (pairs[~clear], "not distinguishable from"),
    ):
        gaps = [
            f"{labels[name]} ({decimal(gap, signed=True)}, {decimal(low)} to {decimal(high)})"
            for name, gap, low, high in rows[["difference", "low", "high"]].itertuples()
        ]
        parts += [f"{what} {listed(gaps)}"] if gaps else []
    return f" It is {'; '.join(parts)}." if parts else ""
