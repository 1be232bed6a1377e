"""The folder of an audit: it belongs to one audit, which resumes in it, and to one process at a time."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from semsim.auditing.settings import Length
from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.io.whole import write_text
from semsim.names import printable
from semsim.text import first_few, listed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

ABOUT = "audit.json"
"""The file that says what an audit is of."""
LENGTH = "the length"
"""What the length of its searches is called there."""
MOST_BYTES = 2**20
LOCK = ".lock"


def read_length(folder: str | os.PathLike) -> Length | None:
    """Return the length of the audit that was started in a folder, None if none was.

    It was chosen by how fast the machine was then. Whoever resumes the audit does not choose again.

    Raises
    ------
    SemsimError
        If the folder holds other things, or what it says is damaged.
    """
    if (known := _read_about(folder)) is None:
        return None
    try:
        return Length(*map(int, known[LENGTH]))
    except (KeyError, TypeError, ValueError):
        raise _damaged(folder) from None


def check_folder(folder: str | os.PathLike, about: dict) -> None:
    """Refuse a folder that an audit cannot use; nothing is written.

    Parameters
    ----------
    folder : path-like
        A new or empty one, or one that holds a part of the same audit.
    about : dict
        Everything that decides the results, by what it is called, `LENGTH` included; what JSON can represent. Where
        options (``--...``) differ, nothing else is named: the rest may follow from them.

    Raises
    ------
    SemsimError
        If it holds other things, or another audit.
    """
    if (known := _read_about(folder)) is None:
        return
    differing = [name for name in about if known.get(name) != json.loads(json.dumps(about[name]))]
    if differing:
        differing = [name for name in differing if name.startswith("--")] or differing
        raise SemsimError(
            f"--out: {printable(folder)} holds another audit, of which {listed(differing)} differed. Choose a new"
            " folder."
        )


def _read_about(folder):
    """Return what a folder says of the audit in it; None if it is new or empty."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SemsimError(f"--out: {printable(folder)} is a file. Choose a new folder.")
    if not (folder / ABOUT).exists():
        if folder.exists() and (found := sorted(each.name for each in folder.iterdir() if each.name != LOCK)):
            names = printable(first_few(found, 3))
            raise SemsimError(f"--out: {printable(folder)} holds other files ({names}). Choose a new or empty folder.")
        return None
    try:
        known = json.loads(read_file(folder / ABOUT, MOST_BYTES))
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        raise _damaged(folder)
    return known


def _damaged(folder):
    return SemsimError(f"--out: {printable(Path(folder) / ABOUT)} is damaged. Choose a new folder.")


@contextmanager
def claimed(folder: str | os.PathLike, about: dict) -> Iterator[Path]:
    """Keep a folder for one process within the block.

    Parameters
    ----------
    folder, about
        As for `check_folder`.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    SemsimError
        As `check_folder`, or if another process is at work in it.
    """
    folder = Path(folder)
    check_folder(folder, about)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=0)  # the system lets go of it when the process ends
    except Timeout:
        place = printable(folder)
        raise SemsimError(f"--out: another audit is running in {place}. Wait for it or stop it.") from None
    with lock:
        check_folder(folder, about)
        if not (folder / ABOUT).exists():
            write_text(json.dumps(about, indent=1) + "\n", folder / ABOUT)
        yield folder
