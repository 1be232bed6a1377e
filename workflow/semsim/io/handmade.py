"""Texts and tables that people make, with any editor or spreadsheet: what is wrong with them is named in words.

Stages write what `semsim.io.tables` reads, in parts and with inferred types. Here every field is text, in the line that
the file has it in.
"""

from __future__ import annotations

import codecs
import csv
import io
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semsim.errors import SemsimError
from semsim.text import composed, counted, first_few

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

LARGEST = 2**28
"""Bytes of the largest file that is read: millions of labels."""
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32 text",  # begins like that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32 text",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": "a workbook of a spreadsheet, or another archive",
}
"""What files are that begin with these bytes."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TABLE = "CSV table"
HEADER_LINE = 1
FIRST_LINE = 2
"""The line of a table's first row, if no field before it has a line break."""


def read_text(path: str | os.PathLike, what: str = "text") -> str:
    """Read a text that somebody typed.

    Parameters
    ----------
    path : path-like
        A file in UTF-8, with or without a byte order mark.
    what : str
        What it is, for messages.

    Returns
    -------
    str
        Without the mark, and with composed characters (NFC). Line breaks are as in the file.

    Raises
    ------
    SemsimError
        If it is missing, not a file, too large, or in another encoding, which is named as far as it can be known.
    """
    content = _content(Path(path), what)
    if found := [name for mark, name in MARKS.items() if content.startswith(mark)]:
        raise SemsimError(f"{path}: {found[0]}. {_save_as(what)}")
    if 0 in content:
        found = "UTF-16 text" if content.count(0) > len(content) / 4 else "a text with a NUL byte"
        raise SemsimError(f"{path}: {found}, in line {_line_of(content, content.index(0))}. {_save_as(what)}")
    try:
        return composed(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SemsimError(f"{path}: not UTF-8 but {_guessed(content, error.start)}. {_save_as(what)}") from None


def _content(path, what):
    """Read the bytes of a file; pipes and devices, which might never end, are none."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise SemsimError(f"{path}: a folder, pipe or device, where a {what} is needed. Give a file there.")
        if about.st_size > LARGEST:
            raise SemsimError(f"{path}: {about.st_size:,} bytes, more than {LARGEST:,}. Divide it into several.")
        return path.read_bytes()
    except FileNotFoundError:
        raise SemsimError(f"{path}: no such {what.removeprefix('CSV ')}. Put it there, or correct the path.") from None
    except (OSError, ValueError) as error:  # ValueError for a NUL in a path
        raise SemsimError(f"{path}: cannot be read ({getattr(error, 'strerror', error)}).") from None


def _guessed(content, place):
    """Name the encoding that a text which is not UTF-8 may have, by the line that shows it."""
    start, end = (content.rfind(b"\n", 0, place) + 1), content.find(b"\n", place)
    line = content[max(start, place - 10) : end if end >= 0 else len(content)][:20]
    try:
        word = line.decode("cp1252")
    except UnicodeDecodeError:
        return f"of another encoding: see line {_line_of(content, place)}"
    return f"probably Latin-1 or Windows-1252, in which line {_line_of(content, place)} has {word.strip()!r}"


def _line_of(content, place):
    """Return the number of the line in which a byte is."""
    return len((content[:place] + b".").splitlines())


def _save_as(what):
    how = ", separated by commas," if what == TABLE else ""
    return f"Open it where it was made, and save it as {what}{how} in UTF-8."


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
            f"{path}: line {line} cannot be divided into fields ({error}). Quotes stand around a whole field, and are"
            " doubled inside it."
        ) from None
    return rows


def _check_header(path, header, needed):
    """Refuse a header that lacks a column, and say which separator it has if that is not the comma."""
    found = max(SEPARATORS, key=header[0].count)
    if len(header) == 1 and found in header[0]:
        raise SemsimError(f"{path}: its columns are separated by {SEPARATORS[found]}. {_save_as(TABLE)}")
    if missing := [name for name in needed if name not in header]:
        raise SemsimError(f"{path}: columns {', '.join(missing)} are missing. Needed are {', '.join(needed)}.")
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise SemsimError(f"{path}: columns that are there twice: {first_few(twice)}. Rename one of each.")


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
