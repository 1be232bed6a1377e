"""Figures and sentences for notebooks; figures are also saved. The only module that needs IPython."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.display import HTML, Markdown

from semsim.figures.style import save_figure
from semsim.html.urls import data_url

if TYPE_CHECKING:
    import os

    import pandas as pd
    from matplotlib.figure import Figure


class Gallery:
    """Shows figures in a notebook and saves each as PNG and PDF.

    Parameters
    ----------
    folder : path-like
        Where figures are saved.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)

    def show(self, figure: Figure, name: str, alt: str) -> HTML:
        """Save a figure under a name and return it for display.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        name : str
            The name of the files, without a suffix.
        alt : str
            A description for those who cannot see the figure.
        """
        return self._image(save_figure(figure, self.folder / name), alt)

    def show_saved(self, name: str, alt: str) -> HTML:
        """Return a figure that an earlier stage saved, for display."""
        return self._image(self.folder / f"{name}.png", alt)

    def _image(self, path, alt):
        """Return a picture as HTML: nbconvert drops the alternative text of any other kind of output."""
        source = data_url("image/png", path.read_bytes())
        return HTML(f'<img src="{source}" alt="{html.escape(alt)}" style="width: 100%; max-width: 62rem">')


def show_table(rows: pd.DataFrame, decimals: int = 3) -> HTML:
    """Return a table for display, without its index; pandas' own styles would take ten times the space.

    Parameters
    ----------
    rows : pandas.DataFrame
    decimals : int
        Of numbers that are not whole.
    """
    text = rows.to_html(index=False, na_rep="–", float_format=lambda number: f"{number:.{decimals}f}", border=0)
    return HTML(text)


def say(sentences: list[str]) -> Markdown:
    """Return sentences as a list for display."""
    return Markdown("\n".join(f"- {sentence}" for sentence in sentences))
