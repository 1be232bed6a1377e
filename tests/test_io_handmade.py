"""Files that people make: read from any editor, and what is wrong named without advice to throw anything away."""

import codecs
import os

import pytest

from semsim.errors import SemsimError
from semsim.io.handmade import read_rows, value_of
from semsim.io.texts import LARGEST, read_text

TABLE = "image,annotator\nZürich,Zoë\n"
DECOMPOSED = "image,annotator\nZu\u0308rich,Zoe\u0308\n"


def written(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        codecs.BOM_UTF8 + TABLE.encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
        DECOMPOSED.encode(),
        b'"image" , "annotator"\n\n'.replace(b" ", b"") + ' Zürich ,"Zoë"\n\n'.encode(),
    ],
)
def test_the_same_table_from_every_editor(tmp_path, content):
    table = read_rows(written(tmp_path, content), ["image", "annotator"])
    assert table.to_dict("records") == [{"image": "Zürich", "annotator": "Zoë"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE.encode("latin-1"), r"not UTF-8 but probably Latin-1 or Windows-1252, in which line 2 has 'Zürich,Zoë'"),
        (TABLE.encode("utf-16"), "UTF-16 text"),
        (TABLE.encode("utf-16-le"), "UTF-16 text, in line 1"),
        (TABLE.encode("utf-32"), "UTF-32 text"),
        (TABLE.encode("cp932", "replace") + b"\x81\x8f\x9d\n", "not UTF-8 but of another encoding: see line 3"),
        (b"PK\x03\x04 and more", "a spreadsheet workbook, or another archive"),
        (TABLE.replace(",", ";"), "columns are separated by semicolons"),
        (TABLE.replace(",", "\t"), "columns are separated by tabs"),
        (b"image,annotator\na,b\0\n", "a text with a NUL byte, in line 2"),
        ("image,annotator\na,b,c\nd\ne,f\n", r"rows that do not have 2 fields. See line 2 \(3\), 3 \(1\)"),
        ('image,annotator\na,b\n"c,d\ne,f\n', "line 3 cannot be divided into fields"),
        ('image,annotator\n"a"b,c\n', "line 2 cannot be divided into fields"),
        ("image,annotator\n" + "x" * 200_000 + ",b\n", "line 2 cannot be divided into fields"),
        ("image,annotator\na,b", "truncated, its last line has no line break"),
        ("image,image,annotator\na,b,c\n", "duplicate columns: image"),
        ("image\na\n", "columns annotator are missing"),
        ("", "empty. Its first line names the columns: image,annotator"),
        (" \n\n", "empty"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_to_be_deleted(tmp_path, content, message):
    with pytest.raises(SemsimError, match=message) as error:
        read_rows(written(tmp_path, content), ["image", "annotator"])
    assert "elete" not in str(error.value) and "\n" not in str(error.value)


def test_lines_are_those_of_the_file_whatever_fields_span(tmp_path):
    table = read_rows(written(tmp_path, 'a,b\n\n"x\ny",1\n\nz,2\n'), ["a"])
    assert [row + 2 for row in table.index] == [3, 6]


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", LARGEST + 1)
    for path, message in {
        tmp_path: "a folder, pipe, socket or device",
        tmp_path / "pipe": "a folder, pipe, socket or device",
        "/dev/zero": "a folder, pipe, socket or device",
        tmp_path / "sparse": "bytes, more than",
        tmp_path / "gone": r"cannot be read \(No such file",
        f"{tmp_path}/a\0b": "cannot be read",
    }.items():
        with pytest.raises(SemsimError, match=message):
            read_text(path)


@pytest.mark.parametrize("field", ["1-2", "1_000", "٣", "1e999999", "9" * 5000, "0x10", "infinity", "--1", "."])
def test_only_plain_numbers_are_numbers(field):
    value = value_of(field)
    assert value == field or isinstance(value, float)
