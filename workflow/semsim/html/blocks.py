"""What a section of the report is made of: paragraphs, lists, tables and figures. The template draws each kind."""

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup


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
