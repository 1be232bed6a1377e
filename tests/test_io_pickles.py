"""Pickles that are taken apart without Python's unpickler: what may be in them, and what is refused."""

import io
import pickle
import struct

import numpy as np
import pytest

from semsim.errors import SemsimError
from semsim.io.pickles import load_arrays, load_builtins

BUILTINS = {
    "numbers": [0, -1, 255, 70_000, -(2**31), 2**40, 10**300, 0.1, -1e300, True, False, None],
    "texts": ["", "a\nb", "é" * 300, "\U0001f600", "x" * 70_000],
    ("a", 1, None): ([], (), {}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[[]]]),
    3: list(range(2000)),
    2.5: {str(number): [number] for number in range(2000)},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_builtin_values_of_every_protocol(tmp_path, protocol):
    path = tmp_path / "x.pkl"
    shared = ["the same"]
    value = BUILTINS | {"shared": [shared, shared]}
    path.write_bytes(pickle.dumps(value, protocol))
    found = load_builtins(path)
    assert found == value and repr(found) == repr(value)
    assert found["shared"][0] is found["shared"][1]


def test_bytes_and_sets_of_later_protocols(tmp_path):
    value = {b"a": b"x" * 300, "set": {1, "a", (2, 3)}, "empty": set()}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, 4))
    assert load_builtins(tmp_path / "x.pkl") == value


def arrays(value, protocol=4):
    return load_arrays(io.BytesIO(pickle.dumps(value, protocol)), "x")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "<f2", ">f4", "f8"])
def test_arrays_of_numbers(protocol, order, kind):
    values = np.asarray(np.arange(24).reshape(2, 3, 4) - 12, order=order).astype(kind, order="K")
    found = arrays({"a": values, "n": [1], "again": values}, protocol)
    assert found["again"] is found["a"]
    assert type(found["a"]) is np.ndarray and found["a"].dtype == values.dtype
    assert np.array_equal(found["a"], values) and found["n"] == [1]


