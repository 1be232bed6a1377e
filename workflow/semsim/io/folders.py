"""Folders that people give: each walked once, whatever its links do, and files read that really are files."""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from typing import NamedTuple

from semsim.errors import SemsimError
from semsim.names import printable
from semsim.text import first_few


class Tree(NamedTuple):
    """What lies below a folder; all paths are relative to it, with "/" as separator.

    Attributes
    ----------
    files : list of str
        Regular files, also those that links lead to, sorted by the parts of their paths.
    folders : list of str
        Folders, sorted in the same way.
    skipped : dict of str to str
        What cannot be entered or read, in the same order, and why.
    """

    files: list[str]
    folders: list[str]
    skipped: dict[str, str]


def walk(folder: str | os.PathLike) -> Tree:
    """List what lies below a folder, at any depth.

    Links are followed. Each real folder is listed once, so links may form loops: a folder inside goes by its own name,
    and one outside by the first of the shortest names that lead to it. Names that begin with a dot are ignored.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    Tree
        The same for the same files, in whatever order the system returns them.

    Raises
    ------
    SemsimError
        If `folder` itself is not a folder or cannot be read.
    """
    tree, names = Tree([], [], {}), {}
    own, linked = deque([""]), deque()
    while own or linked:
        name = (own or linked).popleft()  # links last, so that they add only what is found nowhere else
        try:
            first = names.setdefault(_identity(os.path.join(folder, name)), name)
            entries = _entries(folder, name) if first == name else {}
        except OSError as error:
            if not name:
                raise SemsimError(f"{folder}: cannot be read as a folder ({error.strerror}).") from None
            tree.skipped[name] = f"cannot be read: {error.strerror}"
            continue
        if first != name:
            tree.skipped[name] = f"the same folder as {first or os.fspath(folder)}"
            continue
        tree.folders.append(name)
        for inside, entry in entries.items():
            kind = _kind(entry)
            if kind == "folder":
                (linked if entry.is_symlink() else own).append(inside)
            elif kind == "file":
                tree.files.append(inside)
            else:
                tree.skipped[inside] = kind
    skipped = {name: tree.skipped[name] for name in sorted(tree.skipped, key=_parts)}
    return Tree(sorted(tree.files, key=_parts), sorted(tree.folders[1:], key=_parts), skipped)


def _parts(name):
    return name.split("/")


def _identity(path):
    """Return what two names of one folder have in common."""
    about = os.stat(path)
    return about.st_dev, about.st_ino


def _entries(folder, name):
    """Return the entries of a folder by their paths below the first one, sorted, without hidden ones."""
    with os.scandir(os.path.join(folder, name)) as found:
        visible = [entry for entry in found if not entry.name.startswith(".")]
    return {f"{name}/{entry.name}" if name else entry.name: entry for entry in sorted(visible, key=lambda it: it.name)}


def _kind(entry):
    """Return "file", "folder", or why an entry is neither."""
    try:
        mode = entry.stat().st_mode
    except FileNotFoundError:
        return "a broken link"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "a pipe, socket or device, not a file"


def list_folder(folder: str | os.PathLike) -> Tree:
    """List what lies below a folder like `walk`, and say on standard error what is skipped, if anything is."""
    tree = walk(folder)
    skipped = [f"{name} ({why})" for name, why in tree.skipped.items()]
    if skipped:
        print(printable(f"{folder}: skipped {first_few(skipped)}"), file=sys.stderr)
    return tree


def require_file(path: str | os.PathLike) -> int:
    """Return the size in bytes of a regular file; a pipe or a device might never end.

    Raises
    ------
    SemsimError
        If it is missing, not accessible, or no regular file.
    """
    try:
        about = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError for a NUL in a path
        raise _unreadable(path, error) from None
    if not stat.S_ISREG(about.st_mode):
        raise SemsimError(f"{path}: a folder, pipe, socket or device, not a file. Put a file there.")
    return about.st_size


def read_file(path: str | os.PathLike, most: int) -> bytes:
    """Read a regular file of limited size.

    Parameters
    ----------
    path : path-like
    most : int
        Largest accepted size in bytes.

    Returns
    -------
    bytes

    Raises
    ------
    SemsimError
        As for `require_file`, and if it is larger or not readable.
    """
    size = require_file(path)
    if size > most:
        raise SemsimError(f"{path}: {size:,} bytes, more than {most:,}. Make it smaller, or divide it.")
    try:
        with open(path, "rb") as file:
            return file.read(size)  # no more, even if it grows
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path, error):
    reason = getattr(error, "strerror", error)
    return SemsimError(f"{path}: cannot be read ({reason}). Correct the path, or the permissions.")
