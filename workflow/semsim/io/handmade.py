"""Tables that people make, with any editor or spreadsheet: errors in them are described in words.

Stages write what `semsim.io.tables` reads, in parts and with inferred types. Here every field is text, in the line that
the file has it in.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pandas as pd

from semsim.errors import SemsimError
from semsim.io.texts import read_text, save_as
from semsim.text import counted, first_few, shortened

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import numpy as np

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TABLE = "CSV table, separated by commas,"
HEADER_LINE = 1
FIRST_LINE = 2
"""The line of a table's first row, if no field before it has a line break."""


def read_rows(path: str | os.PathLike, needed: Sequence[str]) -> pd.DataFrame:
    """Read a table of values separated by commas that somebody typed or exported.

    Parameters
    ----------
    path : path-like
        A CSV file as `read_text` takes it; the first line has the names of the columns.
    needed : sequence of str
        Columns that it must have.

    Returns
    -------
    pandas.DataFrame
        All columns as text without spaces around it, empty where nothing is given. Empty lines are left out. The index
        is the line of each row, counted from `FIRST_LINE`, for `line_of`.

    Raises
    ------
    SemsimError
        As for `read_text`, and if values are separated by something else, a row has a field too many or too few, quotes
        are not closed, or a column is missing or there twice.
    """
    text = read_text(path, TABLE)
    if not text.strip():
        raise SemsimError(f"{path}: empty. Its first line names the columns: {','.join(needed)}.")
    if not text.endswith(("\n", "\r")):
        raise SemsimError(f"{path}: truncated, its last line has no line break. End that line if nothing is missing.")
    (_, header), *rows = _fields(path, text)
    _check_header(path, header, needed)
    wrong = [f"{line} ({len(fields)})" for line, fields in rows if len(fields) != len(header)]
    if wrong:
        raise SemsimError(
            f"{path}: rows that do not have {counted(len(header), 'fields')}. See line {first_few(wrong)}."
            " A comma inside a field needs quotes around it."
        )
    lines = [line - FIRST_LINE for line, _ in rows]
    return pd.DataFrame([fields for _, fields in rows], columns=header, index=lines, dtype="str")


def _fields(path, text):
    """Return the number of the first line and the fields of each row that is not empty."""
    reader, rows, line = csv.reader(io.StringIO(text, newline=""), strict=True), [], HEADER_LINE
    try:
        for fields in reader:
            if fields:
                rows.append((line, [field.strip() for field in fields]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise SemsimError(
            f"{path}: line {line} cannot be divided into fields ({error}). Quotes must enclose a whole field, and are"
            " doubled inside it."
        ) from None
    return rows


def _check_header(path, header, needed):
    """Refuse a header that lacks a column, and say which separator it has if that is not the comma."""
    found = max(SEPARATORS, key=header[0].count)
    if len(header) == 1 and found in header[0]:
        raise SemsimError(f"{path}: its columns are separated by {SEPARATORS[found]}. {save_as(TABLE)}")
    if missing := [name for name in needed if name not in header]:
        raise SemsimError(f"{path}: columns {', '.join(missing)} are missing. Needed are {', '.join(needed)}.")
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise SemsimError(f"{path}: duplicate columns: {first_few(twice)}. Rename one of each.")


def line_of(row: int) -> int:
    """Return the line of a row by its label in the index, that of `read_rows` or 0, 1, 2 and so on."""
    return row + FIRST_LINE


def value_of(field: str) -> int | float | str | None:
    """Return what a field says: a number, None if it is empty, else its text.

    Examples
    --------
    >>> value_of("7"), value_of("-1.5"), value_of(""), value_of("1,5"), value_of("nan")
    (7, -1.5, None, '1,5', 'nan')
    """
    if not field:
        return None
    if not set(field) <= set("0123456789+-.eE"):
        return field
    try:
        return int(field) if len(field) < 19 and set(field) <= set("0123456789+-") else float(field)
    except ValueError:
        return field


def values_of(column: pd.Series) -> pd.Series:
    """Return what the fields of a column say, as `value_of` each distinct one."""
    return column.map({field: value_of(field) for field in column.unique()})


def plain(value: object) -> object:
    """Return a value of a column as JSON has it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def problem_in(table: pd.DataFrame, wrong: pd.Series | np.ndarray, column: str, what: str) -> Iterator[str]:
    """Yield one sentence about the rows of a table that are wrong, if any, with their lines and values.

    Parameters
    ----------
    table : pandas.DataFrame
        As read from a CSV file: its index says in which lines.
    wrong : pandas.Series or numpy.ndarray
        bool, one value per row.
    column : str
        The column in which they are wrong.
    what : str
        What is wrong.
    """
    rows = table.index[wrong]
    if len(rows):
        lines = [f"{line_of(row)} ({_shown(table.at[row, column])})" for row in rows]
        yield f"{column}: {what}. See line {first_few(lines)}."


def _shown(value):
    """Write a value as in the file."""
    value = plain(value)
    return "empty" if value is None else shortened(repr(value))
