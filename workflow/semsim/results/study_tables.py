"""The tables of a finished study, by name: what notebooks and the report read."""

from functools import cached_property
from pathlib import Path

from semsim.io.tables import read_table
from semsim.metrics.scales import scales_of


class StudyTables:
    """Reads a table of a study each time that it is asked for: together they may take much memory.

    Parameters
    ----------
    folder : path-like
        ``results/<study>/tables``, or ``results/reference/<study>/tables``.

    Examples
    --------
    ``StudyTables("results/demo/tables")["faithfulness"]`` is ``results/demo/tables/faithfulness.csv`` as a data frame.
    """

    def __init__(self, folder):
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
        """Tell whether the study has a table: not every study has every one."""
        return self.path(name).is_file()

    def path(self, name):
        """Return the file of a table: CSV, or Parquet, as which a reference keeps large ones."""
        parquet = self.folder / f"{name}.parquet"
        return parquet if parquet.is_file() else self.folder / f"{name}.csv"

    def of_kind(self, name, kind):
        """Return the rows of a table that are about one kind of annotators."""
        table = self[name]
        return table[table["kind"] == kind]

    @cached_property
    def kinds(self):
        """The kinds of annotators that labelled the study's reconstructions."""
        return list(self["recognition"]["kind"].unique())

    @cached_property
    def scales(self):
        """How to read each metric (`semsim.metrics.scales.Scales`)."""
        return scales_of(self["scales"])
