"""Figures as pictures on an HTML page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from semsim.errors import SemsimError
from semsim.figures.style import RESOLUTION, styled
from semsim.html.blocks import Picture
from semsim.html.urls import data_url

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure


COLOURS = 64
"""Of a chart: enough for smooth edges of lines and letters."""
QUALITY = 60
"""Of pictures on a page, from 0 to 100; the files beside it lose nothing."""
SMALLER = 2
"""How many times smaller than in their files pictures on a page are, on each side: about a pixel of a screen each."""


def chart(figure: Figure | Path, alt: str, caption: str) -> Picture:
    """Return a matplotlib figure, or the PNG file of one, as a picture.

    It is in pixels, which take a third of the bytes of a vector picture.
    """
    drawn = figure if isinstance(figure, Path) else _png_of(figure)
    return Picture(data_url("image/webp", _webp_of(drawn)), alt, caption, kind="chart")


@styled
def _png_of(figure: Figure) -> io.BytesIO:
    """Return what `semsim.figures.style.write_figure` writes to a PNG file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=RESOLUTION)
    return drawn


def _webp_of(drawn: Path | io.BytesIO) -> bytes:
    """Return a PNG file as the bytes of a WebP file, with sharp edges and at most `COLOURS` colours."""
    small = io.BytesIO()
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.convert("RGB").save(small, "webp", lossless=True)
    return small.getvalue()


def picture_of_file(path: str | os.PathLike, alt: str, caption: str) -> Picture:
    """Return a PNG file as a picture of the size for which it was drawn, in a fraction of the bytes.

    Raises
    ------
    SemsimError
        If the file is missing.
    """
    small = io.BytesIO()
    try:
        with Image.open(path) as picture:
            picture.convert("RGB").reduce(SMALLER).save(small, "webp", quality=QUALITY)
            pixels = picture.width
    except FileNotFoundError:
        raise SemsimError(f"{path}: no such figure. Run the stage that draws it first.") from None
    return Picture(data_url("image/webp", small.getvalue()), alt, caption, width=pixels / RESOLUTION)
