"""Read pickles that hold only numbers, strings and containers of them; refuse those that could do anything else.

Python's own unpickler calls what a file names, and even if it may name nothing, a few bytes make it allocate gigabytes.
Here, files are only taken apart by the standard library (`pickletools`); what their instructions mean, up to the few
that are needed, is defined below.
"""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING

import numpy as np

from semsim.errors import SemsimError
from semsim.io.folders import read_file

if TYPE_CHECKING:
    import os
    from typing import BinaryIO

LARGEST_PICKLE = 256 * 2**20
"""Size limit in bytes; the largest file that is read, a part of CIFAR-100, has 155 MB."""
ADVICE = "Only numbers, strings, lists, tuples, sets and dicts are allowed. Do not trust this file; get it again."

IGNORED = frozenset(("PROTO", "FRAME"))
VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    )
)
"""Instructions whose argument is a value."""
STRINGS = frozenset(("STRING", "SHORT_BINSTRING", "BINSTRING"))
"""Those whose argument is a string of Python 2."""
MAKERS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = frozenset(("PUT", "BINPUT", "LONG_BINPUT")), frozenset(("GET", "BINGET", "LONG_BINGET"))

KEY_TYPES = (str, bytes, int, float, bool, type(None))
"""Types of keys and members of sets, and of what is in tuples there: to hash deeper ones could take years."""
NUMBERS = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
"""Types of an array's numbers."""


class _Array:
    """An array, which a pickle first names, and then describes."""

    values = None


class _Numbers:
    """The type of an array's numbers; their order of bytes follows the name."""

    def __init__(self, name):
        self.dtype = np.dtype(name)


RECONSTRUCT, NDARRAY, DTYPE = object(), object(), object()
NUMPY = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): DTYPE,
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
}
"""The names with which NumPy pickles an array of numbers, and what stands for them here."""


