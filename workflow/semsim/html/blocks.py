"""The building blocks of a page: paragraphs, lists, tables and pictures. The template draws each kind."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. Its text is escaped unless it is `Markup`."""

    text: str | Markup
    kind: str = "paragraph"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: list[str]
    kind: str = "points"


@dataclass(frozen=True)
class Verdicts:
    """A box of claims, and the rule for all. Each has a verdict, who, numbers and parts (`semsim.findings.claims`).

    The parts, with what became of each, are folded away.
    """

    claims: list
    rule: str
    kind: str = "verdicts"


@dataclass(frozen=True)
class Table:
    """A table for people: `frame` holds text, and the columns named in `numbers` are aligned to the right."""

    frame: pd.DataFrame
    caption: str
    numbers: tuple[str, ...] = ()
    kind: str = "table"

    @property
    def rows(self) -> list[list[tuple[str, str]]]:
        """The rows, each a list of pairs of a column's name and the cell's text."""
        return [list(zip(self.frame.columns, row, strict=True)) for row in self.frame.itertuples(index=False)]


@dataclass(frozen=True)
class Picture:
    """An embedded picture. `alt` describes it to those who cannot see it.

    It fills the text column, or has a `width` in inches and scrolls sideways where there is less room. A picture of
    kind "chart" shows no images of a data set.
    """

    source: str
    alt: str
    caption: str
    width: float | None = None
    kind: str = "picture"
