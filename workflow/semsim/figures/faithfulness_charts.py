"""Charts of faithfulness: does a metric agree with annotators of one kind?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semsim.figures.layout import draw_estimates, legend_above, name_lines, offsets, row_height
from semsim.figures.style import COLOURS, FAINT, MARKERS, panels, styled
from semsim.figures.triangle import draw_triangle, matrix_of_pairs, triangles
from semsim.io.tables import KEYS
from semsim.statistics.association import chance_level
from semsim.statistics.ceiling import EVERYONE
from semsim.text import LEVELS, REFERENCE_LABELS, STATISTICS, decimal, kind_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

NULL_COLOUR, CEILING_COLOUR = "#d9d9d9", COLOURS[2]


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
    limits = ceiling[(ceiling["dataset"] == dataset) & (ceiling["statistic"] == statistic)]
    limits = limits[limits["annotator"] == EVERYONE].set_index("level")
    levels = [level for level in LEVELS if level in set(rows["level"])]
    metrics = scales.among(rows["metric"])
    references = [name for name in REFERENCE_LABELS if name in set(rows["reference"])]
    height = row_height(len(metrics)) * (1 + 0.35 * (len(references) - 1))
    figure, axes = panels(len(levels), height=1.25 + height * len(metrics), sharey=True)
    for panel, level in zip(axes, levels, strict=True):
        name_lines(panel, [scales[metric].label for metric in metrics])
        panel.set_title(LEVELS[level].capitalize())
        at_level = rows[rows["level"] == level]
        _draw_null(panel, at_level, metrics, chance_level(statistic))
        _draw_ceiling(panel, limits.loc[level])
        for number, (reference, shift) in enumerate(zip(references, offsets(len(references), 0.4), strict=True)):
            chosen = at_level[at_level["reference"] == reference]
            places = np.array([metrics.index(metric) for metric in chosen["metric"]]) + shift
            look = {"marker": MARKERS[number], "color": COLOURS[number], "markersize": 4.5}
            estimates = (chosen[f"faithfulness{end}"] for end in ("", "_low", "_high"))
            draw_estimates(panel, *estimates, places, label=REFERENCE_LABELS[reference], **look)
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


def _draw_ceiling(panel, limit):
    """Draw how faithful one annotator is to the others, as a line within its interval."""
    if np.isfinite(limit["value"]):
        panel.axvspan(limit["low"], limit["high"], color=CEILING_COLOUR, alpha=0.15, linewidth=0, zorder=0)
        panel.axvline(limit["value"], color=CEILING_COLOUR, linewidth=1.2, linestyle="--", label="one annotator")


@styled
def means_chart(
    metrics: pd.DataFrame, recognition: pd.DataFrame, scales: Scales, dataset: str, reference: str
) -> Figure:
    """Draw the mean of each metric against the recognition rate, one point per target model and attack.

    Parameters
    ----------
    metrics, recognition : pandas.DataFrame
        The tables of metrics and of recognition rates by annotators of one kind.
    scales : semsim.metrics.scales.Scales
    dataset, reference : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == reference)]
    table = chosen.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS)
    names = [name for name in scales if name in table]
    means = table.groupby(["target", "attack"], sort=False)[["recognition_rate", *names]].mean().reset_index()
    attacks = list(means["attack"].unique())
    figure, axes = panels(len(names), height=2.1, columns=4, sharey=True)
    for panel, name in zip(axes, names, strict=True):
        for number, attack in enumerate(attacks):
            rows = means[means["attack"] == attack]
            look = {"marker": MARKERS[number % len(MARKERS)], "color": COLOURS[number % len(COLOURS)], "alpha": 0.85}
            panel.plot(rows[name], 100 * rows["recognition_rate"], linestyle="none", markersize=4, label=attack, **look)
        panel.set_xlabel(scales[name].axis_label)
        panel.margins(x=0.1)
        panel.set_ylim(-4, 104)
    figure.supxlabel(f"{dataset}: means of each target model {REFERENCE_LABELS[reference]}", size=8)
    figure.supylabel(f"Recognised by {kind_of(recognition)} (%)", size=8)
    if len(attacks) > 1:
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
    names = scales.among([*rows["metric"], *rows["other"]])
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
        panel.set_title(f"{dataset}: {LEVELS[level]}")
    scale = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    scale.set_label(f"Row more faithful than column\n({STATISTICS[statistic]})")
    scale.outline.set_visible(False)
    return figure
