"""CIFAR-100 as published by its authors: two pickled tables of pixels in a tar file."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

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
        If a table contains anything but arrays and builtin values.

    References
    ----------
    Krizhevsky: "Learning Multiple Layers of Features from Tiny Images", 2009, and the page of the data set.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        tables = {}
        with tarfile.open(path) as archive:
            for member in archive:
                part = member.name.removeprefix(f"{FOLDER}/")
                if part in (*PARTS, "meta"):
                    tables[part] = load_arrays(archive.extractfile(member), f"{path}: {member.name}")
        classes = [name.decode() for name in tables["meta"][b"fine_label_names"]]
        self._pixels = {part: tables[part][b"data"] for part in PARTS}
        self._rows = {
            f"{part}/{classes[label]}/{name.decode()}": (part, row)
            for part in PARTS
            for row, (label, name) in enumerate(
                zip(tables[part][b"fine_labels"], tables[part][b"filenames"], strict=True)
            )
        }

    def names(self) -> list[str]:
        """Return the names of all images."""
        return list(self._rows)

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of `names` with its image as the bytes of a PPM file, the simplest format."""
        for name in names:
            part, row = self._rows[name]
            pixels = self._pixels[part][row].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
            yield name, b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels.tobytes()

    def where(self, name: str) -> str:
        """Return the name of an image for messages."""
        return f"{self.path}: {name}"
