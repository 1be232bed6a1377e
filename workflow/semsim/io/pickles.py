"""Read pickles that hold numbers, strings and containers of them, and refuse those that could do anything else."""

import pickle

import numpy as np

from semsim.errors import SemsimError


class BuiltinsUnpickler(pickle.Unpickler):
    """An unpickler without globals: no class or function, and so no code, can be named in the file.

    References
    ----------
    Python documentation, module `pickle`, "Restricting globals".
    """

    def find_class(self, module, name):
        """Refuse every global by its name."""
        raise SemsimError(
            f"names {module}.{name}: unpickling it could run code, so the file was closed and nothing was run. "
            "Only numbers, strings, lists, tuples, sets and dicts are read. Do not trust this file; get it again."
        )


class ArraysUnpickler(BuiltinsUnpickler):
    """A `BuiltinsUnpickler` that also knows the three names that numpy writes for an array of numbers."""

    ALLOWED = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # Not looked up by its name, which numpy 2 has moved: every array says itself what rebuilds it.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module, name):
        """Return what numpy needs, and refuse every other global by its name."""
        return self.ALLOWED.get((module, name)) or super().find_class(module, name)


def load_builtins(path):
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


def load_arrays(file, where):
    """Read a pickle of builtin values and numpy arrays that Python 2 wrote.

    Parameters
    ----------
    file : binary file
        Open for reading; read to the end of the pickle.
    where : str
        The file's name for messages.

    Returns
    -------
    object
        Whatever the file holds; strings of Python 2 are bytes.

    Raises
    ------
    SemsimError
        If the file names any other class or function, or is not a complete pickle.
    """
    return _load(ArraysUnpickler(file, encoding="bytes"), where)


def _load(unpickler, where):
    """Return what an unpickler reads, or say what is wrong with the file."""
    try:
        return unpickler.load()
    except SemsimError as error:
        raise SemsimError(f"{where}: {error}") from None
    except Exception as error:  # a damaged pickle fails in as many ways as it has opcodes
        raise SemsimError(f"{where}: not a complete pickle file ({error}). Get it again.") from None
