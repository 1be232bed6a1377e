"""Charts of annotators of one kind: what they recognise and how well they agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.figures.layout import (
    ROW,
    draw_estimates,
    legend_above,
    lines_of_targets,
    look_of,
    name_lines,
    offsets,
    row_height,
)
from semsim.figures.style import COLOURS, FAINT, INK, RANKS, panels, styled
from semsim.figures.triangle import draw_triangle, matrix_of_pairs, triangles
from semsim.labels.recognition import pooled_rates
from semsim.statistics.agreement import ANSWERS
from semsim.statistics.association import chance_level
from semsim.statistics.baselines import BASELINES
from semsim.statistics.ceiling import EVERYONE
from semsim.statistics.generalisation import areas
from semsim.text import LEVELS, STATISTICS, kind_of, sentence_case

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

ANSWER_NAMES = {"recognised": "recognised or not", "named": "class named"}
ALPHA = "krippendorff_alpha"
COMPONENT_NAMES = {
    "original": "original",
    "cell": "target model and attack",
    "interaction": "their interaction",
    "labels": "disagreement",
}
OF_ANNOTATOR = {
    "recognition_rate": "Recognised (%)",
    "cannot_tell_rate": "“Can't tell” (%)",
    "bias": "Bias (percentage points)",
    "dawid_skene_accuracy": "Dawid-Skene accuracy (%)",
}


@styled
def recognition_chart(recognition: pd.DataFrame) -> Figure:
    """Draw the recognition rate of each target model's reconstructions, attack by attack.

    Parameters
    ----------
    recognition : pandas.DataFrame
        The table of recognition rates, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    targets, attacks = (list(recognition[name].unique()) for name in ("target", "attack"))
    rates = 100 * pooled_rates(recognition, ["dataset", "target", "attack"]).unstack("attack")
    figure, axes = lines_of_targets(recognition, sharex=True)
    for panel, dataset in zip(axes, recognition["dataset"].unique(), strict=True):
        for place, attack in enumerate(attacks):
            values = rates.loc[dataset].reindex(targets)[attack]
            panel.plot(values, range(len(targets)), linestyle="none", label=attack, **look_of(place))
        panel.set(xlim=(-3, 103))
    figure.supxlabel(f"Labels by {kind_of(recognition)} that name the true class (%)", size=8)
    if len(attacks) > 1:
        legend_above(figure, axes[0])
    return figure


