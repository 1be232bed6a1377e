"""Chart of how well repeated reconstructions resemble the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.figures.layout import ROW, draw_estimates, legend_above, name_lines
from semsim.figures.style import COLOURS, FAINT, panels, styled
from semsim.text import sentence_case

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

TITLES = {
    "originals": "within one {unit}, over target models",
    "cells": "within one target model",
    "models": "over the means of target models",
}


@styled
def correspondence_chart(correspondence: pd.DataFrame, scales: Scales) -> Figure:
    """Draw how each metric's values correlate with the published ones, and what remains if partners are shuffled.

    Parameters
    ----------
    correspondence : pandas.DataFrame
        The table ``correspondence.csv``, of one reference.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
        One panel per level.
    """
    names, (unit,) = list(correspondence["metric"].unique()), correspondence["unit"].unique()
    figure, axes = panels(len(TITLES), height=1.2 + ROW * len(names), columns=3, sharey=True, sharex=True)
    places = range(len(names))
    for panel, (level, title) in zip(axes, TITLES.items(), strict=True):
        rows = correspondence[correspondence["level"] == level].set_index("metric").loc[names]
        panel.set_title(sentence_case(title.format(unit=unit)))
        name_lines(panel, [scales[name].label for name in names])
        panel.axvline(0, color=FAINT, linewidth=0.8)
        draw_estimates(
            panel,
            *(rows["shuffled"], rows["shuffled_low"], rows["shuffled_high"], places),
            label="shuffled partners",
            color=FAINT,
            marker="s",
            markersize=3,
        )
        look = {"label": "true partners", "color": COLOURS[0], "marker": "o", "markersize": 4.5}
        draw_estimates(panel, rows["value"], rows["low"], rows["high"], places, **look)
        panel.set_xlim(-1.05, 1.05)
    figure.supxlabel("Spearman's ρ with the published values", size=8)
    legend_above(figure, axes[0])
    return figure