class _Reader:
    """Executes the instructions of a pickle.

    Parameters
    ----------
    names : dict of (str, str) to object
        What stands for the classes and functions that a file may name, by module and name.
    """

    def __init__(self, names):
        self.names = names
        self.stack, self.outer, self.memo = [], [], {}

    def read(self, content):
        """Return what a pickle, bytes or a bytearray, holds."""
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name == "STOP":
                return self.stack.pop()
            self.step(instruction.name, argument)

    def step(self, name, argument):
        """Execute an instruction."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in STRINGS:
            self.stack.append(argument.encode("latin-1"))
        elif name in MAKERS:
            self.stack.append(MAKERS[name]())
        elif name in TUPLES:
            self.stack.append(tuple(self.taken(TUPLES[name])))
        elif name in PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in GETS:
            found = self.memo[argument]
            self.stack.append(found.values if isinstance(found, _Array) else found)
        elif act := getattr(self, f"do_{name.lower()}", None):
            act(argument)
        elif name not in IGNORED:
            raise SemsimError(f"has the instruction {name}. {ADVICE}")

    def taken(self, number):
        """Remove values from the stack and return them."""
        if len(self.stack) < number:
            raise ValueError("a value is missing")
        values = self.stack[len(self.stack) - number :]
        del self.stack[len(self.stack) - number :]
        return values

    def do_mark(self, _):
        self.outer.append(self.stack)
        self.stack = []

    def since_mark(self):
        """Return the values since the last mark, which is removed."""
        values, self.stack = self.stack, self.outer.pop()
        return values

    def do_memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def do_tuple(self, _):
        values = self.since_mark()  # which changes the stack
        self.stack.append(tuple(values))

    def do_list(self, _):
        values = self.since_mark()
        self.stack.append(values)

    def do_dict(self, _):
        values = self.since_mark()
        self.stack.append(_filled({}, values))

    def do_append(self, _):
        values = self.taken(1)
        list.extend(self.stack[-1], values)

    def do_appends(self, _):
        values = self.since_mark()
        list.extend(self.stack[-1], values)

    def do_setitem(self, _):
        values = self.taken(2)
        _filled(self.stack[-1], values)

    def do_setitems(self, _):
        values = self.since_mark()
        _filled(self.stack[-1], values)

    def do_additems(self, _):
        values = self.since_mark()
        set.update(self.stack[-1], map(_key, values))

    def do_global(self, argument):
        self.named(*argument.split(" ", 1))

    def do_stack_global(self, _):
        self.named(*self.taken(2))

    def named(self, module, name):
        """Push what stands for a class or function, if it is allowed."""
        known = self.names.get((_key(module), _key(name)))
        if known is None:
            raise SemsimError(
                f"names {ascii(f'{module}.{name}'[:100])[1:-1]}: unpickling it could run code, so the file was closed"
                f" and nothing was run. {ADVICE}"
            )
        self.stack.append(known)

    def do_reduce(self, _):
        function, arguments = self.taken(2)
        if function is RECONSTRUCT and arguments == (NDARRAY, (0,), b"b"):
            self.stack.append(_Array())
        elif function is DTYPE and len(arguments) == 3:
            self.stack.append(_Numbers(_number_type(arguments[0])))
        else:
            raise SemsimError(f"makes something other than an array of numbers. {ADVICE}")

    def do_build(self, _):
        made, state = self.stack[-2:]
        self.taken(1)
        if isinstance(made, _Array):
            _, shape, numbers, by_columns, content = state
            made.values = np.frombuffer(content, numbers.dtype).reshape(shape, order="F" if by_columns else "C")
            self.stack[-1] = made.values
        elif isinstance(made, _Numbers) and state[2:] == (None, None, None, -1, -1, 0):
            made.dtype = made.dtype.newbyteorder(_text(state[1]))
        else:
            raise SemsimError(f"makes something other than an array of numbers. {ADVICE}")


def _filled(table, values):
    """Add keys and values, which take turns, to a dict."""
    if len(values) % 2:
        raise ValueError("a key without a value")
    dict.update(table, zip(map(_key, values[::2]), values[1::2], strict=True))
    return table


def _key(value):
    """Return a key, if it may be one."""
    if any(type(each) not in KEY_TYPES for each in (value if type(value) is tuple else (value,))):
        raise SemsimError(f"has a key that is neither a number nor a string nor a tuple of them. {ADVICE}")
    return value


def _text(value):
    """Return a string of Python 2 or 3 as `str`."""
    return value.decode("ascii") if isinstance(value, bytes) else value


def _number_type(name):
    name = _text(name)
    if name not in NUMBERS:
        raise SemsimError(f"has an array of something other than plain numbers. {ADVICE}")
    return name


def load_builtins(path: str | os.PathLike) -> object:
    """Read a pickle of builtin values.

    Parameters
    ----------
    path : path-like
        The pickle file.

    Returns
    -------
    object
        Whatever the file holds. Python 2 strings become bytes.

    Raises
    ------
    SemsimError
        If the file names a class or a function, even a builtin one, has other keys than numbers, strings and tuples of
        them, is larger than `LARGEST_PICKLE`, or is not a complete pickle.
    """
    return _load(read_file(path, LARGEST_PICKLE), {}, path)


def load_arrays(file: BinaryIO, where: str) -> object:
    """Read a pickle of builtin values and numpy arrays.

    Parameters
    ----------
    file : binary file
        Open for reading.
    where : str
        The file's name in messages.

    Returns
    -------
    object
        Whatever the file holds; Python 2 strings become bytes. Arrays can only be read: they share the memory of their
        pickled bytes.

    Raises
    ------
    SemsimError
        As for `load_builtins`, and if an array has other items than plain numbers.
    """
    content = bytearray()
    while piece := file.read(2**20):
        content += piece
        if len(content) > LARGEST_PICKLE:
            raise SemsimError(f"{where}: more than {LARGEST_PICKLE:,} bytes. Do not trust this file; get it again.")
    return _load(content, NUMPY, where)


def _load(content, names, where):
    """Return what a pickle holds, or raise an error that names the file."""
    try:
        return _Reader(names).read(content)
    except SemsimError as error:
        raise SemsimError(f"{where}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle fails in as many ways as it has opcodes
        raise SemsimError(f"{where}: not a complete pickle file ({str(error)[:200]}). Get it again.") from None
