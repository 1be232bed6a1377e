"""Figures as pictures on an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.figures.style import RESOLUTION, svg_of
from semsim.html.blocks import Picture
from semsim.html.urls import data_url

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure


def chart(figure: Figure, alt: str, caption: str) -> Picture:
    """Return a matplotlib figure as a vector picture, sharp at every size."""
    return Picture(data_url("image/svg+xml", svg_of(figure)), alt, caption)


def picture_of_file(path: str | os.PathLike, alt: str, caption: str) -> Picture:
    """Return a PNG file as a picture of the size for which it was drawn.

    Raises
    ------
    SemsimError
        If the file is missing.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise SemsimError(f"{path}: no such figure. Run the stage that draws it first.") from None
    pixels = int.from_bytes(content[16:20], "big")  # the width in a PNG file's header
    return Picture(data_url("image/png", content), alt, caption, width=pixels / RESOLUTION)
