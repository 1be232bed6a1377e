"""The tables of a finished study by name, as read by notebooks and the report."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.io.tables import read_table
from semsim.metrics.scales import scales_of
from semsim.statistics.baselines import BASELINES

if TYPE_CHECKING:
    import os

    import pandas as pd

    from semsim.metrics.scales import Scales


class StudyTables:
    """Reads a study's tables on every access, because together they may take much memory.

    Parameters
    ----------
    folder : path-like
        ``results/<study>/tables``, or ``results/reference/<study>/tables``.

    Examples
    --------
    ``StudyTables("results/demo/tables")["faithfulness"]`` is ``results/demo/tables/faithfulness.csv`` as a data frame.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)

    def __getitem__(self, name):
        """Return a table, such as ``metrics``.

        Raises
        ------
        SemsimError
            If there is no such table, or it cannot be read.
        """
        return read_table(self.path(name))

    def __contains__(self, name):
        """Return whether the study has a table; not every study has all of them."""
        return self.path(name).is_file()

    def path(self, name: str) -> Path:
        """Return the path of a table: a CSV file, or Parquet, in which references keep large ones."""
        parquet = self.folder / f"{name}.parquet"
        return parquet if parquet.is_file() else self.folder / f"{name}.csv"

    def of_kind(self, name: str, kind: str) -> pd.DataFrame:
        """Return the rows of a table for one kind of annotators."""
        table = self[name]
        return table[table["kind"] == kind]

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of annotators that labelled the study's reconstructions."""
        return list(self["recognition"]["kind"].unique())

    @cached_property
    def scales(self) -> Scales:
        """How to read each metric (`semsim.metrics.scales.Scales`), and the trivial baselines beside them."""
        return scales_of(self["scales"]) | BASELINES
