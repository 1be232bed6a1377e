"""What a section of the report is made of: paragraphs, lists, tables and figures. The template draws each kind."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from semsim.errors import SemsimError
from semsim.figures.style import RESOLUTION, data_url, svg_of


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. Text is escaped unless it is `Markup`."""

    text: str | Markup
    kind: str = "paragraph"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: list[str]
    kind: str = "points"


@dataclass(frozen=True)
class Table:
    """A table as people read it: `frame` holds text; the columns named in `numbers` are aligned to the right."""

    frame: pd.DataFrame
    caption: str
    numbers: tuple[str, ...] = ()
    kind: str = "table"

    @property
    def rows(self):
        """Rows of pairs: the column's name and the cell's text."""
        return [list(zip(self.frame.columns, row, strict=True)) for row in self.frame.itertuples(index=False)]


@dataclass(frozen=True)
class Picture:
    """A picture inside the page. `alt` says what it shows to those who cannot see it.

    It fills the column of text, or has a `width` in inches and is scrolled sideways where there is less room.
    """

    source: str
    alt: str
    caption: str
    width: float | None = None
    kind: str = "picture"


def chart(figure, alt, caption):
    """Return a matplotlib figure as a picture that stays sharp at every size."""
    return Picture(data_url("image/svg+xml", svg_of(figure)), alt, caption)


def picture_of_file(path, alt, caption):
    """Return a PNG file as a picture of the size that it was drawn for.

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
