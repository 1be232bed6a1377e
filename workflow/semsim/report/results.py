"""Where the report takes its numbers and pictures from."""

import os
from dataclasses import dataclass
from pathlib import Path

from semsim.results.study_tables import StudyTables


@dataclass(frozen=True)
class Results:
    """The outcome of a study.

    Attributes
    ----------
    study : str
        Its name.
    tables : semsim.results.study_tables.StudyTables
    figures : pathlib.Path
        Folder of ``*.png``.
    notebooks : list of pathlib.Path
        Pages of executed notebooks.
    folder : pathlib.Path
        Where the report will lie.
    """

    study: str
    tables: StudyTables
    figures: Path
    notebooks: list[Path]
    folder: Path

    def figure(self, name):
        """Return the path of a figure by name, such as ``contact_sheet_glyphs``."""
        return self.figures / f"{name}.png"

    def address(self, path):
        """Return the address of a file as a link of the report."""
        return Path(os.path.relpath(path, self.folder)).as_posix()
