"""Heat maps of symmetric pairwise matrices, of which only one half is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb

from semsim.figures.layout import LETTER, ROW, row_height, wrapped
from semsim.figures.style import FAINT, INK, panels

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MOST_WRITTEN = 14
"""With more items than this, the numbers would be too small to read, and only colours are drawn."""
CELL = 0.42  # inches that a number needs
TEXT = 6.5  # points


def matrix_of_pairs(
    table: pd.DataFrame, names: list, value: str, columns: tuple[str, ...], mirrored: int = 1
) -> pd.DataFrame:
    """Arrange a table of pairs as a matrix.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per pair.
    names : list
        What the pairs are of: the rows and columns of the matrix.
    value : str
        The column that goes into the cells.
    columns : tuple of str
        The columns that hold the first and the second item of a pair. The first is a cell's row.
    mirrored : {1, -1}
        The value of the pair (b, a) as a multiple of that of (a, b).

    Returns
    -------
    pandas.DataFrame
        NaN on the diagonal and where there is no such pair.
    """
    one_way = table.pivot(index=columns[0], columns=columns[1], values=value).astype(float)
    one_way = one_way.reindex(index=names, columns=names)
    return one_way.fillna(mirrored * one_way.T)


def triangles(count: int, names: list[str], columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, each wide enough for a matrix of the named items.

    Parameters
    ----------
    count : int
    names : list of str
    columns : int
        At most this many panels side by side.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    written = len(names) <= MOST_WRITTEN
    label = min(1.2, LETTER * max(len(name) for name in names))
    width = label + CELL * (len(names) - 1) if written else 2.4
    lines = len(names) - 1
    height = 0.45 + 0.75 * label + lines * (ROW if written else row_height(lines) * 0.6)
    return panels(count, height=max(height, 1.5), columns=max(1, min(columns, int(7.2 / width))))


def draw_triangle(
    panel: Axes,
    values: pd.DataFrame,
    labels: list[str],
    write: Callable,
    colours: Colormap | str,
    limits: tuple[float, ...],
    bold: pd.DataFrame | None = None,
) -> QuadMesh:
    """Draw the values of all pairs of items as coloured cells below the diagonal of a matrix.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
    values : pandas.DataFrame
        Square, by name; only the part below the diagonal is read. NaN is an empty cell with a dash.
    labels : list of str
        What the rows and columns are called.
    write : callable
        Turns a value into text.
    colours : matplotlib.colors.Colormap or str
    limits : tuple of float
        The values of the first and the last colour.
    bold : pandas.DataFrame, optional
        Which numbers are bold.

    Returns
    -------
    matplotlib.collections.QuadMesh
        For a colour bar.
    """
    size = len(values)
    cells = values.to_numpy(dtype=float)[1:, :-1]
    strong = np.zeros(cells.shape, dtype=bool) if bold is None else bold.to_numpy(dtype=bool)[1:, :-1]
    above = np.triu(np.ones(cells.shape, dtype=bool), 1)
    shown = np.ma.masked_where(above | np.isnan(cells), cells)
    mesh = panel.pcolormesh(shown, cmap=colours, vmin=limits[0], vmax=limits[1], edgecolor="white", linewidth=0.8)
    if size <= MOST_WRITTEN:
        for row, column in zip(*np.nonzero(~above), strict=True):
            value = cells[row, column]
            text, ink = ("–", FAINT) if np.isnan(value) else (write(value), _ink_on(mesh.to_rgba(value)))
            look = {"size": TEXT, "ha": "center", "va": "center", "weight": "bold" if strong[row, column] else "normal"}
            panel.text(column + 0.5, row + 0.5, text, color=ink, **look)
    ticks = np.arange(0, size - 1, max(1, size // 25))
    upright = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    panel.set_xticks(ticks + 0.5, [wrapped(labels[tick]) for tick in ticks], linespacing=0.9, **upright)
    panel.set_yticks(ticks + 0.5, [wrapped(labels[tick + 1]) for tick in ticks], linespacing=0.9)
    panel.set(xlim=(0, size - 1), ylim=(size - 1, 0))
    panel.tick_params(length=0, pad=2)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    return mesh


def _ink_on(colour):
    """Return a text colour that is readable on another colour."""
    red, green, blue = to_rgb(colour)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.45 else "white"
