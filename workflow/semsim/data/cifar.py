"""CIFAR-100 as published by its authors: two pickled tables of pixels in a tar file."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from semsim.data.sources import TarArchive
from semsim.errors import SemsimError
from semsim.io.pickles import load_arrays

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

FOLDER = "cifar-100-python"
PARTS = ("train", "test")
SIDE = 32


class CifarArchive:
    """The images of the Python version of CIFAR-100 as image files, `<part>/<class>/<file name>`.

    The file names are the published ones, so a folder or .zip file of these images gives the same study. Both tables
    are held in memory, 180 MB of pixels, however few images are requested.

    Parameters
    ----------
    path : path-like
        ``cifar-100-python.tar.gz``.

    Raises
    ------
    SemsimError
        If the archive is damaged, or a table contains anything but arrays and builtin values, or lacks what is needed.

    References
    ----------
    Krizhevsky: "Learning Multiple Layers of Features from Tiny Images", 2009, and the page of the data set.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        archive = TarArchive(path, partial(open, path, "rb"))
        members = archive.contents(f"{FOLDER}/{part}" for part in (*PARTS, "meta"))
        tables = {
            PurePosixPath(name).name: load_arrays(BytesIO(content), archive.where(name)) for name, content in members
        }
        try:
            classes = [name.decode() for name in tables["meta"][b"fine_label_names"]]
            self._pixels = {part: tables[part][b"data"].reshape(-1, 3, SIDE, SIDE).astype("u1") for part in PARTS}
            self._rows = {name: place for part in PARTS for name, place in _named_rows(part, tables[part], classes)}
        except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
            raise SemsimError(f"{path}: not the tables of CIFAR-100 ({error!r}). Download it again.") from None

    def names(self) -> list[str]:
        """Return the names of all images."""
        return list(self._rows)

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of `names` with its image as the bytes of a PPM file, the simplest format."""
        for name in names:
            part, row = self._rows[name]
            pixels = self._pixels[part][row].transpose(1, 2, 0)
            yield name, b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels.tobytes()

    def where(self, name: str) -> str:
        """Return the name of an image for messages."""
        return f"{self.path}: {name}"


def _named_rows(part, table, classes):
    """Yield the name of each image of a part, and where it is: the part and the row of its table."""
    labels, names = table[b"fine_labels"], table[b"filenames"]
    for row, (_, label, name) in enumerate(zip(table[b"data"], labels, names, strict=True)):
        yield f"{part}/{classes[label]}/{name.decode()}", (part, row)
