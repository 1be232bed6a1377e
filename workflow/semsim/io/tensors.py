"""Arrays passed between stages as safetensors files: written in blocks, read lazily."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from semsim.errors import SemsimError
from semsim.io.whole import written_whole

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import torch

BLOCK_BYTES = 2**22
"""Bytes of an array that are read or written at once."""


def write_arrays(arrays: dict[str, np.ndarray], path: str | os.PathLike, metadata: dict | None = None) -> None:
    """Write named arrays as one safetensors file, in blocks of rows.

    Parameters
    ----------
    arrays : dict of str to numpy.ndarray
        Or of anything that has a shape and a dtype and returns a `numpy.ndarray` for a slice of its rows
        (`semsim.io.stored_arrays`); it is never held in memory as a whole.
    path : path-like
        The file to write.
    metadata : dict, optional
        Anything that JSON can represent; `read_metadata` returns it.
    """
    # Byte for byte what safetensors itself writes: wide numbers first, booleans last.
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


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Yield slices that divide the rows of an array into blocks of about `BLOCK_BYTES`, but at least one row."""
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def encode_metadata(metadata: dict) -> dict[str, str]:
    """Return `metadata` as the flat dict of strings that a safetensors header requires."""
    return {"semsim": json.dumps(metadata or {}, sort_keys=True)}


@contextmanager
def open_tensors(
    path: str | os.PathLike, framework: str = "numpy", device: torch.device | str = "cpu"
) -> Iterator[safe_open]:
    """Open a safetensors file for lazy reading (`safetensors.safe_open`), with errors that people can act on.

    Raises
    ------
    SemsimError
        If the file is missing, truncated or not a safetensors file, or lacks a requested tensor.
    """
    path = Path(path)
    if not path.is_file():
        raise SemsimError(f"{path}: no such file. Run the stage that writes it first.")
    try:
        with safe_open(path, framework=framework, device=str(device)) as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise SemsimError(
            f"{path}: damaged or not the expected safetensors file ({error}). If a stage wrote it, delete it and"
            " run again; if it is yours, correct its path, or save it again."
        ) from None


def read_arrays(path: str | os.PathLike, *names: str) -> dict[str, np.ndarray]:
    """Read arrays written by `write_arrays`: all of them, or those named."""
    with open_tensors(path) as tensors:
        return {name: tensors.get_tensor(name) for name in names or tensors.keys()}


def read_metadata(path: str | os.PathLike) -> dict:
    """Read the metadata of a safetensors file written by this project.

    Raises
    ------
    SemsimError
        If the file is damaged or was written by something else.
    """
    with open_tensors(path) as tensors:
        text = (tensors.metadata() or {}).get("semsim")
    if text is None:
        raise SemsimError(f"{path}: a safetensors file, but not one written by semsim (no 'semsim' in its header).")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise SemsimError(f"{path}: its header is damaged. If a stage wrote it, delete it and run again.")
    return metadata