@pytest.mark.parametrize(
    "values, words",
    [
        (np.array([None, "a"]), "something other than plain numbers"),
        (np.array(["a"]), "something other than plain numbers"),
        (np.zeros(2, [("a", "u1"), ("b", "f4")]), "something other than plain numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "something other than plain numbers"),
        (np.zeros(2, np.longdouble), "something other than plain numbers"),
        (np.float64(1), "names numpy._core.multiarray.scalar"),
        (np.ma.zeros(2), "names numpy.ma.core._mareconstruct"),
        (np.zeros((2, 2)).view(np.matrix), "names numpy.matrix"),
        (frozenset((1,)), "has the instruction FROZENSET"),
        (bytearray(b"a"), "names builtins.bytearray"),
        (1j, "names builtins.complex"),
    ],
)
def test_other_things_are_refused(values, words):
    with pytest.raises(SemsimError, match=f"x: (has an array of )?{words}.* Only numbers, strings"):
        arrays({"a": values})


def test_an_array_alone_and_in_lists():
    assert np.array_equal(arrays(np.arange(3)), [0, 1, 2])
    assert np.array_equal(arrays([np.arange(3), (np.arange(2),)])[1][0], [0, 1])


def test_arrays_are_refused_where_only_builtin_values_are_expected(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(np.zeros(3), 4))
    with pytest.raises(SemsimError, match=r"x.pkl: names numpy._core.multiarray._reconstruct: unpickling it could run"):
        load_builtins(tmp_path / "x.pkl")


ARRAY = b"\x80\x03}X\x01\0\0\0a" + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R"
NUMBERS = b"cnumpy\ndtype\n%s\x89\x88\x87R(K\x03%sNNN%sK\0tb"
BYTES = NUMBERS % (b"X\x02\0\0\0u1", b"X\x01\0\0\0|", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff")


def array(shape=b"K\x08\x85", numbers=BYTES, content=b"C\x08abcdefgh", order=b"\x89"):
    """A table with an array, in instructions that can be exchanged."""
    return ARRAY + b"(K\x01" + shape + numbers + order + content + b"tbs."


def test_an_array_in_parts():
    assert load_arrays(io.BytesIO(array()), "x")["a"].tobytes() == b"abcdefgh"


@pytest.mark.parametrize(
    "content",
    [
        array(shape=b"K\x09\x85"),  # more than there is
        array(shape=b"K\x07\x85"),
        array(shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        array(shape=b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
        array(shape=b"X\x01\0\0\0a\x85"),
        array(content=b"N"),
        array(content=b"]"),
        array(content=b"J\0\0\0\x10"),
        array(numbers=b"K\x01"),
        array(numbers=BYTES.replace(b"u1", b"O8")),
        array(numbers=BYTES.replace(b"u1", b"V8")),
        array(numbers=BYTES.replace(b"NNN", b"NX\x01\0\0\0a\x85}")),  # names and fields
        array(numbers=BYTES.replace(b"K\0tb", b"K\x3ftb")),  # flags
        array(numbers=BYTES.replace(b"J\xff\xff\xff\xffJ", b"J\0\0\0\x10J")),  # size of an item
        array(numbers=BYTES.replace(b"|", b"?")),
        ARRAY.replace(b"K\0\x85", b"J\0\0\0\x40\x85") + b"s.",  # a gigabyte before anything is described
        ARRAY.replace(b"C\x01b", b"C\x01O") + b"s.",
        b"\x80\x03}K\x01cnumpy\nndarray\nK\x08\x85X\x02\0\0\0u1C\x08abcdefgh\x87Rs.",  # from a buffer
        b"\x80\x03}K\x01cnumpy\nndarray\nK\x08\x85\x81s.",
        b"\x80\x03}K\x01cnumpy\nndarray\n}bs.",
        ARRAY + b"N}X\x06\0\0\0valuesK\x01s\x86bs.",
        array().replace(b"tbs.", b"tb(K\x01bs."),
    ],
)
def test_arrays_that_are_not_what_numpy_writes_are_refused(content):
    with pytest.raises(SemsimError, match="^x: "):
        load_arrays(io.BytesIO(content), "x")


@pytest.mark.parametrize(
    "content",
    [
        b"\x8e" + struct.pack("<Q", 2**40) + b".",
        b"\x8d" + struct.pack("<Q", 2**63) + b".",
        b"\x96" + struct.pack("<Q", 2**33) + b".",
        b"T\xff\xff\xff\x7f.",
        b"}(" + b")" + b"2\x86" * 60 + b"Ns.",  # its hash would take years
        b"})q\0" + b"h\0h\0\x86q\0" * 60 + b"Ns.",
        b"})" + b"\x85" * 100_000 + b"Ns.",  # or overflow the stack
        b"\x8f()" + b"\x85" * 100_000 + b"\x90.",
        b"}]Ns.",
        b"(" * 100_000 + b".",
        b"t.",
        b"]a.",
        b"e.",
        b"}(Nu.",
        b"Na.",
        b"h\x05.",
        b"",
        b".",
        b"cos\nsystem\nX\x02\0\0\0id\x85R.",
        b"(X\x02\0\0\0idios\nsystem\n.",
        b"X\x02\0\0\0osX\x06\0\0\0system\x93.",
        b"]X\x01\0\0\0a\x93.",
        b"\x82\x01.",
        b"Pid\n.",
    ],
)
def test_what_harms_python_s_own_unpickler_is_refused(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(SemsimError, match="x.pkl: ") as told:
        load_builtins(tmp_path / "x.pkl")
    assert len(str(told.value)) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"Nr\xff\xff\xff\x04.",  # a place in the memo for which Python's unpickler takes a gigabyte
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",  # a frame
    ],
)
def test_numbers_that_only_help_to_reserve_memory_are_ignored(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(content)
    assert load_builtins(tmp_path / "x.pkl") is None


def test_names_are_quoted_harmlessly(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"c\x1b[31m" + b"o" * 10_000 + b"\nsystem\n.")
    with pytest.raises(SemsimError, match=r"names \\x1b\[31mo{95}: unpickling"):
        load_builtins(tmp_path / "x.pkl")


def test_more_than_any_file_has_is_not_read(monkeypatch):
    monkeypatch.setattr("semsim.io.pickles.LARGEST_PICKLE", 1000)
    with open("/dev/zero", "rb") as file, pytest.raises(SemsimError, match="x: more than 1,000 bytes"):
        load_arrays(file, "x")
