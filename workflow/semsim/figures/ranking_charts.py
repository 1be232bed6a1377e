"""Charts of rankings: how often does a metric order two target models as annotators do?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.figures.layout import legend_above, offsets
from semsim.figures.style import COLOURS, FAINT, MARKERS, panels, styled
from semsim.metrics.scales import without_twins
from semsim.statistics.contradictions import EVERYONE, PERSON
from semsim.statistics.ranking import RATES, TRUSTED
from semsim.text import counted, kind_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

SHOWN = (12, 50, 200)
"""Numbers of originals, a line each; where there are fewer, the largest one."""
JUDGES = {PERSON: "One annotator", EVERYONE: "All annotators"}


@styled
def ranking_chart(ranking: pd.DataFrame, scales: Scales) -> Figure:
    """Draw the share of pairs of target models in the order of the annotators, by the gap between the models.

    Parameters
    ----------
    ranking : pandas.DataFrame
        The table ``ranking.csv``, of annotators of one kind, one data set and reference.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each metric, for one more annotator, and for all of them; a line for each number of originals.
    """
    rows = ranking[ranking["by"] == RATES]
    there = sorted(rows["originals"].unique())
    sizes = [size for size in SHOWN if size in there] or there[-1:]
    names = [*without_twins(scales.among(set(rows["metric"]) - set(JUDGES))), *JUDGES]
    labels = scales.labels | JUDGES
    figure, axes = panels(len(names), height=2.1, columns=4, sharey=True, sharex=True)
    for panel, name in zip(axes, names, strict=True):
        panel.set_title(labels[name])
        for number, (size, shift) in enumerate(zip(sizes, offsets(len(sizes), 0.02), strict=True)):
            chosen = rows[(rows["originals"] == size) & (rows["metric"] == name)]
            look = {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 3.5, "linewidth": 1}
            places, shares = chosen["gap"] + shift, 100 * chosen[["value", "low", "high"]]
            panel.plot(places, shares["value"], label=counted(size, "originals"), **look)
            panel.vlines(places, shares["low"], shares["high"], color=look["color"], linewidth=0.7)
        panel.axhline(50, color=FAINT, linewidth=0.8)
        panel.axhline(100 * TRUSTED, color=FAINT, linewidth=0.8, linestyle=":")
        panel.set(xticks=sorted(rows["gap"].unique())[::2], ylim=(0, 103))
    (dataset,) = rows["dataset"].unique()
    annotators = kind_of(rows)
    figure.supxlabel(f"{dataset}: smallest gap between the recognition rates of two models ({annotators})", size=8)
    figure.supylabel("Pairs in the order of the annotators (%)", size=8)
    legend_above(figure, axes[0])
    return figure
