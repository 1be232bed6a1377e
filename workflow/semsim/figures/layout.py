"""What charts have in common: named lines, intervals, and the legend above."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from semsim.figures.style import COLOURS, INK, MARKERS, panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

ROW = 0.26  # inches, of a line in a chart
TIGHT_ROW = 0.15  # the same if there are many
FEW_LINES = 24
CEILING_COLOUR = COLOURS[2]
ONE_ANNOTATOR = "one annotator (shaded: 95\u00a0% interval)"
LETTER = 0.066  # inches, of an average letter of labels


def row_height(lines: int) -> float:
    """Return the height in inches of each of `lines` lines: less if so many would not fit a page."""
    return float(np.interp(lines, (FEW_LINES, 2 * FEW_LINES), (ROW, TIGHT_ROW)))


def lines_of_targets(table: pd.DataFrame, height: float | None = None, **axes_settings) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per data set and one line per target model in each, in the order of the table.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns dataset and target.
    height : float, optional
        Height of a line, in inches.
    **axes_settings
        For `panels`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    datasets, targets = table["dataset"].unique(), table["target"].unique()
    height = height or row_height(len(targets))
    figure, axes = panels(len(datasets), height=0.95 + height * len(targets), sharey=True, **axes_settings)
    for panel, dataset in zip(axes, datasets, strict=True):
        panel.set_title(dataset)
        name_lines(panel, targets)
    return figure, axes


def name_lines(panel: Axes, names: Sequence[str]) -> None:
    """Give a panel one line per name, the first at the top, and a grid across them."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.grid(True, axis="x")
    panel.grid(False, axis="y")
    panel.tick_params(length=0)


def offsets(count: int, spread: float = 0.5) -> np.ndarray:
    """Return the positions of `count` marks on one line, relative to its middle."""
    return np.linspace(-spread / 2, spread / 2, count) if count > 1 else np.zeros(1)


def look_of(number: int) -> dict[str, object]:
    """Return the marker and colour of the n-th series of a chart, as settings of `matplotlib.axes.Axes.plot`."""
    place = number % len(COLOURS)
    return {"marker": MARKERS[place], "color": COLOURS[place], "markersize": 4.5}


def draw_estimates(
    panel: Axes, values: ArrayLike, lows: ArrayLike, highs: ArrayLike, places: ArrayLike, **look
) -> None:
    """Draw values with their intervals, each at its place on the vertical axis; NaN is left out.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
    values, lows, highs, places : array-like
        Shape [n].
    **look
        For `matplotlib.axes.Axes.plot`; `label` and `color` among them.
    """
    panel.hlines(places, lows, highs, color=look["color"], linewidth=1.1)
    panel.plot(values, places, linestyle="none", **look)


def draw_ceiling(panel: Axes, limit: pd.Series) -> None:
    """Draw how faithful one annotator is to the others, as a line within its interval; nothing where it is unknown.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
    limit : pandas.Series
        With value, low and high.
    """
    if np.isfinite(limit["value"]):
        panel.axvspan(limit["low"], limit["high"], color=CEILING_COLOUR, alpha=0.15, linewidth=0, zorder=0)
        panel.axvline(limit["value"], color=CEILING_COLOUR, linewidth=1.2, linestyle="--", label=ONE_ANNOTATOR)


def draw_model(panel: Axes, number: int, name: str, across: Sequence[float], up: Sequence[float]) -> None:
    """Draw a target model as a point with its own marker, with intervals on both axes.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
    number : int
        Of the target model in the study, which decides its look.
    name : str
    across, up : sequence of 3 floats
        The value on each axis, and the ends of its interval.
    """
    colour, fill = COLOURS[number % len(COLOURS)], {"markerfacecolor": "white"} if number >= len(COLOURS) else {}
    (x, left, right), (y, bottom, top) = across, up
    panel.hlines(y, left, right, color=colour, linewidth=0.7)
    panel.vlines(x, bottom, top, color=colour, linewidth=0.7)
    look = {"marker": MARKERS[number % len(MARKERS)], "color": colour, "markersize": 5, **fill}
    panel.plot(x, y, linestyle="none", label=name, **look)


def legend_above(figure: Figure, panel: Axes) -> None:
    """Move a panel's legend above all panels, in as few lines as possible."""
    handles, labels = panel.get_legend_handles_labels()
    if panel.get_legend():
        panel.get_legend().remove()
    widest = max(map(len, labels)) * LETTER + 0.5
    columns = min(len(labels), max(1, int(figure.get_figwidth() / widest)))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, labelcolor=INK)


def wrapped(label: str, width: int = 16) -> str:
    """Break a label between words into lines of at most `width` letters."""
    return textwrap.fill(label, width)