@styled
def rates_chart(recognition: pd.DataFrame) -> Figure:
    """Draw how many reconstructions were recognised by none, by some and by all of their annotators.

    Parameters
    ----------
    recognition : pandas.DataFrame
        The table of recognition rates, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per data set. Where not all got as many labels, rates are rounded to the nearest bar.
    """
    datasets = list(recognition["dataset"].unique())
    figure, axes = panels(len(datasets), height=2, sharey=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        rows = recognition[recognition["dataset"] == dataset]
        most = int(rows["labels"].max())
        recognised = (rows["recognition_rate"] * most).round().astype(int)
        shares = 100 * recognised.value_counts(normalize=True).reindex(range(most + 1), fill_value=0)
        panel.bar(shares.index, shares, color=COLOURS[0], width=0.75)
        for place, share in shares.items():
            panel.annotate(f"{share:.0f}", (place, share), (0, 1), textcoords="offset points", ha="center", size=7)
        panel.set_title(dataset)
        panel.set_xticks(range(most + 1), [f"{place}/{most}" for place in range(most + 1)])
        panel.grid(False, axis="x")
        panel.margins(y=0.1)
    figure.supxlabel(f"Number of {kind_of(recognition)} who recognised the image", size=8)
    figure.supylabel("Reconstructions (%)", size=8)
    return figure


@styled
def agreement_chart(agreement: pd.DataFrame) -> Figure:
    """Draw agreement beyond chance, Krippendorff's alpha, with 95 % intervals. (Fleiss' kappa is its twin.)

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    lines = {(answer,): ANSWER_NAMES[answer].capitalize() for answer in ANSWERS}
    rows = agreement[agreement["statistic"] == ALPHA]
    figure, (panel,) = panels(1, height=1 + 0.3 * len(lines))
    name_lines(panel, list(lines.values()))
    _draw_datasets(panel, rows, {line: place for place, line in enumerate(lines)}, ["answer"])
    panel.axvline(0, color=FAINT, linewidth=0.8)
    low = min(0, rows[["low", "value"]].min(axis=None))
    panel.set(xlim=(1.05 * low - 0.03, 1.03))
    panel.set_xlabel(f"Krippendorff's α of {kind_of(agreement)} (0: chance, 1: perfect agreement)")
    _legend_of_datasets(figure, panel, rows)
    return figure


@styled
def pairwise_chart(agreement: pd.DataFrame) -> Figure:
    """Draw how often each pair of annotators gives the same answer about the same reconstruction.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = agreement[agreement["statistic"] == "pairwise_agreement"]
    datasets, names = list(rows["dataset"].unique()), _in_order([*rows["annotator"], *rows["other"]])
    figure, axes = triangles(len(datasets) * len(ANSWERS), names, columns=len(ANSWERS))
    for panel, (dataset, answer) in zip(axes, [(d, a) for d in datasets for a in ANSWERS], strict=True):
        pairs = rows[(rows["dataset"] == dataset) & (rows["answer"] == answer)]
        shares = 100 * matrix_of_pairs(pairs, names, "value", ("other", "annotator"))
        mesh = draw_triangle(panel, shares, names, "{:.0f}".format, RANKS, (0, 100))
        panel.set_title(f"{dataset}: {ANSWER_NAMES[answer]}")
    scale = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    scale.set_label(f"Same answer by two\n{kind_of(agreement)} (%)")
    scale.outline.set_visible(False)
    return figure


@styled
def annotators_chart(agreement: pd.DataFrame) -> Figure:
    """Draw each annotator's recognition rate, rate of “can't tell”, bias and accuracy under Dawid and Skene's model.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = agreement[agreement["statistic"].isin(OF_ANNOTATOR)]
    rows = rows.assign(**{column: 100 * rows[column] for column in ("value", "low", "high")})
    shown = [statistic for statistic in OF_ANNOTATOR if statistic in set(rows["statistic"])]
    names, datasets = _in_order(rows["annotator"]), rows["dataset"].nunique()
    height = row_height(len(names)) * (1 + 0.3 * (datasets - 1))
    figure, axes = panels(len(shown), height=1.1 + height * len(names), columns=len(shown), sharey=True)
    for panel, statistic in zip(axes, shown, strict=True):
        name_lines(panel, names)
        of_statistic = rows[rows["statistic"] == statistic]
        _draw_datasets(panel, of_statistic, {(name,): place for place, name in enumerate(names)}, ["annotator"])
        panel.set_xlabel(OF_ANNOTATOR[statistic])
        if statistic == "bias":
            panel.axvline(0, color=FAINT, linewidth=0.8)
        else:
            panel.set_xlim(-3, 103)
    figure.supylabel(kind_of(agreement).capitalize(), size=8)
    _legend_of_datasets(figure, axes[0], rows)
    return figure


@styled
def ceiling_chart(ceiling: pd.DataFrame) -> Figure:
    """Draw how well one annotator predicts the others, at each level: the mean, and each annotator as a faint tick.

    Parameters
    ----------
    ceiling : pandas.DataFrame
        The table of the ceiling, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    statistics = [name for name in STATISTICS if name in set(ceiling["statistic"])]
    datasets = list(ceiling["dataset"].unique())
    height = 0.3 + 0.14 * len(datasets)
    figure, axes = panels(len(statistics), height=1.1 + height * len(LEVELS), columns=2, sharey=True)
    for panel, statistic in zip(axes, statistics, strict=True):
        rows = ceiling[ceiling["statistic"] == statistic]
        lines = {(level,): place for place, level in enumerate(LEVELS)}
        name_lines(panel, [label.capitalize() for label in LEVELS.values()])
        singles = rows[rows["annotator"] != EVERYONE]
        for dataset, shift in zip(datasets, offsets(len(datasets)), strict=True):
            of_dataset = singles[singles["dataset"] == dataset]
            places = [lines[(level,)] + shift for level in of_dataset["level"]]
            panel.plot(of_dataset["value"], places, "|", color=FAINT, markersize=7, markeredgewidth=0.8, zorder=1)
        _draw_datasets(panel, rows[rows["annotator"] == EVERYONE], lines, ["level"], datasets)
        chance = chance_level(statistic)
        panel.axvline(chance, color=FAINT, linewidth=0.8)
        panel.set(xlim=(min(chance, rows[["low", "value"]].min(axis=None)) - 0.04, 1.03))
        panel.set_xlabel(sentence_case(STATISTICS[statistic]))
    figure.supxlabel(f"How well one annotator predicts the others' recognition rate ({kind_of(ceiling)})", size=8)
    _legend_of_datasets(figure, axes[0], ceiling)
    return figure


@styled
def variance_chart(variance: pd.DataFrame, faithfulness: pd.DataFrame, scales: Scales) -> Figure:
    """Draw what recognition depends on, and what predictors reach that know only one part of it, for each data set.

    On the left, shares of the variance of recognition rates (negative estimates count as zero). On the right, the
    pooled area under the ROC curve of the trivial baselines, beside that of the best metric.

    Parameters
    ----------
    variance, faithfulness : pandas.DataFrame
        The tables of these names, of annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
    """
    datasets = list(variance["dataset"].unique())
    figure, (left, right) = panels(2, height=1.5 + ROW * len(datasets), sharey=True)
    name_lines(left, datasets)
    shares = variance.pivot(index="dataset", columns="component", values="share").loc[datasets].fillna(0).clip(lower=0)
    shares = 100 * shares.div(shares.sum(axis=1), axis=0)
    start = 0
    for number, (component, label) in enumerate(COMPONENT_NAMES.items()):
        look = {"label": label, "color": COLOURS[number], "edgecolor": "white"}
        left.barh(range(len(datasets)), shares[component], left=start, height=0.6, **look)
        start = start + shares[component]
    left.set_xlabel(f"Share of the variance of recognition\nby {kind_of(variance)} (%)")
    rows = areas(faithfulness[faithfulness["reference"] == faithfulness["reference"].iloc[0]], "reconstructions")
    trivial = rows["metric"].isin(BASELINES)
    known = rows[~trivial].dropna(subset="faithfulness")
    best = known.loc[known.groupby("dataset")["faithfulness"].idxmax()].assign(metric="best")
    predictors = pd.concat([rows[trivial], best])
    drawn = {name: scales[name].label.lower() for name in BASELINES} | {"best": "best metric"}
    for number, ((name, label), shift) in enumerate(zip(drawn.items(), offsets(len(drawn), 0.4), strict=True)):
        chosen = predictors[predictors["metric"] == name].set_index("dataset").reindex(datasets)
        estimates = (chosen[f"faithfulness{end}"] for end in ("", "_low", "_high"))
        look = look_of((7, 4, 5)[number])  # other colours than on the left
        draw_estimates(right, *estimates, np.arange(len(datasets)) + shift, label=label, **look)
    right.axvline(0.5, color=FAINT, linewidth=0.8)
    right.set_xlabel(f"{sentence_case(STATISTICS['auc'])}\nover all reconstructions")
    for panel in (left, right):
        panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, labelcolor=INK)
    return figure


