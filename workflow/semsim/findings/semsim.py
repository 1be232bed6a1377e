"""What the tables of SemSim say: where it is ahead of the other metrics, and where it is not."""

from __future__ import annotations

import pandas as pd

from semsim.learned.scales import LEARNED
from semsim.metrics.scales import Scales
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import FOLDS, counted, decimal, first_few, interval, listed, p_value, variant_label

SIGNIFICANT = 0.05
"""Threshold of Holm-corrected p values."""


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
        sentences.append(
            f"The weights of epoch {kept} of {curves['epoch'].max()} were kept, with an area under the ROC curve of"
            f" {decimal(best)} on held-out originals."
        )
    for note, rows in trials.dropna(subset="note").groupby("note"):
        if note:
            where = first_few(list(rows["exclusion"].unique()))
            sentences.append(f"In some folds ({where}), SemSim was not trained: {note}.")
    return sentences


def generalisation_findings(generalisation: pd.DataFrame, differences: pd.DataFrame, scales: Scales) -> list[str]:
    """Say, for each kind of held-out data, how SemSim compares with the other metrics.

    Parameters
    ----------
    generalisation, differences : pandas.DataFrame
        The tables ``generalisation.csv`` and ``generalisation_differences.csv``.
    scales : semsim.metrics.scales.Scales
        Scales of the hand-crafted metrics.

    Returns
    -------
    list of str
    """
    rows, compared = (areas(table[table["exclusion"] == EVERYTHING]) for table in (generalisation, differences))
    labels = (scales | LEARNED).labels
    sentences = []
    for folds in FOLDS:
        group = overall(rows[rows["folds"] == folds]).set_index("metric")
        if group.empty:
            continue
        place = f"With {FOLDS[folds]} held out,"
        if group.loc["semsim"].isna()["faithfulness"]:
            sentences.append(f"{place} SemSim's faithfulness is undefined ({group.loc['semsim', 'note']}).")
            continue
        ours = group.loc["semsim"]
        pairs = overall(compared[compared["folds"] == folds]).set_index("other")
        hand_crafted = group.drop(index=list(LEARNED), errors="ignore").dropna(subset="faithfulness")
        best = hand_crafted["faithfulness"].idxmax()
        others = [best, *(name for name in LEARNED if name != "semsim" and name in pairs.index)]
        sentences.append(
            f"{place} SemSim reaches {decimal(ours['faithfulness'])}"
            f" ({interval(ours['faithfulness_low'], ours['faithfulness_high'])}). "
            + " ".join(_compared(pairs.loc[name], labels[name], name == best) for name in others)
        )
    return sentences


def dataset_findings(generalisation: pd.DataFrame, differences: pd.DataFrame, scales: Scales) -> list[str]:
    """Say, for each kind of held-out data, on how many data sets SemSim is ahead of the best hand-crafted metric.

    Parameters and result are those of `generalisation_findings`.
    """
    sentences = []
    rows, compared = areas(generalisation), areas(differences)
    hand_crafted = rows[~rows["metric"].isin(LEARNED)].dropna(subset="faithfulness")
    views = ["folds", "exclusion", "dataset"]
    best = hand_crafted.loc[hand_crafted.groupby(views)["faithfulness"].idxmax()]
    pairs = best[[*views, "metric"]].merge(
        compared.drop(columns="metric"), left_on=[*views, "metric"], right_on=[*views, "other"]
    )
    for folds in FOLDS:
        group = pairs[(pairs["folds"] == folds) & (pairs["dataset"] != EVERYTHING)]
        group = group[group["exclusion"] == EVERYTHING].dropna(subset="difference")
        if group.empty:
            continue
        behind, clear = group["difference"] <= 0, (group["difference"] > 0) & (group["p_holm"] < SIGNIFICANT)
        where = [f"{row.dataset} ({scales[row.other].label})" for row in group[behind].itertuples()]
        sentences.append(
            f"With {FOLDS[folds]} held out, SemSim is ahead of the best hand-crafted metric on"
            f" {int((~behind).sum())} of {counted(len(group), 'data sets')}, distinguishably on {int(clear.sum())}"
            + (f"; behind on {listed(where)}." if where else ".")
        )
    return sentences


def ablation_findings(ablations: pd.DataFrame) -> list[str]:
    """Say what each change of SemSim's settings does.

    Parameters
    ----------
    ablations : pandas.DataFrame
        The table ``ablations.csv``; the first variant is SemSim with the study's settings.

    Returns
    -------
    list of str
    """
    rows = overall(areas(ablations)).set_index("variant")
    main, *changed = rows.index
    value = rows.loc[main, "faithfulness"]
    sentences = [f"With the study's settings, SemSim reaches {decimal(value)}."] if value == value else []
    for variant in changed:
        row = rows.loc[variant]
        if row["change"] != row["change"]:
            why = why_undefined(areas(ablations[ablations["variant"] == variant]))
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


def _compared(pair, label, is_best):
    """Say how SemSim compares with one metric."""
    name = f"{label}, the best hand-crafted metric," if is_best else label
    where = "ahead of" if pair["difference"] > 0 else "behind" if pair["difference"] < 0 else "level with"
    return (
        f"It is {where} {name} by {decimal(abs(pair['difference']))}"
        f" ({interval(pair['low'], pair['high'])}, Holm-corrected {p_value(pair['p_holm'])}): {told(pair['p_holm'])}."
    )
