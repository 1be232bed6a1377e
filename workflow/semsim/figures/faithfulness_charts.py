"""Charts of faithfulness: does a metric agree with annotators of one kind?"""

from __future__ import annotations

import textwrap
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.figures.layout import (
    draw_ceiling,
    draw_estimates,
    draw_model,
    legend_above,
    look_of,
    name_lines,
    offsets,
    row_height,
)
from semsim.figures.style import COLOURS, FAINT, panels, styled
from semsim.figures.triangle import draw_triangle, matrix_of_pairs, triangles
from semsim.io.tables import KEYS
from semsim.metrics.scales import without_twins
from semsim.statistics.association import chance_level
from semsim.statistics.ceiling import mean_ceiling
from semsim.statistics.means import faced_by_every_target, model_means, model_rates, rate_of
from semsim.statistics.person import NOBODY
from semsim.text import LEVELS, REFERENCE_LABELS, STATISTICS, decimal, kind_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

GROUPS = 10
"""In which reconstructions are put by a metric, to see the chance of being recognised."""
NULL_COLOUR = "#d9d9d9"


@styled
def faithfulness_chart(
    faithfulness: pd.DataFrame, ceiling: pd.DataFrame, scales: Scales, dataset: str, statistic: str
) -> Figure:
    """Draw how faithful each metric is on a data set, with intervals, the ceiling and the permutation null.

    Parameters
    ----------
    faithfulness : pandas.DataFrame
        The table of faithfulness, of annotators of one kind.
    ceiling : pandas.DataFrame
        The table of the ceiling, of the same annotators.
    scales : semsim.metrics.scales.Scales
    dataset, statistic : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = faithfulness[(faithfulness["dataset"] == dataset) & (faithfulness["statistic"] == statistic)]
    limits = mean_ceiling(ceiling, dataset, statistic)
    levels = [level for level in LEVELS if level in set(rows["level"])]
    metrics = without_twins(scales.among(rows["metric"]))
    rows = rows[rows["metric"].isin(metrics)]
    references = [name for name in REFERENCE_LABELS if name in set(rows["reference"])]
    height = row_height(len(metrics)) * (1 + 0.35 * (len(references) - 1))
    figure, axes = panels(len(levels), height=1.25 + height * len(metrics), sharey=True)
    for panel, level in zip(axes, levels, strict=True):
        name_lines(panel, [scales[metric].label for metric in metrics])
        panel.set_title(textwrap.fill(LEVELS[level].capitalize(), 24))
        at_level = rows[rows["level"] == level]
        _draw_null(panel, at_level, metrics, chance_level(statistic))
        draw_ceiling(panel, limits.loc[level])
        for number, (reference, shift) in enumerate(zip(references, offsets(len(references), 0.4), strict=True)):
            chosen = at_level[at_level["reference"] == reference]
            places = np.array([metrics.index(metric) for metric in chosen["metric"]]) + shift
            estimates = (chosen[f"faithfulness{end}"] for end in ("", "_low", "_high"))
            draw_estimates(panel, *estimates, places, label=REFERENCE_LABELS[reference], **look_of(number))
        panel.axvline(chance_level(statistic), color=FAINT, linewidth=0.8)
        panel.set_xlim(right=1.03)
    statistic_label = f"{STATISTICS[statistic]}, sign-adjusted; 1 is best"
    figure.supxlabel(f"{dataset}: faithfulness to {kind_of(rows)} ({statistic_label})", size=8)
    legend_above(figure, axes[0])
    return figure


def _draw_null(panel, rows, metrics, chance):
    """Draw the central 95 % of the permutation null as a grey bar behind each metric."""
    half = 0.36
    nulls = rows.groupby("metric")[["null_low", "null_high"]].agg({"null_low": "min", "null_high": "max"})
    label = "no association (95 % of permutations)"
    for metric, (low, high) in nulls.dropna().iterrows():
        width = max(chance - low, high - chance)  # the same whether the sign was adjusted or not
        left = chance - width
        panel.barh(metrics.index(metric), 2 * width, 2 * half, left=left, color=NULL_COLOUR, zorder=0, label=label)
        label = None


@styled
def means_chart(
    metrics: pd.DataFrame,
    recognition: pd.DataFrame,
    scales: Scales,
    datasets: list[str],
    names: list[str],
    reference: str,
) -> Figure:
    """Draw the mean of metrics against the recognition rate, one point per target model, with intervals on both axes.

    Means are over the attacks that were run on every target model of the data set; intervals are 95 %, over originals
    (t distribution; Wilson's for rates, which stay between 0 and 1).

    Parameters
    ----------
    metrics, recognition : pandas.DataFrame
        The tables of metrics and of recognition rates by annotators of one kind.
    scales : semsim.metrics.scales.Scales
    datasets, names : list of str
        The data sets, a row of panels each, and the metrics.
    reference : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = metrics[metrics["reference"] == reference]
    chosen = chosen.merge(recognition[[*KEYS, "recognition_rate", "labels"]], on=KEYS)
    targets = list(chosen["target"].unique())
    columns = min(len(names), 4)
    names = [*names, *[None] * (-len(names) % columns)]  # whole rows of panels for each data set
    count, legend = len(datasets) * len(names), 0.2 * -(-len(targets) // 3)
    figure, axes = panels(count, height=2.3 + legend * columns / count, columns=columns, sharey=True)
    for number, (panel, (dataset, name)) in enumerate(zip(axes, product(datasets, names), strict=True)):
        if name is None:
            panel.remove()
            continue
        rows = faced_by_every_target(chosen[chosen["dataset"] == dataset])
        _draw_models(panel, model_means(rows, name), model_rates(rows), targets)
        panel.set_xlabel(scales[name].axis_label)
        panel.set_title(dataset if len(datasets) > 1 else "")
        if number % columns == 0:
            panel.set_ylabel(f"Recognised by\n{kind_of(recognition)} (%)")
    legend_above(figure, axes[0])
    return figure


@styled
def chances_chart(
    metrics: pd.DataFrame, recognition: pd.DataFrame, scales: Scales, dataset: str, names: list[str], reference: str
) -> Figure:
    """Draw the chance of being recognised given the value of a metric: shares in groups of about equal size.

    Parameters
    ----------
    metrics, recognition : pandas.DataFrame
        The tables of metrics and of recognition rates by annotators of one kind.
    scales : semsim.metrics.scales.Scales
    dataset : str
    names : list of str
        The metrics, a panel each.
    reference : str

    Returns
    -------
    matplotlib.figure.Figure
        A point at the median of each group, with 95 % intervals over originals (Wilson).
    """
    chosen = metrics[(metrics["reference"] == reference) & (metrics["dataset"] == dataset)]
    chosen = chosen.merge(recognition[[*KEYS, "recognition_rate", "labels"]], on=KEYS)
    figure, axes = panels(len(names), height=2.2, columns=4, sharey=True)
    for panel, name in zip(axes, names, strict=True):
        rows = chosen.dropna(subset=name)
        panel.axhline(100 * rows["recognition_rate"].mean(), color=FAINT, linewidth=0.8)
        groups = rows.groupby(pd.qcut(rows[name], GROUPS, duplicates="drop"), observed=True)
        points = [(group[name].median(), *rate_of(group)) for _, group in groups]
        if points:
            values, shares, low, high = np.transpose(points) * [[1], [100], [100], [100]]
            panel.vlines(values, low, high, color=COLOURS[0], linewidth=1.1)
            panel.plot(values, shares, marker="o", color=COLOURS[0], markersize=4, linewidth=1)
        panel.set(xlabel=scales[name].axis_label, ylim=(-3, 103))
    figure.supylabel(f"Recognised by\n{kind_of(recognition)} (%)", size=8)
    return figure


def _draw_models(panel, across, up, targets):
    """Draw each target model as a point with its own marker, with intervals on both axes."""
    for number, target in enumerate(targets):
        if target not in across.index:
            continue
        x, y = (table.loc[target, ["value", "low", "high"]] for table in (across, up))
        draw_model(panel, number, target, x, y)
    panel.margins(x=0.08)


@styled
def person_chart(person: pd.DataFrame, scales: Scales) -> Figure:
    """Draw how well metrics tell what the majority of the others recognised within one original, beside one annotator.

    Parameters
    ----------
    person : pandas.DataFrame
        The table ``person.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = person[(person["level"] == "originals") & (person["without"] == NOBODY)]
    rows = rows[rows["reference"] == rows["reference"].iloc[0]]
    defined = rows.groupby("metric")["value"].transform("count") > 0
    rows = rows[defined] if defined.any() else rows
    names, datasets = without_twins(scales.among(rows["metric"])), list(rows["dataset"].unique())
    figure, axes = panels(len(datasets), height=1.2 + row_height(len(names)) * len(names), sharey=True, sharex=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        name_lines(panel, [scales[name].label for name in names])
        panel.set_title(dataset)
        chosen = rows[rows["dataset"] == dataset].set_index("metric").reindex(names)
        limits = chosen[["person", "person_low", "person_high"]].bfill().iloc[0]
        draw_ceiling(panel, limits.set_axis(["value", "low", "high"]))
        estimates = (chosen[f"value{end}"] for end in ("", "_low", "_high"))
        draw_estimates(panel, *estimates, range(len(names)), color=COLOURS[0], marker="o", markersize=4.5)
        panel.axvline(0.5, color=FAINT, linewidth=0.8)
    figure.supxlabel(f"Share of right answers about what the other {kind_of(rows)} recognised (0.5: chance)", size=8)
    if axes[0].get_legend_handles_labels()[0]:
        legend_above(figure, axes[0])
    return figure


@styled
def differences_chart(
    differences: pd.DataFrame, scales: Scales, dataset: str, reference: str, statistic: str = "spearman"
) -> Figure:
    """Draw how much more faithful the metric of a row is than that of a column, at each level.

    Differences that are distinguishable from zero (Holm-corrected p below 0.05) are bold.

    Parameters
    ----------
    differences : pandas.DataFrame
        The table of differences, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    dataset, reference, statistic : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    keys = {"dataset": dataset, "reference": reference, "statistic": statistic}
    rows = differences[np.logical_and.reduce([differences[name] == value for name, value in keys.items()])]
    names = without_twins(scales.among([*rows["metric"], *rows["other"]]))
    labels = [scales[name].label for name in names]
    levels = [level for level in LEVELS if level in set(rows["level"])]
    figure, axes = triangles(len(levels), labels)
    largest = max(0.1, rows["difference"].abs().max())
    for panel, level in zip(axes, levels, strict=True):
        at_level = rows[rows["level"] == level]
        values = matrix_of_pairs(at_level, names, "difference", ("metric", "other"), mirrored=-1)
        p_values = matrix_of_pairs(at_level, names, "p_holm", ("metric", "other"))
        write = lambda value: decimal(value, signed=True)  # noqa: E731
        mesh = draw_triangle(panel, values, labels, write, "PuOr", (-largest, largest), bold=p_values < 0.05)
        panel.set_title(textwrap.fill(f"{dataset}: {LEVELS[level]}", 36))
    scale = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    scale.set_label(f"Row more faithful than column\n({STATISTICS[statistic]})")
    scale.outline.set_visible(False)
    return figure
