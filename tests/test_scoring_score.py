"""``semsim.score``: the same numbers as the command, from arrays, tensors and folders."""

import numpy as np
import pandas as pd
import pytest
import torch
from image_sets import make_sets
from PIL import Image

import semsim
from semsim.errors import SemsimError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    make_sets(folder, 6, noisy=30)
    return folder


@pytest.fixture(scope="module")
def of_files(folder):
    return semsim.score(folder / "originals", str(folder / "noisy"))


@pytest.fixture(scope="module")
def images(folder, of_files):
    """uint8 [2, 6, 3, H, W], in the order of the table of the files."""
    files = [[folder / name / f"{each}.png" for each in of_files["name"]] for name in ("originals", "noisy")]
    return np.stack([[np.asarray(Image.open(path)).transpose(2, 0, 1) for path in paths] for paths in files])


def test_a_row_each_pair_and_a_column_each_metric(of_files):
    assert list(of_files)[:4] == ["name", "mse", "psnr", "ssim"] and list(of_files)[-1] == "chance"
    assert len(of_files) == 6 and of_files.notna().all(axis=None)
    assert (of_files["mse"] > 0).all() and of_files["semsim"].between(0, 2).all()


@pytest.mark.parametrize(
    "given",
    [
        lambda bytes_: bytes_,
        lambda bytes_: bytes_ / 255,
        lambda bytes_: list(bytes_ / np.float32(255)),
        lambda bytes_: torch.from_numpy(bytes_),
        lambda bytes_: torch.from_numpy(bytes_ / 255).requires_grad_(),
    ],
)
def test_arrays_and_tensors_are_scored_as_files_are(images, of_files, given):
    table = semsim.score(*map(given, images), batch_size=4)
    pd.testing.assert_frame_equal(table, of_files.drop(columns="name"), rtol=1e-5, atol=1e-6)


def test_only_what_is_asked_for_is_computed(images, of_files, tmp_path):
    table = semsim.score(*images, metrics=["semsim", "mse"])
    pd.testing.assert_frame_equal(table, of_files[["semsim", "mse"]], rtol=1e-5, atol=1e-6)
    assert list(semsim.score(*images, metrics="psnr", weights=tmp_path / "nowhere")) == ["psnr"]
    torch.manual_seed(0)
    semsim.SemSim("vgg3", width=4).save_pretrained(tmp_path)
    other = semsim.score(*images, metrics="semsim", weights=tmp_path)["semsim"]
    assert (other - of_files["semsim"]).abs().min() > 1e-4


def test_metrics_of_images_too_small_have_no_value():
    grey = np.full((2, 3, 5, 5), 0.5)
    table = semsim.score(grey, grey)
    assert table["ssim"].isna().all() and (table["mse"] == 0).all() and (table["semsim"] == 0).all()


def test_files_that_cannot_be_scored_are_left_out_if_wanted(tmp_path):
    make_sets(tmp_path, 4, noisy=30)
    (tmp_path / "noisy" / "0.png").write_bytes(b"nothing")
    (tmp_path / "originals" / "2.png").unlink()
    folders = tmp_path / "originals", tmp_path / "noisy"
    with pytest.raises(SemsimError, match="2 files cannot be scored"):
        semsim.score(*folders, metrics="mse")
    assert len(semsim.score(*folders, metrics="mse", skip=True)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x[0], x[1][:5]), r"originals are \[6, 3, 32, 32\], but reconstructions \[5, 3, 32, 32\]"),
        (lambda x: (x[0].transpose(0, 2, 3, 1), x[1]), r"originals are \[6, 32, 32, 3\], but must be \[N, 3, H, W\]"),
        (lambda x: (x[0], x[1].astype(np.int64)), "reconstructions are torch.int64, but must be floats"),
        (lambda x: (x[0], x[1].astype(float)), "reconstructions range from 0 to 255, but must be finite and in"),
        (lambda x: (x[0], "noisy"), "give two folders, two files or two arrays"),
        (lambda x: (None, x[1]), "originals are a NoneType that holds no array of numbers"),
        (lambda x: ("nowhere", "noisy"), "nowhere: no such file or folder"),
    ],
)
def test_what_are_no_pairs_is_said(images, change, message):
    with pytest.raises(SemsimError, match=message):
        semsim.score(*change(images))


def test_names_are_checked(images, tmp_path):
    with pytest.raises(SemsimError, match="metrics: no metric is called 'ssmi'. Did you mean 'ssim'?"):
        semsim.score(*images, metrics=["ssmi"])
    with pytest.raises(SemsimError, match="nowhere/config.json: cannot be read"):
        semsim.score(*images, weights=tmp_path / "nowhere")
    with pytest.raises(SemsimError, match="device 'tpu' is not known"):
        semsim.score(*images, device="tpu")
