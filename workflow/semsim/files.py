"""Files between stages: tables and tensors, written whole or not at all."""

import errno
import json
import math
import os
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from semsim.errors import SemsimError

pd.set_option("mode.string_storage", "python")  # names repeat: rows that share one take less than Arrow's copies of it

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the system errors that say that a disk, or one's share of it, is full."""
NAMES = dict.fromkeys(("dataset", "target", "attack", "image", "annotator"), "str")
"""The columns that hold names: text, also where all names of a file, or of a part of it, look like numbers."""
BLOCK_BYTES = 2**22
"""How much of an array is read or written at once where all of it passes by."""
ROWS_AT_ONCE = 2000
"""Rows of a CSV file that are read or written at once."""


@contextmanager
def written_whole(path):
    """Give a path to write to, and move it to `path` only when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file to make. Missing folders are created.

    Yields
    ------
    pathlib.Path
        A name in the same folder, with the same suffix (so that writers that look at suffixes work).

    Raises
    ------
    OSError
        If the disk is full, whatever the writer makes of that.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # safetensors makes files that only their owner can read
        os.replace(part, path)
    except Exception as error:
        number = _system_error(error)
        if number not in FULL:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def _system_error(error):
    """Return the number of the system error behind one that a writer raised, or None."""
    while error is not None:
        if isinstance(error, OSError):
            return error.errno
        if isinstance(error, SafetensorError) and (found := re.search(r"os error (\d+)", str(error))):
            return int(found[1])
        error = error.__context__
    return None


def _umask():
    """Return the permissions that new files go without; asking is only possible by setting."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def check_output(path, suffixes):
    """Refuse a path that no file can be written to, before any work is done for it.

    Parameters
    ----------
    path : path-like or None
        None is no file, and fine.
    suffixes : sequence of str
        What its name may end in.

    Raises
    ------
    SemsimError
        If it ends in something else, is a folder, or lies below a file.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix not in suffixes:
        raise SemsimError(f"{path}: must end in {' or '.join(suffixes)}. Give another name.")
    if path.is_dir():
        raise SemsimError(f"{path}: is a folder. Give the name of a file.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise SemsimError(f"{path}: lies below {above}, which is a file. Give another folder.")


def write_table(table, path):
    """Write a data frame without its index as CSV or Parquet, by the suffix of `path`."""
    path = Path(path)
    with written_whole(path) as part:
        if path.suffix == ".parquet":
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, index=False, lineterminator="\n", chunksize=ROWS_AT_ONCE)


@contextmanager
def appending(path):
    """Write data frames of the same columns, one below the other, as one CSV file: none has to be held for the next.

    Parameters
    ----------
    path : path-like
        The file to make.

    Yields
    ------
    callable
        Called with each data frame. It raises a SemsimError if the columns are not those of the first.
    """
    columns = None
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:

        def append(table):
            nonlocal columns
            if columns is not None and columns != [*table]:
                raise SemsimError(f"{path}: its parts have different columns. Make them again with the same settings.")
            table.to_csv(file, index=False, header=columns is None, lineterminator="\n", chunksize=ROWS_AT_ONCE)
            columns = [*table]

        yield append


def append_tables(tables, path):
    """Write all of an iterable's data frames as `appending` does."""
    with appending(path) as append:
        for table in tables:
            append(table)


def read_table(path):
    """Read a data frame written by `write_table`.

    Raises
    ------
    SemsimError
        If the file is missing, was cut off or is not a readable table.
    """
    path = Path(path)
    with _readable(path):
        known = {}
        table = pd.concat((_sharing_strings(part, known) for part in _parts(path)), ignore_index=True)
        if path.suffix == ".csv" and table.dtypes.eq("object").any():
            # A column that is empty, or looks like numbers, in some parts only: its type is that of all its rows.
            return pd.read_csv(path, dtype=NAMES, low_memory=False)
        return table


def read_parts(path):
    """Read a table as `read_table` does, but some of its rows after the other: it is never held whole.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    pandas.DataFrame
        At least one, if only with the columns. Types of a CSV file are those of the rows that are there; names are
        text.

    Raises
    ------
    SemsimError
        As `read_table` does.
    """
    path = Path(path)
    with _readable(path):
        yield from _parts(path)


