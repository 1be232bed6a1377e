"""Arrays that stay in their files: only rows that are asked for are read, so that memory does not grow with them."""

import json
import tempfile
import weakref
from pathlib import Path

import numpy as np

from semsim.errors import SemsimError
from semsim.io.tensors import blocks, open_tensors


class StoredArray:
    """An array of a safetensors file. It is indexed by rows, as a numpy array is, and then reads these.

    Parameters
    ----------
    path : path-like
    offset : int
        Where its first byte stands in the file.
    shape : tuple of int
        The first number is that of its rows.
    dtype : numpy.dtype
    """

    def __init__(self, path, offset, shape, dtype):
        self.path, self.offset, self.shape, self.dtype = Path(path), offset, tuple(shape), np.dtype(dtype)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        """Return rows as `numpy.ndarray`; the index is a whole number, a slice, or an array of numbers or of bool.

        Raises
        ------
        SemsimError
            If the file does not have them any more.
        """
        rows = np.arange(len(self))[index]
        found = np.empty((rows.size, *self.shape[1:]), self.dtype)
        if found.size:
            self._read(rows.ravel(), found)
        return found.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, rows, found):
        """Read rows, those that stand next to each other at once."""
        first = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1).tolist()
        with self.path.open("rb") as file:
            for start, end in zip(first, [*first[1:], len(rows)], strict=True):
                file.seek(self.offset + int(rows[start]) * found[0].nbytes)
                if file.readinto(found[start:end]) < found[start:end].nbytes:
                    raise SemsimError(f"{self.path}: has changed while it was read. Run again.")


class JoinedRows:
    """Rows of several arrays, as one array that is put together where it is indexed.

    Parameters
    ----------
    parts : list of StoredArray, numpy.ndarray, or whatever is indexed as these are
        At least one; equal but for the number of their rows.
    rows : numpy.ndarray, optional
        int64, which rows of the parts, laid end to end; all by default.
    """

    def __init__(self, parts, rows=None):
        self.parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self._rows = np.arange(self._ends[-1]) if rows is None else rows
        self.shape, self.dtype = (len(self._rows), *parts[0].shape[1:]), parts[0].dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        """Return rows as `numpy.ndarray`, as `StoredArray` does."""
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

    def where(self, chosen):
        """Return some of the rows, by numbers or a mask, without reading them."""
        return JoinedRows(self.parts, self._rows[chosen])


def spooled(array):
    """Copy an array into a temporary file, where rows that are drawn at random are read as one.

    From many files a batch takes twenty times as long.

    Parameters
    ----------
    array : JoinedRows, StoredArray or numpy.ndarray
        It is copied a block of rows after the other.

    Returns
    -------
    JoinedRows
        The file goes with it.
    """
    file = tempfile.NamedTemporaryFile(prefix="semsim-")  # noqa: SIM115 (kept open for as long as the rows are used)
    for rows in blocks(array):
        file.write(np.ascontiguousarray(array[rows]))
    file.flush()
    stored = StoredArray(file.name, 0, array.shape, array.dtype)
    weakref.finalize(stored, file.close)
    return JoinedRows([stored])


def rows_where(array, chosen):
    """Return the rows of an array that a mask or numbers choose, without reading them if they are `JoinedRows`."""
    return array.where(chosen) if isinstance(array, JoinedRows) else array[chosen]


def same_rows(one, other):
    """Say whether two arrays are equal, a block of rows after the other."""
    return one.shape == other.shape and all(np.array_equal(one[rows], other[rows]) for rows in blocks(one))


def open_arrays(path, *names):
    """Open arrays written by `semsim.io.tensors.write_arrays`, all of them or those named, without reading them.

    Returns
    -------
    dict of str to StoredArray

    Raises
    ------
    SemsimError
        As `semsim.io.tensors.open_tensors` does.
    """
    with open_tensors(path) as tensors:
        stored = {name: tensors.get_slice(name) for name in names or tensors.keys()}
        about = {name: (each.get_shape(), each[:0].dtype) for name, each in stored.items()}
    with Path(path).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    return {name: StoredArray(path, start + header[name]["data_offsets"][0], *about[name]) for name in about}
