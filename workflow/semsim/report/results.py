"""Where the report takes its numbers and pictures from."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from semsim.files import read_table


@dataclass(frozen=True)
class Results:
    """The outcome of a study.

    Attributes
    ----------
    study : str
        Its name.
    tables, figures : pathlib.Path
        Folders of ``*.csv`` and ``*.png``.
    notebooks : list of pathlib.Path
        Pages of executed notebooks.
    folder : pathlib.Path
        Where the report will lie.
    """

    study: str
    tables: Path
    figures: Path
    notebooks: list[Path]
    folder: Path

    def table(self, name):
        """Return a table by name, such as ``metrics``."""
        return _read_once(self.tables / f"{name}.csv").copy()

    def figure(self, name):
        """Return the path of a figure by name, such as ``contact_sheet_glyphs``."""
        return self.figures / f"{name}.png"

    def address(self, path):
        """Return the address of a file as a link of the report."""
        return Path(os.path.relpath(path, self.folder)).as_posix()


@cache
def _read_once(path):
    return read_table(path)
