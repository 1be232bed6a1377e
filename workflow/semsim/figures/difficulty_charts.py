"""Charts of what makes originals hard to recognise, and of what this adds to metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, NullFormatter

from semsim.figures.layout import draw_estimates, legend_above, look_of, name_lines, offsets, row_height
from semsim.figures.style import COLOURS, FAINT, panels, styled
from semsim.learned.scales import LEARNED
from semsim.statistics import content as measured
from semsim.statistics.content import CLASS, IMAGE, NO_METRIC, NOTHING, OTHER_MODELS
from semsim.statistics.means import rate_of
from semsim.text import LEVELS, STATISTICS, kind_of, sentence_case

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

SOURCE_LABELS = {
    NOTHING: "alone",
    CLASS: "with the difficulty of the class",
    IMAGE: "with the difficulty predicted from the clear image",
    OTHER_MODELS: "with the original's rate under other target models",
}


@styled
def classes_chart(difficulty: pd.DataFrame) -> Figure:
    """Draw how often the originals of each class are recognised, classes in order, one panel per data set.

    Parameters
    ----------
    difficulty : pandas.DataFrame
        The table ``difficulty.csv``, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    datasets = list(difficulty["dataset"].unique())
    figure, axes = panels(len(datasets), height=2.4, sharey=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        panel.set_title(dataset)
        groups = difficulty[difficulty["dataset"] == dataset].groupby("label")
        rates = [rate_of(rows) for _, rows in groups]
        rates, low, high = 100 * np.array(sorted(rates)).T
        panel.vlines(range(len(rates)), low, high, color=COLOURS[0], linewidth=0.8, alpha=0.6)
        panel.plot(rates, "o", color=COLOURS[0], markersize=3)
        panel.set(ylim=(0, 100), xticks=[])
    figure.supxlabel("Classes, from the hardest to the easiest", size=8)
    figure.supylabel(f"Recognised by\n{kind_of(difficulty)} (%)", size=8)
    return figure


@styled
def content_chart(content: pd.DataFrame, scales: Scales) -> Figure:
    """Draw how well metrics tell recognised reconstructions from others, with and without the original's difficulty.

    Parameters
    ----------
    content : pandas.DataFrame
        The table ``content.csv``, of annotators of one kind and one data set.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
        One panel per level.
    """
    labels = {NO_METRIC: "No metric"} | (scales | LEARNED).labels
    valued = content.dropna(subset="value")
    names = list((content if valued.empty else valued)["metric"].unique())
    sources = [source for source in SOURCE_LABELS if source in set((content if valued.empty else valued)["difficulty"])]
    height = row_height(len(names)) * (1 + 0.25 * (len(sources) - 1))
    figure, axes = panels(len(measured.LEVELS), height=1.2 + height * len(names), sharex=True, sharey=True)
    for panel, level in zip(axes, measured.LEVELS, strict=True):
        name_lines(panel, [labels[name] for name in names])
        panel.set_title(sentence_case(LEVELS[level]))
        rows = content[(content["level"] == level) & content["metric"].isin(names)]
        for number, (source, shift) in enumerate(zip(sources, offsets(len(sources), 0.5), strict=True)):
            chosen = rows[rows["difficulty"] == source]
            places = np.array([names.index(name) for name in chosen["metric"]]) + shift
            estimates = (chosen[name] for name in ("value", "low", "high"))
            draw_estimates(
                panel, *estimates, places, label=SOURCE_LABELS[source], **look_of(number) | {"markersize": 4}
            )
        panel.axvline(0.5, color=FAINT, linewidth=0.8)
    (dataset,) = content["dataset"].unique()
    figure.supxlabel(f"{dataset}: {STATISTICS['auc']}, on held-out originals (0.5: chance, 1: perfect)", size=8)
    legend_above(figure, axes[0])
    return figure


@styled
def learning_chart(curve: pd.DataFrame) -> Figure:
    """Draw how well recognition is predicted, by the number of labelled originals, one panel per data set.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table ``learning_curve.csv``, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    datasets = list(curve["dataset"].unique())
    figure, axes = panels(len(datasets), height=2.5, sharey=True)
    labels = {NOTHING: "metrics together", CLASS: "metrics together, with the difficulty of the class"}
    for panel, dataset in zip(axes, datasets, strict=True):
        panel.set_title(dataset)
        for number, (source, label) in enumerate(labels.items()):
            rows = curve[(curve["dataset"] == dataset) & (curve["difficulty"] == source)]
            look = look_of(number) | {"markersize": 4, "linewidth": 1.1}
            panel.plot(rows["originals"], rows["value"], label=label, **look)
            panel.fill_between(
                rows["originals"], rows["low"], rows["high"], color=look["color"], alpha=0.15, linewidth=0
            )
        panel.set_xscale("log")
        ticks = sorted(curve["originals"].unique())
        panel.xaxis.set_major_locator(FixedLocator(ticks))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xticks(ticks, [f"{tick}" for tick in ticks])
    figure.supxlabel("Labelled originals", size=8)
    figure.supylabel(f"{sentence_case(STATISTICS['auc'])}\nover held-out originals", size=8)
    legend_above(figure, axes[0])
    return figure
