"""Charts of reconstructions: each function takes tables of the study and returns a figure."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import lazy_loader
import pandas as pd
from matplotlib.colors import BoundaryNorm

from semsim.figures.layout import ROW, legend_above, lines_of_targets
from semsim.figures.style import COLOURS, FAINT, MARKERS, RANKS, panels, styled
from semsim.metrics import METRICS, metric_columns
from semsim.metrics.scales import without_twins
from semsim.text import REFERENCE_LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

seaborn = lazy_loader.load("seaborn")


@styled
def accuracy_chart(accuracy: pd.DataFrame) -> Figure:
    """Draw the accuracy of each target model on training and on held-out images.

    Parameters
    ----------
    accuracy : pandas.DataFrame
        The table of target models.

    Returns
    -------
    matplotlib.figure.Figure
    """
    series = {"train_accuracy": "training images", "validation_accuracy": "held-out images"}
    figure, axes = lines_of_targets(accuracy, sharex=True)
    for panel, (_, rows) in zip(axes, accuracy.groupby("dataset", sort=False), strict=True):
        for place, (column, name) in enumerate(series.items()):
            look = {"marker": MARKERS[place], "color": COLOURS[place], "markersize": 5, "linestyle": "none"}
            panel.plot(100 * rows[column], rows["target"], label=name, **look)
        panel.set(xlabel="Accuracy (%)", xlim=(0, 103))
    legend_above(figure, axes[0])
    return figure


@styled
def status_chart(attacks: pd.DataFrame) -> Figure:
    """Draw how the attacks ended: the share of reconstructions that converged, ran all steps or diverged, if any did.

    Parameters
    ----------
    attacks : pandas.DataFrame
        The table of attacks.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = {"converged": "converged", "finished": "ran all steps", "diverged": "diverged"}
    names = {status: name for status, name in names.items() if status in set(attacks["status"])}
    colours = {"converged": COLOURS[2], "finished": COLOURS[4], "diverged": COLOURS[1]}
    shares = (
        attacks.groupby(["dataset", "attack"], sort=False)["status"].value_counts(normalize=True).unstack(fill_value=0)
    )
    datasets = attacks["dataset"].unique()
    figure, axes = panels(len(datasets), height=0.75 + ROW * attacks["attack"].nunique(), sharey=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        rows, left = 100 * shares.loc[dataset], 0
        for status, name in names.items():
            widths = rows.get(status, pd.Series(0.0, rows.index))
            hatch = "////" if status == "diverged" else None
            panel.barh(rows.index, widths, left=left, label=name, color=colours[status], hatch=hatch, edgecolor="white")
            left = left + widths
        panel.set(title=dataset, xlabel="Reconstructions (%)", xlim=(0, 100))
        panel.grid(False)
    axes[0].invert_yaxis()
    legend_above(figure, axes[0])
    return figure


def distributed(metrics: pd.DataFrame) -> list[str]:
    """Return the names of the metrics that have a distribution worth drawing: with more than two values, no twins.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.

    Returns
    -------
    list of str
        In the order of `METRICS`.
    """
    return without_twins(metric.name for metric in metric_columns(metrics) if metrics[metric.name].nunique() > 2)


DRAWN_UP_TO = {"psnr": 60}
"""Where the axis of a metric ends: identical images have 100 dB, which would press all others into a corner."""


@styled
def distribution_chart(metrics: pd.DataFrame, name: str, reference: str = "attacked") -> Figure:
    """Draw how a metric is distributed over originals, for each target model and attack.

    Boxes span the quartiles with a line at the median, whiskers reach the 5th and 95th percentile, and dots are the
    reconstructions beyond. Reconstructions that diverged have no value and are left out, as are data sets without any
    value. Values beyond the end of the axis (`DRAWN_UP_TO`), as of identical images, are drawn at its end.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.
    name : str
        The metric.
    reference : {"attacked", "original"}
        What reconstructions are compared with.

    Returns
    -------
    matplotlib.figure.Figure
    """
    scored = metrics[metrics["reference"] == reference]
    scored = scored[scored.groupby("dataset")[name].transform("count") > 0]
    scored = scored.assign(**{name: scored[name].clip(upper=DRAWN_UP_TO.get(name, math.inf))})
    attacks = list(scored["attack"].unique())
    figure, axes = lines_of_targets(scored, height=ROW * max(1, 0.6 * len(attacks)), sharex=True)
    for panel, (_, rows) in zip(axes, scored.groupby("dataset", sort=False), strict=True):
        seaborn.boxplot(
            rows,
            x=name,
            y="target",
            hue="attack",
            hue_order=attacks,
            palette=COLOURS[: len(attacks)],
            ax=panel,
            whis=(5, 95),
            linewidth=0.7,
            gap=0.15,
            flierprops={"marker": ".", "markersize": 2.5, "markeredgecolor": "none", "markerfacecolor": FAINT},
            saturation=1,
            legend=panel is axes[0],
        )
        panel.set(xlabel=METRICS[name].axis_label, ylabel="")
    _mark_end(axes, scored[name].max(), DRAWN_UP_TO.get(name))
    legend_above(figure, axes[0])
    return figure


def _mark_end(axes, highest, end):
    """Say at the end of the axis that it holds everything beyond, if something is there."""
    if highest == end:
        axes[0].set_xticks(range(0, end + 1, 20), [*map(str, range(0, end, 20)), f"≥ {end}"])


@styled
def leakage_chart(leakage: pd.DataFrame, attack: str = "all", reference: str = "attacked") -> Figure:
    """Draw the target models' ranks by every metric, as numbers and colours: rank 1, the darkest, leaks most.

    The means that are ranked are in the table.

    Parameters
    ----------
    leakage : pandas.DataFrame
        The table of leakage.
    attack : str
        An attack, or ``all`` for all attacks that were run on every target model.
    reference : {"attacked", "original"}

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = leakage[(leakage["attack"] == attack) & (leakage["reference"] == reference) & leakage["value"].notna()]
    names = without_twins(name for name in METRICS if name in set(chosen["metric"]))
    targets, datasets = list(chosen["target"].unique()), list(chosen["dataset"].unique())
    figure, axes = panels(len(datasets), columns=1, height=0.4 + ROW * len(targets), sharex=True)
    colours = BoundaryNorm([rank + 0.5 for rank in range(len(targets) + 1)], 256)
    for panel, dataset in zip(axes, datasets, strict=True):
        rows = chosen[chosen["dataset"] == dataset]
        ranks = rows.pivot(index="target", columns="metric", values="rank").reindex(index=targets, columns=names)
        ranks = ranks.astype(float)
        seaborn.heatmap(
            ranks,
            annot=True,
            fmt=".0f",
            cmap=RANKS,
            norm=colours,
            cbar=False,
            ax=panel,
            linewidths=1.5,
            annot_kws={"size": 7},
        )
        panel.set(title=dataset, xlabel="", ylabel="")
        panel.set_xticklabels([textwrap.fill(METRICS[name].axis_label, 16) for name in names])
        panel.tick_params(length=0, rotation=0)
    scale = figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.8, aspect=30, pad=0.02)
    ranks = range(1, len(targets) + 1)
    scale.set_ticks(ranks, labels=["1: leaks most", *map(str, ranks[1:])])
    scale.ax.invert_yaxis()
    return figure


@styled
def reference_chart(metrics: pd.DataFrame, name: str = "psnr") -> Figure:
    """Draw each target model's mean of a metric against both references: the attacked image and the original.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.
    name : str
        The metric.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = REFERENCE_LABELS | {"original": f"{REFERENCE_LABELS['original']}, before augmentation"}
    means = metrics.groupby(["dataset", "target", "reference"])[name].mean().unstack("reference")
    targets = metrics["target"].unique()
    figure, axes = lines_of_targets(metrics, sharex=True)
    for panel, dataset in zip(axes, metrics["dataset"].unique(), strict=True):
        values = means.loc[dataset].reindex(targets)
        panel.hlines(range(len(targets)), values["attacked"], values["original"], color=FAINT, linewidth=1)
        for place, (reference, label) in enumerate(names.items()):
            fill = {"markerfacecolor": "white"} if reference == "original" else {}
            look = {
                "marker": MARKERS[place],
                "color": COLOURS[place],
                "linestyle": "none",
                "markersize": 6 - place,
                **fill,
            }
            panel.plot(values[reference], range(len(targets)), label=label, **look)
        panel.set(xlabel=f"Mean {METRICS[name].axis_label}")
    legend_above(figure, axes[0])
    return figure
