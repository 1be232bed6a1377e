"""Read pickles that hold numbers, strings and containers of them, and refuse those that could do anything else."""

import pickle

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
    try:
        with open(path, "rb") as file:
            return BuiltinsUnpickler(file).load()
    except SemsimError as error:
        raise SemsimError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle fails in as many ways as it has opcodes
        raise SemsimError(f"{path}: not a complete pickle file ({error}). Get it again.") from None
