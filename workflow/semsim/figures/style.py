"""The style of all figures, and how they are written to files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from semsim.io.whole import written_whole

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from matplotlib.axes import Axes

COLOURS = [
    *("#0173b2", "#de8f05", "#029e73", "#cc78bc", "#56b4e9"),
    *("#ca9161", "#ece133", "#d55e00", "#949494", "#fbafe4"),
]
"""Seaborn's palette "colorblind", in an order in which neighbours differ clearly."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
INK, FAINT = "#222222", "#8a8a8a"
RANKS = "cividis"
"""Colour map of ranks: readable in greyscale print and by colour-blind people."""
RESOLUTION = 200  # dots per inch, of PNG files

# Seaborn's style "whitegrid" in its context "paper", where that differs from matplotlib's, and our changes. It takes
# longer to import seaborn than to draw most figures.
_TICKS = {"major.size": 4.8, "major.width": 1, "minor.size": 3.2, "minor.width": 0.8}
_STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.linewidth": 1,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "xtick.bottom": False,
    "ytick.left": False,
    **{f"{axis}tick.{part}": value for axis in "xy" for part, value in _TICKS.items()},
    "legend.title_fontsize": 9.6,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": FAINT,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "grid.color": "#e4e4e4",
    "text.color": INK,
    "text.parse_math": False,  # a "$" in the name of a class is a dollar
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "pdf.fonttype": 42,  # text stays text
    "image.composite_image": False,  # a PDF of many images is written ten times as fast
}


def styled(function: Callable) -> Callable:
    """Decorate a function that makes or writes a figure, so that the style applies only within it."""

    @functools.wraps(function)
    def within_style(*arguments, **named):
        with matplotlib.rc_context(_STYLE):
            return function(*arguments, **named)

    return within_style


def panels(
    count: int, width: float = 7.2, height: float = 2.4, columns: int = 3, **axes_settings
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` axes side by side, in rows of at most `columns`.

    Parameters
    ----------
    count : int
    width : float
        Of the whole figure, in inches: 7.2 fills a page.
    height : float
        Of each row, in inches.
    columns : int
    **axes_settings
        For `matplotlib.figure.Figure.subplots`, such as ``sharey=True``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **axes_settings).ravel()
    for spare in axes[count:]:
        spare.remove()
    for lowest in axes[max(0, count - columns) : count]:  # also above a removed one, whose labels they would share
        lowest.tick_params(labelbottom=True)
    return figure, list(axes[:count])


@styled
def write_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure whole or not at all; the suffix of `path` chooses the format, png or pdf."""
    no_time_stamp = {"CreationDate": None} if Path(path).suffix == ".pdf" else None  # the same figure, the same file
    with written_whole(path) as part:
        figure.savefig(part, dpi=RESOLUTION, metadata=no_time_stamp)


def save_figure(figure: Figure, stem: str | os.PathLike) -> Path:
    """Write a figure as PNG and PDF.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    stem : path-like
        The path without a suffix, which may contain dots.

    Returns
    -------
    pathlib.Path
        Of the PNG file.
    """
    stem = Path(stem)
    png, pdf = (stem.with_name(stem.name + suffix) for suffix in (".png", ".pdf"))
    # In this order: whatever is drawn first may move a little in the next, and the report shows what is in the PNG.
    write_figure(figure, png)
    write_figure(figure, pdf)
    return png
