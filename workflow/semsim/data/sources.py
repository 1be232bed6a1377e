"""Where image files lie: a folder, a .zip file or a tar file, read in the same way, one file at a time.

A source has `path`, for messages; `names()`, the paths of its files, and of its folders with a "/" at the end;
`contents(names)`, which gives the files asked for in the order that is quickest; and `where(name)`, which says how
messages call a file. A .zip or tar file is never unpacked to disk.
"""

import lzma
import os
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from semsim.errors import SemsimError

LARGEST_FILE = 256 * 2**20
"""Bytes that one image file may have, unpacked; anything larger in a .zip is taken for an attack on the memory."""
STUMBLES = (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""What unpackers raise on damaged data: zipfile passes on what the unpacker of an entry's kind does."""


class Folder:
    """The files below a folder."""

    def __init__(self, path):
        self.path = path

    def names(self):
        """Return the paths of all files and folders below, with "/" between; those of folders end with "/"."""
        found = []
        for parent, folders, files in os.walk(self.path, followlinks=True):
            inside = Path(parent).relative_to(self.path)
            found += [(inside / folder).as_posix() + "/" for folder in folders]
            found += [(inside / file).as_posix() for file in files]
        return found

    def read(self, name):
        """Return the content of a file as bytes."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise SemsimError(f"{self.where(name)}: cannot be read ({error.strerror}).") from None

    def contents(self, names):
        """Yield the name and the content, as bytes, of each of `names`."""
        return ((name, self.read(name)) for name in names)

    def where(self, name):
        """Return how messages call a file."""
        return str(self.path / name)


class Archive:
    """The files in a .zip file."""

    def __init__(self, path, archive):
        self.path = path
        self._archive = archive
        self._entries = {self._checked_name(entry): entry for entry in archive.infolist()}

    def _checked_name(self, entry):
        """The name of an entry, with "/" between its parts; a name that leads out of the archive is an error."""
        name = entry.filename.replace("\\", "/")
        first, *_ = parts = name.split("/")
        if first == "" or first.endswith(":") or ".." in parts:
            raise SemsimError(
                f"{self.path}: entry '{entry.filename}' leads out of the archive, which no image data set needs. "
                "Do not trust this file; pack the images again."
            )
        return name

    def names(self):
        """Return the names of all entries; those of folders end with "/"."""
        return list(self._entries)

    def read(self, name):
        """Return the content of an entry as bytes."""
        entry = self._entries[name]
        if entry.file_size > LARGEST_FILE:
            raise SemsimError(f"{self.where(name)}: {entry.file_size:,} bytes unpacked, too large for an image file.")
        try:
            return self._archive.read(entry)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, *STUMBLES) as error:
            # In turn: damaged, encrypted, an unknown way of packing, and the ways in which unpackers stumble.
            raise SemsimError(f"{self.where(name)}: cannot be unpacked ({error}). Pack the images again.") from None

    def contents(self, names):
        """Yield the name and the content, as bytes, of each of `names`."""
        return ((name, self.read(name)) for name in names)

    def open(self, name):
        """Open an entry as a binary file."""
        return self._archive.open(self._entries[name])

    def where(self, name):
        """Return how messages call an entry."""
        return f"{self.path}: {name}"


class TarArchive:
    """The files in a tar file, compressed or not, which can only be read from the beginning to the end.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    reopen : callable
        Returns the file, opened for reading: once to list it, and again each time that contents are asked for.
    """

    def __init__(self, path, reopen):
        self.path = path
        self._reopen = reopen

    def _members(self):
        """Yield the open archive and each of its files and folders, in their order."""
        try:
            with self._reopen() as file, tarfile.open(fileobj=file) as archive:
                for member in archive:
                    if member.isfile() or member.isdir():
                        yield archive, member
        except (tarfile.TarError, *STUMBLES) as error:
            raise SemsimError(f"{self.path}: cannot be unpacked ({error}). Get it again.") from None

    def names(self):
        """Return the names of all entries; those of folders end with "/"."""
        return [member.name + ("/" if member.isdir() else "") for _, member in self._members()]

    def contents(self, names):
        """Yield the name and the content, as bytes, of each of `names`, in the order of the archive."""
        wanted = set(names)
        for archive, member in self._members():
            if member.name in wanted:
                yield member.name, archive.extractfile(member).read()

    def where(self, name):
        """Return how messages call an entry."""
        return f"{self.path}: {name}"


class Selection:
    """Some files of another source, under names of their own.

    Parameters
    ----------
    source : Folder, Archive or TarArchive
    entries : dict of str to str
        What a file is called in `source`, by the name it gets here.
    """

    def __init__(self, source, entries):
        self.path = source.path
        self._source, self._entries = source, entries

    def names(self):
        """Return the names of all files."""
        return list(self._entries)

    def contents(self, names):
        """Yield the name and the content, as bytes, of each of `names`."""
        ours = {self._entries[name]: name for name in names}
        return ((ours[theirs], content) for theirs, content in self._source.contents(ours))

    def where(self, name):
        """Return how messages call a file."""
        return self._source.where(self._entries[name])


@contextmanager
def open_source(path):
    """Open a folder or a .zip file, a `Folder` or an `Archive`.

    Raises
    ------
    SemsimError
        If it is neither, or if an entry of the archive leads out of it.
    """
    if path.is_dir():
        yield Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise SemsimError(f"{path}: neither a folder nor a readable .zip file ({error}).") from None
    with archive:
        yield Archive(path, archive)


def find_source(request):
    """Return where a data set of kind `folder` lies, a `pathlib.Path`: in the mirror, else below the working directory.

    Raises
    ------
    SemsimError
        If there is nothing at either place.
    """
    path = Path(request.path).expanduser()
    places = [request.mirror / path, path] if request.mirror else [path]
    for place in places:
        if place.exists():
            return place
    # An absolute path gives the same place twice.
    tried = " or ".join(dict.fromkeys(str(place.absolute()) for place in places))
    raise SemsimError(
        f"data set '{request.name}': nothing at {tried}. "
        "Correct `path`, or `mirror` (or SEMSIM_MIRROR), the folder in which a relative path is looked up first."
    )
