"""Texts that people make, with any editor: errors in them are described in words."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.names import composed

if TYPE_CHECKING:
    import os

LARGEST = 2**28
"""Bytes of the largest file that is read: millions of labels."""
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32 text",  # begins like that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32 text",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": "a spreadsheet workbook, or another archive",
}
"""What files are that begin with these bytes."""


def read_text(path: str | os.PathLike, what: str = "text", most: int = LARGEST) -> str:
    """Read a text that somebody typed, with composed characters (NFC); the rest is as for `read_verbatim`."""
    return composed(read_verbatim(path, what, most))


def read_verbatim(path: str | os.PathLike, what: str = "text", most: int = LARGEST) -> str:
    """Read a text that somebody typed, as it is.

    Parameters
    ----------
    path : path-like
        A file in UTF-8, with or without a byte order mark.
    what : str
        What it should be saved as, for messages.
    most : int
        Largest accepted size in bytes.

    Returns
    -------
    str
        Without the mark. Line breaks are as in the file.

    Raises
    ------
    SemsimError
        As for `semsim.io.folders.read_file`, and if it is in another encoding, which is named as far as it can be
        known.
    """
    content = read_file(path, most)
    if found := [name for mark, name in MARKS.items() if content.startswith(mark)]:
        raise SemsimError(f"{path}: {found[0]}. {save_as(what)}")
    if 0 in content:
        found = "UTF-16 text" if content.count(0) > len(content) / 4 else "a text with a NUL byte"
        raise SemsimError(f"{path}: {found}, in line {_line_of(content, content.index(0))}. {save_as(what)}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SemsimError(f"{path}: not UTF-8 but {_guessed(content, error.start)}. {save_as(what)}") from None


def read_names(path: str | os.PathLike) -> list[str]:
    """Read names from a text, one per line; empty lines are left out. The rest is as for `read_text`."""
    return [line.strip() for line in read_text(path, "names, one per line,").splitlines() if line.strip()]


def save_as(what: str) -> str:
    """Return how to bring a file into the form that is read."""
    return f"Open it where it was made, and save it as {what} in UTF-8."


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