@styled
def observers_chart(observers: pd.DataFrame) -> Figure:
    """Draw how many degraded images each simulated annotator classifies correctly, and on how many it can't tell.

    Parameters
    ----------
    observers : pandas.DataFrame
        The table of observers.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per data set.
    """
    datasets, names = list(observers["dataset"].unique()), list(observers["observer"].unique())
    figure, axes = panels(len(datasets), height=2.3, sharey=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        panel.set_title(dataset)
        for number, name in enumerate(names):
            rows = observers[(observers["dataset"] == dataset) & (observers["observer"] == name)]
            if rows.empty:  # those of embedded images have other names
                continue
            look = look_of(number) | {"markersize": 3.5}
            architecture = rows["architecture"].iloc[0]
            panel.plot(rows["severity"], 100 * rows["right"], label=f"{name} ({architecture})", linewidth=1.1, **look)
            given_up = {"linestyle": ":", "linewidth": 1.1, "color": look["color"]}
            panel.plot(rows["severity"], 100 * rows["cannot_tell"], **given_up)
        panel.set(ylim=(-3, 103), xticks=sorted(observers["severity"].unique()))
    figure.supxlabel("Severity of the degradation", size=8)
    figure.supylabel("Correct (solid) or\n“can't tell” (dotted), %", size=8)
    legend_above(figure, axes[0])
    return figure


def _draw_datasets(panel, rows, lines, keys, datasets=None):
    """Draw estimates on the lines that their keys name, with data sets side by side."""
    datasets = list(rows["dataset"].unique()) if datasets is None else datasets
    for number, (dataset, shift) in enumerate(zip(datasets, offsets(len(datasets)), strict=True)):
        of_dataset = rows[rows["dataset"] == dataset]
        places = [lines[tuple(key)] + shift for key in of_dataset[keys].to_numpy()]
        estimates = (of_dataset[column] for column in ("value", "low", "high"))
        draw_estimates(panel, *estimates, places, label=dataset, **look_of(number))


def _legend_of_datasets(figure, panel, rows):
    """Name the data sets: in a legend, or in the title if there is only one."""
    if rows["dataset"].nunique() > 1:
        legend_above(figure, panel)
    else:
        panel.set_title(rows["dataset"].iloc[0])


def _in_order(names):
    """Sort distinct names in natural order: observer-2 before observer-10."""
    return sorted(set(names), key=lambda name: [part.zfill(9) for part in re.split(r"(\d+)", name)])