@contextmanager
def _readable(path):
    """Turn what goes wrong where a table is read into errors people can act on."""
    try:
        yield
    except FileNotFoundError:
        raise SemsimError(f"{path}: no such table. Run the stage that writes it first.") from None
    except (ValueError, OSError) as error:
        raise SemsimError(f"{path}: not a readable table ({error}). Delete it and run again.") from None


def _parts(path):
    """Yield parts of a table: while they are read, rows take ten times as much memory."""
    return _parquet_parts(path) if path.suffix == ".parquet" else _csv_parts(path)


def _parquet_parts(path):
    """Yield parts of a Parquet file."""
    from pyarrow.parquet import ParquetFile  # slow to import, and most tables are CSV files

    with ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().to_pandas()
        for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
            yield batch.to_pandas()


def _csv_parts(path):
    """Yield parts of a CSV file."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read() not in (b"", b"\n"):  # pandas would fill the last row up
            raise SemsimError(
                f"{path}: cut off, its last line has no end. Delete it and run again; if you wrote it, end that line."
            )
    with pd.read_csv(path, dtype=NAMES, chunksize=ROWS_AT_ONCE) as parts:
        yield from parts


def _sharing_strings(table, known):
    """Return a table whose equal strings are one: rows repeat names that are longer than all their numbers."""
    shared = {
        name: column.map(lambda text: known.setdefault(text, text))
        for name, column in table.select_dtypes("str").items()
    }
    return table.assign(**shared)


def write_arrays(arrays, path, metadata=None):
    """Write named arrays as one safetensors file, a block of rows after the other.

    Parameters
    ----------
    arrays : dict of str to numpy.ndarray
        Or of what has a shape and a dtype and gives a `numpy.ndarray` for a slice of its rows (`semsim.rows`): it is
        never held whole.
    path : path-like
        The file to make.
    metadata : dict, optional
        Anything JSON can hold; `read_metadata` gives it back.
    """
    # Byte for byte what safetensors makes of arrays that it is given whole: wide numbers first, truth values last.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[1].dtype.kind == "b", item[0]))
    header, end = {"__metadata__": encode_metadata(metadata)}, 0
    for name, array in ordered:
        start, end = end, end + math.prod(array.shape) * array.dtype.itemsize
        kind = "BOOL" if array.dtype.kind == "b" else f"{array.dtype.kind.upper()}{8 * array.dtype.itemsize}"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    with written_whole(path) as part, part.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for _, array in ordered:
            for rows in blocks(array):
                file.write(np.ascontiguousarray(array[rows]))


def blocks(array):
    """Yield slices that divide the rows of an array into blocks of about `BLOCK_BYTES`, of at least one row each."""
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def encode_metadata(metadata):
    """Return `metadata` as the flat dict of strings that a safetensors header takes."""
    return {"semsim": json.dumps(metadata or {}, sort_keys=True)}


@contextmanager
def open_tensors(path, framework="numpy", device="cpu"):
    """Open a safetensors file for lazy reading (`safetensors.safe_open`), with errors people can act on.

    Raises
    ------
    SemsimError
        If the file is missing, truncated or not a safetensors file, or lacks a tensor that is asked for.
    """
    path = Path(path)
    if not path.is_file():
        raise SemsimError(f"{path}: no such file. Run the stage that writes it first.")
    try:
        with safe_open(path, framework=framework, device=str(device)) as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise SemsimError(
            f"{path}: damaged or not the expected safetensors file ({error}). Delete it and run again."
        ) from None


def read_arrays(path, *names):
    """Read arrays written by `write_arrays`: all of them, or those named."""
    with open_tensors(path) as tensors:
        return {name: tensors.get_tensor(name) for name in names or tensors.keys()}


def read_metadata(path):
    """Read the metadata of a safetensors file written by this project.

    Raises
    ------
    SemsimError
        If the file is damaged or was written by something else.
    """
    with open_tensors(path) as tensors:
        text = (tensors.metadata() or {}).get("semsim")
    if text is None:
        raise SemsimError(f"{path}: a safetensors file, but not one that semsim wrote (no 'semsim' in its header).")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise SemsimError(f"{path}: its header is damaged. Delete it and run again.") from None
