"""Arrays that stay on disk: only requested rows are read, so that memory use does not grow with their size."""

from __future__ import annotations

import json
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semsim.errors import SemsimError
from semsim.io.tensors import blocks, open_tensors

if TYPE_CHECKING:
    import os


class StoredArray:
    """An array in a safetensors file. Indexing by rows, as for a numpy array, reads those rows.

    Parameters
    ----------
    path : path-like
    offset : int
        Position of its first byte in the file.
    shape : tuple of int
        The first number counts the rows.
    dtype : numpy.dtype
    """

    def __init__(self, path: str | os.PathLike, offset: int, shape: tuple[int, ...], dtype: np.dtype):
        self.path, self.offset, self.shape, self.dtype = Path(path), offset, tuple(shape), np.dtype(dtype)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        """Return rows as `numpy.ndarray`; the index is an integer, a slice, or an array of integers or booleans.

        Raises
        ------
        SemsimError
            If the file no longer has them.
        """
        rows = np.arange(len(self))[index]
        found = np.empty((rows.size, *self.shape[1:]), self.dtype)
        if found.size:
            self._read(rows.ravel(), found)
        return found.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, rows, found):
        """Read rows; adjacent ones are read together."""
        first = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1).tolist()
        with self.path.open("rb") as file:
            for start, end in zip(first, [*first[1:], len(rows)], strict=True):
                file.seek(self.offset + int(rows[start]) * found[0].nbytes)
                if file.readinto(found[start:end]) < found[start:end].nbytes:
                    raise SemsimError(f"{self.path}: changed while it was being read. Run again.")


class JoinedRows:
    """Rows of several arrays as one array, assembled only when it is indexed.

    Parameters
    ----------
    parts : list of StoredArray, numpy.ndarray, or anything that is indexed in the same way
        At least one; all of the same dtype and shape, apart from the number of rows.
    rows : numpy.ndarray, optional
        int64, which rows of the concatenated parts; all by default.
    """

    def __init__(self, parts: list, rows: np.ndarray | None = None):
        self.parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self._rows = np.arange(self._ends[-1]) if rows is None else rows
        self.shape, self.dtype = (len(self._rows), *parts[0].shape[1:]), parts[0].dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        """Return rows as `numpy.ndarray`, like `StoredArray`."""
        rows = self._rows[index]
        wanted = rows.ravel()
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        numbers = np.searchsorted(self._ends, wanted, "right")
        for number in np.unique(numbers):
            places, part = numbers == number, self.parts[number]
            found[places] = part[wanted[places] - (self._ends[number] - len(part))]
        return found.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)

    def where(self, chosen: np.ndarray) -> JoinedRows:
        """Return some of the rows, selected by numbers or a mask, without reading them."""
        return JoinedRows(self.parts, self._rows[chosen])


def spooled(array: JoinedRows | StoredArray | np.ndarray) -> JoinedRows:
    """Copy an array into one temporary file, for fast reading of random rows.

    Reading a batch from many files takes twenty times as long.

    Parameters
    ----------
    array : JoinedRows, StoredArray or numpy.ndarray
        It is copied in blocks of rows.

    Returns
    -------
    JoinedRows
        The file is deleted when this is garbage-collected.
    """
    file = tempfile.NamedTemporaryFile(prefix="semsim-")  # noqa: SIM115 (kept open for as long as the rows are used)
    for rows in blocks(array):
        file.write(np.ascontiguousarray(array[rows]))
    file.flush()
    stored = StoredArray(file.name, 0, array.shape, array.dtype)
    weakref.finalize(stored, file.close)
    return JoinedRows([stored])


def rows_where(array: JoinedRows | np.ndarray, chosen: np.ndarray) -> JoinedRows | np.ndarray:
    """Return rows of an array, selected by a mask or numbers; `JoinedRows` are not read."""
    return array.where(chosen) if isinstance(array, JoinedRows) else array[chosen]


def same_rows(one: StoredArray | np.ndarray, other: StoredArray | np.ndarray) -> bool:
    """Return whether two arrays are equal; they are compared in blocks of rows."""
    return one.shape == other.shape and all(np.array_equal(one[rows], other[rows]) for rows in blocks(one))


def open_arrays(path: str | os.PathLike, *names: str) -> dict[str, StoredArray]:
    """Open all or the named arrays written by `semsim.io.tensors.write_arrays`, without reading them.

    Returns
    -------
    dict of str to StoredArray

    Raises
    ------
    SemsimError
        As for `semsim.io.tensors.open_tensors`.
    """
    with open_tensors(path) as tensors:
        stored = {name: tensors.get_slice(name) for name in names or tensors.keys()}
        about = {name: (each.get_shape(), each[:0].dtype) for name, each in stored.items()}
    with Path(path).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    return {name: StoredArray(path, start + header[name]["data_offsets"][0], *about[name]) for name in about}
