"""Arrays that stay in their files: indexed as numpy's are, joined and written without being held whole."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save
from small_study import attack_table, smooth_images, write_reconstructions

from semsim.errors import SemsimError
from semsim.io import tensors
from semsim.io.stored_arrays import JoinedRows, open_arrays, same_rows, spooled
from semsim.io.tensors import encode_metadata, read_arrays, write_arrays
from semsim.learned.pairs import LabelledPairs, StackedPairs
from semsim.targets.training import channel_statistics

INDICES = [3, -1, slice(2, 9), slice(None, None, 3), slice(0, 0), [7, 0, 7, 1], np.arange(10) % 3 == 0]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two images."""
    monkeypatch.setattr(tensors, "BLOCK_BYTES", 2 * 3 * 32 * 32)


def stored(folder, name, images):
    """Write images and their numbers, and open them again."""
    write_arrays({"images": images, "numbers": np.arange(len(images))}, folder / name)
    return open_arrays(folder / name)


@pytest.mark.parametrize("index", INDICES)
def test_rows_are_those_that_numpy_gives(tmp_path, index):
    images = smooth_images(10, seed=1)
    parts = [stored(tmp_path, f"{end}.safetensors", images[end - 5 : end])["images"] for end in (5, 10)]
    whole, joined = stored(tmp_path, "whole.safetensors", images)["images"], JoinedRows([parts[0], images[5:]])
    assert whole.shape == joined.shape == images.shape and whole.dtype == images.dtype
    for array in (whole, joined, JoinedRows(parts), spooled(JoinedRows(parts))):
        assert np.array_equal(array[index], images[index]) and np.array_equal(array, images)
    chosen = np.array([8, 1, 1, 4])
    assert np.array_equal(JoinedRows(parts).where(chosen).where([True, False, True, True]), images[[8, 1, 4]])


def test_a_temporary_file_goes_with_its_rows(small_blocks):
    images = smooth_images(5, seed=3)
    rows = spooled(images)
    chosen, path = rows.where([4, 0, 4]), rows.parts[0].path
    del rows
    assert np.array_equal(chosen[:], images[[4, 0, 4]])
    del chosen
    assert not path.exists()


def test_a_file_that_is_written_in_blocks_is_that_of_safetensors(tmp_path, small_blocks):
    arrays = {
        "images": smooth_images(5, seed=2)[:, :, ::-1],
        "label": np.arange(5),
        "kept": np.array([True, False]),
        "nothing": np.zeros((0, 3), np.uint8),
        "costs": np.ones((2, 2), np.float32),
    }
    about = {"attack": "dlg", "settings": {"share": None, "name": "ü"}}
    write_arrays(arrays, tmp_path / "written.safetensors", about)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    assert (tmp_path / "written.safetensors").read_bytes() == save(contiguous, encode_metadata(about))
    for name, array in read_arrays(tmp_path / "written.safetensors").items():
        assert np.array_equal(array, arrays[name])


def test_shards_are_joined_as_if_they_had_been_one_job(house, tmp_path):
    images = {name: smooth_images(7, seed) for seed, name in enumerate(("original", "attacked", "reconstruction"))}
    table = attack_table("shapes", "plain", "dlg", np.arange(7) % 3, diverged=[4])
    whole = write_reconstructions(tmp_path / "whole", images, table)
    shards = [
        write_reconstructions(
            tmp_path / f"{rows.start}", {name: array[rows] for name, array in images.items()}, table[rows]
        )
        for rows in (slice(0, 3), slice(3, 6), slice(6, 9))
    ]
    paths, tables = zip(*shards, strict=True)
    script = house / "workflow" / "scripts" / "join_shards.py"
    joined = tmp_path / "joined.safetensors", tmp_path / "joined.csv"
    arguments = ["--images", *paths, "--tables", *tables, "--out", joined[0], "--table", joined[1]]
    subprocess.run([sys.executable, script, *arguments], check=True)
    assert [path.read_bytes() for path in joined] == [path.read_bytes() for path in whole]


def test_equality_and_statistics_need_no_whole_array(tmp_path, small_blocks):
    images = smooth_images(9, seed=3)
    array, other = stored(tmp_path, "images.safetensors", images)["images"], images.copy()
    assert same_rows(array, other) and not same_rows(array, other[:8])
    other[8, 0, 0, 0] ^= 1
    assert not same_rows(array, other)
    mean, std = channel_statistics(array)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)) / 255)
    np.testing.assert_allclose(std, images.std((0, 2, 3)) / 255)


def test_pairs_are_stacked_by_batches(tmp_path):
    images = [smooth_images(6, seed) for seed in (4, 5)]
    arrays = [stored(tmp_path, f"{place}.safetensors", each)["images"] for place, each in enumerate(images)]
    table = pd.DataFrame({"original": range(6)})
    for kind in (images, [JoinedRows([array]) for array in arrays]):
        pairs = LabelledPairs(*kind, table).where(table["original"] != 2)
        batch = StackedPairs(pairs, "cpu")[1:4]
        assert np.array_equal(batch, np.concatenate(images, axis=1)[[1, 3, 4]])


def test_a_file_that_was_cut_off_meanwhile_is_an_error(tmp_path):
    array = stored(tmp_path, "images.safetensors", smooth_images(4, seed=6))["images"]
    with (tmp_path / "images.safetensors").open("r+b") as file:
        file.truncate(array.offset + 100)
    with pytest.raises(SemsimError, match="changed while it was being read"):
        array[3]
    with pytest.raises(SemsimError, match="damaged"):
        open_arrays(tmp_path / "images.safetensors")
    with pytest.raises(SemsimError, match="no such file"):
        open_arrays(tmp_path / "none.safetensors")
