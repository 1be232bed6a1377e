"""The folder of an audit: it belongs to one audit, which resumes in it, and to one process at a time."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.io.whole import written_whole
from semsim.text import first_few, listed, printable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

ABOUT = "audit.json"
"""The file that says what an audit is of."""
MOST_BYTES = 2**20
LOCK = ".lock"


def check_folder(folder: str | os.PathLike, about: dict) -> None:
    """Refuse a folder that an audit cannot use; nothing is written.

    Parameters
    ----------
    folder : path-like
        A new or empty one, or one that holds a part of the same audit.
    about : dict
        Everything that decides the results, by what it is called; what JSON can represent. Where options (``--...``)
        differ, nothing else is named: the rest may follow from them.

    Raises
    ------
    SemsimError
        If it holds other things, or another audit.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SemsimError(f"--out: {printable(folder)} is a file. Name a new folder.")
    if (folder / ABOUT).exists():
        _check_same(folder, about)
    elif folder.exists() and (found := sorted(each.name for each in folder.iterdir() if each.name != LOCK)):
        names = printable(first_few(found, 3))
        raise SemsimError(f"--out: {printable(folder)} holds other things ({names}). Name a new or empty folder.")


def _check_same(folder, about):
    """Refuse the folder of another audit, and say what differs."""
    try:
        known = json.loads(read_file(folder / ABOUT, MOST_BYTES))
        differing = [name for name in about if known.get(name) != json.loads(json.dumps(about[name]))]
    except (ValueError, AttributeError, RecursionError):
        place = printable(folder / ABOUT)
        raise SemsimError(f"--out: {place} is damaged. Name a new folder.") from None
    if differing:
        differing = [name for name in differing if name.startswith("--")] or differing
        raise SemsimError(
            f"--out: {printable(folder)} holds another audit, of which {listed(differing)} differed. Name a new folder."
        )


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
        raise SemsimError(f"--out: another audit is at work in {place}. Wait for it or stop it.") from None
    with lock:
        check_folder(folder, about)
        if not (folder / ABOUT).exists():
            with written_whole(folder / ABOUT) as part:
                part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        yield folder
