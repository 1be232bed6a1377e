"""The sources of the report's numbers and pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semsim.figures.pictures import chart
from semsim.io.tables import read_table
from semsim.results.study_tables import StudyTables

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from semsim.html.blocks import Picture


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Attributes
    ----------
    study : str
        The name of the study.
    tables : semsim.results.study_tables.StudyTables
    figures : pathlib.Path
        Folder with the ``*.png`` files.
    notebooks : list of pathlib.Path
        Pages of executed notebooks.
    spot_checks : list of pathlib.Path
        Tables of campaigns whose labels were compared with those of studies, maybe of this one
        (`semsim.labelling.comparing`).
    folder : pathlib.Path
        Where the report is written; links are relative to it.
    """

    study: str
    tables: StudyTables
    figures: Path
    notebooks: list[Path]
    spot_checks: list[Path]
    folder: Path

    def figure(self, name: str) -> Path:
        """Return the path of a figure by name, such as ``contact_sheet_glyphs``."""
        return self.figures / f"{name}.png"

    def chart(self, name: str, draw: Callable[[], Figure], alt: str, caption: str) -> Picture:
        """Return a chart as a picture: as a notebook saved it, or drawn now, which takes ten times as long.

        Parameters
        ----------
        name : str
            Of the figure that a notebook saves.
        draw : callable
            Draws the same chart.
        alt, caption : str
            As for `semsim.figures.pictures.chart`.
        """
        saved = self.figure(name)
        return chart(saved if saved.exists() else draw(), alt, caption)

    def spot_check(self, dataset: str, kind: str) -> pd.DataFrame:
        """Return how often those who were asked again agree with the annotators of the study, a row for each group."""
        checks = [read_table(path) for path in self.spot_checks]
        keys = {"study": self.study, "dataset": dataset, "study_kind": kind}
        found = [table[(table[list(keys)] == pd.Series(keys)).all(axis=1)] for table in checks if {*keys} <= {*table}]
        return pd.concat(found) if found else pd.DataFrame()

    def address(self, path: Path) -> str:
        """Return the address of a file as a link of the report."""
        return Path(os.path.relpath(path, self.folder)).as_posix()
