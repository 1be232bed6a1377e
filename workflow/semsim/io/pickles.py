"""Read pickles that hold only numbers, strings and containers of them; refuse those that could run code."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os
    from typing import BinaryIO


class BuiltinsUnpickler(pickle.Unpickler):
    """An unpickler without globals: the file cannot name any class or function, and therefore cannot run code.

    References
    ----------
    Python documentation, module `pickle`, "Restricting globals".
    """

    def find_class(self, module: str, name: str) -> type:
        """Refuse every global by its name."""
        raise SemsimError(
            f"names {module}.{name}: unpickling it could run code, so the file was closed and nothing was run. "
            "Only numbers, strings, lists, tuples, sets and dicts are allowed. Do not trust this file; get it again."
        )


class ArraysUnpickler(BuiltinsUnpickler):
    """A `BuiltinsUnpickler` that also accepts the three names that numpy uses for an array of numbers."""

    ALLOWED = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # Taken from an array instead of looked up by name, because numpy 2 has moved it.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> type:
        """Return what numpy needs, and refuse every other global."""
        return self.ALLOWED.get((module, name)) or super().find_class(module, name)


def load_builtins(path: str | os.PathLike) -> object:
    """Read a pickle of builtin values.

    Parameters
    ----------
    path : path-like
        The pickle file.

    Returns
    -------
    object
        Whatever the file holds.

    Raises
    ------
    SemsimError
        If the file names a class or a function, even a builtin one, or is not a complete pickle.
    """
    with open(path, "rb") as file:
        return _load(BuiltinsUnpickler(file), path)


def load_arrays(file: BinaryIO, where: str) -> object:
    """Read a pickle of builtin values and numpy arrays that Python 2 wrote.

    Parameters
    ----------
    file : binary file
        Open for reading; it is read to the end of the pickle.
    where : str
        The file's name in messages.

    Returns
    -------
    object
        Whatever the file holds; Python 2 strings become bytes.

    Raises
    ------
    SemsimError
        If the file names any other class or function, or is not a complete pickle.
    """
    return _load(ArraysUnpickler(file, encoding="bytes"), where)


def _load(unpickler, where):
    """Return what an unpickler reads, or raise an error that names the file."""
    try:
        return unpickler.load()
    except SemsimError as error:
        raise SemsimError(f"{where}: {error}") from None
    except Exception as error:  # a damaged pickle fails in as many ways as it has opcodes
        raise SemsimError(f"{where}: not a complete pickle file ({error}). Download it again.") from None
