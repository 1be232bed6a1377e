"""Sources of image files: a folder, a .zip file or a tar file, read in the same way, one file at a time.

A source has `path`, for messages; `names()`, the paths of its files, and of its folders with a "/" at the end;
`contents(names)`, which yields the requested files in the fastest order; and `where(name)`, the name of a file for
messages. A .zip or tar file is never unpacked to disk.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.data.decoding import LARGEST_FILE
from semsim.errors import SemsimError
from semsim.io.folders import list_folder, read_file, require_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

    from semsim.data.request import Request

PIECES = {zipfile.ZIP_BZIP2: 32, zipfile.ZIP_LZMA: 32}
"""Packed bytes that are unpacked at a time, 4,096 by default: zipfile has no other limit for what comes out of them.

Of 32 bytes, bzip2 makes 46 MB at most.
"""
STUMBLES = (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""Errors raised for damaged compressed data, which zipfile and tarfile pass on."""


def _inside(name, written, where):
    """Return the name of an entry, with "/" as separator; one that points outside the archive is an error."""
    first, *_ = parts = name.split("/")
    if first == "" or first.endswith(":") or ".." in parts:
        raise SemsimError(
            f"{where}: entry '{written}' points outside the archive, which no image data set needs. "
            "Do not trust this file; pack the images again."
        )
    return name


class Folder:
    """The files below a folder."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """Return the paths of all files and folders below, with "/" as separator; folders end with "/"."""
        tree = list_folder(self.path)
        return [f"{name}/" for name in tree.folders] + tree.files

    def read(self, name: str) -> bytes:
        """Return the content of a file as bytes."""
        return read_file(self.path / name, LARGEST_FILE)

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content, as bytes, of each of `names`."""
        return ((name, self.read(name)) for name in names)

    def where(self, name: str) -> str:
        """Return the name of a file for messages."""
        return str(self.path / name)


class Archive:
    """The files in a .zip file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.path = path
        self._archive = archive
        self._entries = {
            _inside(entry.filename.replace("\\", "/"), entry.filename, path): entry for entry in archive.infolist()
        }

    def names(self) -> list[str]:
        """Return the names of all entries; folders end with "/"."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """Return the content of an entry as bytes."""
        entry = self._entries[name]
        if entry.file_size > LARGEST_FILE:
            raise SemsimError(f"{self.where(name)}: {entry.file_size:,} bytes unpacked, too large for an image file.")
        try:
            with self._archive.open(entry) as file:  # which ends where the entry should, whatever comes out of it
                file.MIN_READ_SIZE = PIECES.get(entry.compress_type, file.MIN_READ_SIZE)
                return b"".join(iter(partial(file.read, file.MIN_READ_SIZE), b""))
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, *STUMBLES) as error:
            # In turn: damaged, encrypted, unknown compression, and errors of the decompressors.
            raise SemsimError(f"{self.where(name)}: cannot be unpacked ({error}). Pack the images again.") from None

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content, as bytes, of each of `names`."""
        return ((name, self.read(name)) for name in names)

    def open(self, name: str) -> IO[bytes]:
        """Open an entry as a binary file."""
        return self._archive.open(self._entries[name])

    def where(self, name: str) -> str:
        """Return the name of an entry for messages."""
        return f"{self.path}: {name}"


class TarArchive:
    """The files in a tar file, compressed or not, which can only be read sequentially.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    reopen : callable
        Returns the file, opened for reading: once to list it, and again for each call of `contents`.
    """

    def __init__(self, path: Path, reopen: Callable):
        self.path = path
        self._reopen = reopen

    def _members(self):
        """Yield the open archive with each of its files and folders, in order."""
        try:
            with self._reopen() as file, tarfile.open(fileobj=file) as archive:
                for member in archive:
                    if member.isfile() or member.isdir():
                        yield archive, member
        except (tarfile.TarError, *STUMBLES) as error:
            raise SemsimError(f"{self.path}: cannot be unpacked ({error}). Download it again.") from None

    def names(self) -> list[str]:
        """Return the names of all entries; folders end with "/"."""
        return [
            _inside(member.name, member.name, self.path) + ("/" if member.isdir() else "")
            for _, member in self._members()
        ]

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content, as bytes, of each of `names`, in the order of the archive."""
        wanted = set(names)
        for archive, member in self._members():
            if member.name in wanted:
                if member.size > LARGEST_FILE:
                    raise SemsimError(f"{self.where(member.name)}: {member.size:,} bytes, too large for an image file.")
                yield member.name, archive.extractfile(member).read()

    def where(self, name: str) -> str:
        """Return the name of an entry for messages."""
        return f"{self.path}: {name}"


class Selection:
    """Some files of another source, under new names.

    Parameters
    ----------
    source : Folder, Archive or TarArchive
    entries : dict of str to str
        The name of each file in `source`, by its new name.
    """

    def __init__(self, source: Folder | Archive | TarArchive, entries: dict[str, str]):
        self.path = source.path
        self._source, self._entries = source, entries

    def names(self) -> list[str]:
        """Return the names of all files."""
        return list(self._entries)

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content, as bytes, of each of `names`."""
        ours = {self._entries[name]: name for name in names}
        return ((ours[theirs], content) for theirs, content in self._source.contents(ours))

    def where(self, name: str) -> str:
        """Return the name of a file for messages."""
        return self._source.where(self._entries[name])


@contextmanager
def open_source(path: Path) -> Iterator[Folder | Archive]:
    """Open a folder or a .zip file as a `Folder` or an `Archive`.

    Raises
    ------
    SemsimError
        If it is neither, or if an entry of the archive points outside it.
    """
    if path.is_dir():
        yield Folder(path)
        return
    require_file(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError, ValueError) as error:
        raise SemsimError(f"{path}: neither a folder nor a readable .zip file ({error}).") from None
    with archive:
        yield Archive(path, archive)


def find_source(request: Request) -> Path:
    """Return the path of a data set of kind `folder`: in the mirror, else relative to the working directory.

    Raises
    ------
    SemsimError
        If it exists in neither place.
    """
    path = Path(request.path).expanduser()
    places = [request.mirror / path, path] if request.mirror else [path]
    for place in places:
        if place.exists():
            return place
    # For an absolute path both places are the same.
    tried = " or ".join(dict.fromkeys(str(place.absolute()) for place in places))
    raise SemsimError(
        f"data set '{request.name}': nothing found at {tried}. "
        "Correct `path`, or `mirror` (or SEMSIM_MIRROR), the folder in which a relative path is looked up first."
    )
