"""Tables passed between stages as CSV or Parquet: written whole, read in parts."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semsim.errors import SemsimError
from semsim.io.whole import written_whole
from semsim.names import CONTROLS, NO_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pd.set_option("mode.string_storage", "python")  # names repeat: sharing one string takes less memory than Arrow's copies

KEYS = ["dataset", "target", "attack", "original"]
"""The columns that identify a reconstruction."""
NAMES = dict.fromkeys(("dataset", "target", "attack", "image", "annotator"), "str")
"""The columns that hold names: always text, even if all names in a file, or in a part of it, look like numbers."""
ROWS_AT_ONCE = 2000
"""Rows that are read or written at once."""


def write_table(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a data frame without its index as CSV or Parquet, depending on the suffix of `path`."""
    path = Path(path)
    with written_whole(path) as part:
        if path.suffix == ".parquet":
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, index=False, lineterminator="\n", chunksize=ROWS_AT_ONCE)


def write_for_people(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a data frame like `write_table`, so that opening it as CSV runs nothing.

    In CSV, text that a spreadsheet would compute gets an apostrophe in front, also behind a separator that some
    spreadsheets take, as does text that would be read as no value, such as "None"; and control characters, which a
    terminal would obey, are written as escapes. In Parquet, text stays as it is.
    """
    if Path(path).suffix != ".parquet":
        texts = {name: column.map(_inert, na_action="ignore") for name, column in table.select_dtypes("str").items()}
        table = table.assign(**texts)
    write_table(table, path)


def _inert(text):
    """Return a text that is not computed and not lost, whatever opens it."""
    if text and text.strip().lower() in NO_VALUES:
        return f"'{text}"
    return re.sub(r"(^|[;,|]|\\[tnr])(\s*)(?=[=+\-@＝＋－＠])", r"\1\2'", text.translate(CONTROLS))


@contextmanager
def appending(path: str | os.PathLike) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write data frames with the same columns below each other into one CSV file, holding only one at a time.

    Parameters
    ----------
    path : path-like
        The file to write.

    Yields
    ------
    callable
        Call it with each data frame. It raises a SemsimError if the columns differ from those of the first.
    """
    columns = None
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:

        def append(table):
            nonlocal columns
            if columns is not None and columns != [*table]:
                raise SemsimError(
                    f"{path}: its parts have different columns. Create them again with the same settings."
                )
            table.to_csv(file, index=False, header=columns is None, lineterminator="\n", chunksize=ROWS_AT_ONCE)
            columns = [*table]

        yield append


def append_tables(tables: Iterable[pd.DataFrame], path: str | os.PathLike) -> None:
    """Write all data frames of an iterable with `appending`."""
    with appending(path) as append:
        for table in tables:
            append(table)


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read a data frame written by `write_table`.

    Raises
    ------
    SemsimError
        If the file is missing, truncated or not a readable table.
    """
    path = Path(path)
    with _readable(path):
        known = {}
        table = pd.concat((_sharing_strings(part, known) for part in _parts(path)), ignore_index=True)
        if path.suffix == ".csv" and table.dtypes.eq("object").any():
            # A column that is empty or numeric in some parts only: infer its type from all rows.
            return pd.read_csv(path, dtype=NAMES, low_memory=False)
        return table


def read_parts(path: str | os.PathLike) -> Iterator[pd.DataFrame]:
    """Read a table like `read_table`, but in parts, so that it is never held in memory as a whole.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    pandas.DataFrame
        At least one, even if it has no rows. For a CSV file, types are inferred for each part; names are text.

    Raises
    ------
    SemsimError
        As for `read_table`.
    """
    path = Path(path)
    with _readable(path):
        yield from _parts(path)


@contextmanager
def _readable(path):
    """Turn errors from reading a table into errors that people can act on."""
    try:
        yield
    except FileNotFoundError:
        raise SemsimError(f"{path}: no such table. Run the stage that writes it first.") from None
    except (ValueError, OSError) as error:
        raise SemsimError(
            f"{path}: not a readable table ({error}). If a stage wrote it, delete it and run again; if you wrote it,"
            " correct it."
        ) from None


def _parts(path):
    """Yield parts of a table: parsing takes ten times the memory of the result."""
    return _parquet_parts(path) if path.suffix == ".parquet" else _csv_parts(path)


def _parquet_parts(path):
    """Yield parts of a Parquet file."""
    from pyarrow.parquet import ParquetFile  # slow to import, and most tables are CSV files

    with ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().to_pandas()
        for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
            yield batch.to_pandas()


def _csv_parts(path):
    """Yield parts of a CSV file."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read() not in (b"", b"\n"):  # pandas would silently pad the last row
            raise SemsimError(
                f"{path}: truncated, its last line has no line break. If a stage wrote it, delete it and run again; if"
                " you wrote it, end that line."
            )
    with pd.read_csv(path, dtype=NAMES, chunksize=ROWS_AT_ONCE) as parts:
        yield from parts


def _sharing_strings(table, known):
    """Return a table in which equal strings are one object: names repeat, and take more memory than the numbers."""
    shared = {
        name: column.map(lambda text: known.setdefault(text, text))
        for name, column in table.select_dtypes("str").items()
    }
    return table.assign(**shared)
