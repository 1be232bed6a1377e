"""Files between stages: what a full disk says, and what a file says that was cut off."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import SafetensorError

from semsim.attacks.state import RunState
from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.io.tables import append_tables, read_parts, read_table, write_table
from semsim.io.tensors import read_arrays, write_arrays
from semsim.io.whole import written_whole

TABLE = pd.DataFrame({"image": ["a/1", "b, 2", 'c "3"'], "value": [0.25, 1.5, 22.75]})


class Unsaved:
    """Stands in for the outcome of an attack: PyTorch can save what it holds."""

    def __init__(self):
        self.images = torch.zeros(10_000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize(
    "name, write",
    [
        ("x.csv", lambda path: write_table(TABLE, path)),
        ("x.parquet", lambda path: write_table(TABLE, path)),
        ("x.safetensors", lambda path: write_arrays({"x": np.zeros(10_000)}, path)),
        ("x.pt", lambda path: RunState(path, "").finish_share(Unsaved())),
    ],
)
def test_a_full_disk_is_said_by_every_writer(tmp_path, name, write):
    path = tmp_path / name
    path.write_text("older")
    path.with_name(f".{path.stem}.part{path.suffix}").symlink_to("/dev/full")
    with pytest.raises(SystemExit, match=f"{name}: No space left on device. Make room"):
        run(lambda: write(path))
    assert path.read_text() == "older"
    assert not list(tmp_path.glob(".*.part*"))


def test_a_full_disk_is_said_where_safetensors_writes(tmp_path):
    def write():
        with written_whole(tmp_path / "x.safetensors"):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(SystemExit, match="x.safetensors: No space left on device. Make room"):
        run(write)


@pytest.mark.parametrize(
    "column",
    [
        np.arange(5000),
        [*range(3000), *[np.nan] * 2000],
        [*[np.nan] * 3000, *["why"] * 2000],
        [*map(str, range(3000)), *["name"] * 2000],
    ],
    ids=["numbers", "numbers, then nothing", "nothing, then text", "text that looks like numbers, then text"],
)
def test_a_long_table_is_read_as_in_one_go(tmp_path, column):
    write_table(pd.DataFrame({"column": column}), tmp_path / "x.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "x.csv"), pd.read_csv(tmp_path / "x.csv"))


def test_a_column_has_one_type_however_late_its_text_begins(tmp_path):
    write_table(pd.DataFrame({"column": ["1"] * 300_000 + ["bob"]}), tmp_path / "x.csv")
    assert set(map(type, read_table(tmp_path / "x.csv")["column"])) == {str}


def test_names_are_text_even_if_all_of_them_look_like_numbers(tmp_path):
    names = pd.DataFrame({"annotator": ["1", "01", None], "image": ["7", "1e5", "x"], "label": [1, 2, 3]})
    write_table(names, tmp_path / "x.csv")
    for table in (read_table(tmp_path / "x.csv"), *read_parts(tmp_path / "x.csv")):
        assert table["annotator"].tolist()[:2] == ["1", "01"] and table["annotator"].isna().tolist()[2]
        assert table["image"].tolist() == ["7", "1e5", "x"] and table["label"].tolist() == [1, 2, 3]


def test_tables_are_appended_as_if_they_had_been_one(tmp_path):
    append_tables([TABLE[:1], TABLE[1:]], tmp_path / "parts.csv")
    write_table(TABLE, tmp_path / "one.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    with pytest.raises(SemsimError, match="parts.csv: its parts have different columns"):
        append_tables([TABLE, TABLE[["value", "image"]]], tmp_path / "parts.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "parts.csv"), TABLE)


def test_a_table_is_read_in_parts_that_make_the_whole(tmp_path):
    table = pd.DataFrame({"name": [None, *map(str, range(4500))], "value": range(4501)})
    write_table(table, tmp_path / "x.csv")
    parts = [*read_parts(tmp_path / "x.csv")]
    assert len(parts) > 1
    pd.testing.assert_frame_equal(pd.concat(parts), pd.read_csv(tmp_path / "x.csv"), check_dtype=False)
    write_table(table[:0], tmp_path / "x.csv")
    assert [[*part] for part in read_parts(tmp_path / "x.csv")] == [["name", "value"]]
    with pytest.raises(SemsimError, match="no such table"):
        next(read_parts(tmp_path / "y.csv"))


@pytest.mark.parametrize(
    ("suffix", "read"),
    [(".csv", read_table), (".csv", lambda path: pd.concat(read_parts(path))), (".parquet", read_table)],
)
def test_a_table_that_was_cut_off_is_not_read(tmp_path, suffix, read):
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path)
    whole = path.read_bytes()
    pd.testing.assert_frame_equal(read(path), TABLE)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if suffix == ".csv" and whole[:length].endswith(b"\n"):
            continue  # a shorter table, which only those can tell from a whole one who know how many rows it has
        with pytest.raises(SemsimError, match=rf"table{suffix}: .* [Dd]elete it and run again"):
            read(path)


def test_arrays_that_were_cut_off_are_not_read(tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays({"x": np.arange(10)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SemsimError, match="x.safetensors: .* [Dd]elete it and run again"):
            read_arrays(path)
