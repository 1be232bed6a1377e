"""Pairs that look wrong are told, and matched by likeness where that is asked for."""

import shutil
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import torch
from image_sets import make_sets, noisy, save, smooth
from PIL import Image

import semsim as library
from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.pretrained.networks import random_lpips
from semsim.pretrained.weights import NETWORKS
from semsim.scoring import likeness
from semsim.scoring.likeness import assign, doubt, nearer_to_another


@pytest.fixture
def folder(tmp_path):
    """Twelve originals and their noisy reconstructions, with their names, and in another order under other ones."""
    names = make_sets(tmp_path, 12, noisy=30)
    for place, name in enumerate(names):
        (tmp_path / "batch").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "noisy" / f"{name}.png", tmp_path / "batch" / f"step-{5 * place % 12}.png")
        other = tmp_path / "swapped" / f"{names[(place + 1) % 12]}.png"
        other.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "noisy" / f"{name}.png", other)
    return tmp_path


@pytest.fixture
def semsim(semsim_in, folder):
    return semsim_in(folder)


def test_nearer_is_counted_once_each_and_ties_do_not_count():
    originals = np.array([[0], [10], [20], [20]], dtype=np.uint8)
    assert nearer_to_another(originals, originals) == (0, 4)
    assert nearer_to_another(originals, originals[[1, 0, 2, 3]]) == (2, 4)
    assert nearer_to_another(originals, np.full_like(originals, 5)) == (2, 4)
    assert nearer_to_another(originals[:1], originals[1:2]) == (0, 1)


def test_large_sets_are_checked_in_part(monkeypatch):
    monkeypatch.setattr(likeness, "MOST_CHECKED", 50)
    originals = np.random.default_rng(0).integers(0, 256, (400, 12), dtype=np.uint8)
    assert nearer_to_another(originals, originals) == (0, 50)
    nearer, compared = nearer_to_another(originals, np.roll(originals, 1, axis=0))
    assert compared == 50 and nearer > 40


def test_the_assignment_is_the_best_of_all():
    generator = np.random.default_rng(1)
    originals, reconstructions = generator.random((2, 6, 5))
    costs = ((originals[:, None] - reconstructions) ** 2).sum(axis=2)
    best = min(permutations(range(6)), key=lambda order: costs[range(6), order].sum())
    assert tuple(assign(originals, reconstructions)) == best
    partners = assign(originals, reconstructions[:4])
    assert (partners == -1).sum() == 2 and sorted(partners[partners >= 0]) == [0, 1, 2, 3]
    assert len(set(assign(originals[:4], reconstructions))) == 4


def test_most_have_to_be_nearer_to_another_one():
    originals = np.array([[0], [10], [20], [30]], dtype=np.uint8)
    assert not doubt(originals, originals[[1, 0, 2, 3]], "images", "help")
    sentence = doubt(originals, originals[[1, 2, 0, 3]], "images", "help")
    assert sentence.startswith("3 of 4 images are nearer to another original than to their own (by chance, about 3")


def test_swapped_pairs_are_told_and_right_ones_are_not(semsim):
    status, _, errors = semsim("score", "originals", "noisy", "--metrics", "mse")
    assert status == 0 and "nearer to another" not in errors
    status, said, errors = semsim("score", "originals", "swapped", "--metrics", "mse")
    assert status == 0 and "warning: 12 of 12 reconstructions are nearer to another original" in errors
    assert "--match pairs them by similarity." in errors and said
    _, _, errors = semsim("compare", "originals", "noisy", "mixed=swapped", "--metrics", "mse")
    assert "12 of 12 reconstructions of mixed are nearer" in errors and "of noisy" not in errors


def test_images_are_matched_whatever_their_names(semsim, tmp_path):
    status, _, errors = semsim("score", "originals", "batch", "--metrics", "mse,ssim")
    assert status == 1 and "'0' in the first and 'step-0' in the second" in errors and "--match" in errors
    semsim("score", "originals", "noisy", "--metrics", "mse,ssim", "--out", "right.csv")
    status, said, errors = semsim("score", "originals", "batch", "--metrics", "mse,ssim", "--match", "--out", "m.csv")
    assert status == 0 and "nearer to another" not in errors
    assert (
        "Matched by similarity (an optimal assignment of thumbnails of 8x8 pixels), not by name: 0 of 12 pairs" in said
    )
    table = read_table("m.csv")
    assert dict(zip(table["name"], table["reconstruction"], strict=True))["deep/1"] == "step-5.png"
    pd.testing.assert_frame_equal(table.drop(columns="reconstruction"), read_table("right.csv"))


def test_sets_are_matched_each_by_itself(semsim):
    status, said, _ = semsim("compare", "originals", "batch", "swapped", "noisy", "--match", "--metrics", "mse")
    means = [line.split()[2] for line in said.splitlines() if line.split()[:1] in (["batch"], ["swapped"], ["noisy"])]
    assert status == 0 and len(set(means[:3])) == 1 and "12 of 36 pairs share a name." in said


def test_what_is_left_without_a_partner_is_named(semsim, folder):
    (folder / "batch" / "step-0.png").write_bytes(b"no image")
    (folder / "batch" / "step-5.png").unlink()
    status, _, errors = semsim("score", "originals", "batch", "--match", "--metrics", "mse")
    assert status == 1 and "originals/0.png (nothing is left for it in batch)" in errors
    assert "originals/deep/1.png (nothing is left" in errors and "batch/step-0.png (not an image" in errors
    status, said, _ = semsim("score", "originals", "batch", "--match", "--metrics", "mse", "--skip")
    assert status == 0 and said.startswith("10 pairs")
    save(smooth(np.random.default_rng(9)), folder / "noisy" / "more.png")
    status, _, errors = semsim("score", "originals", "noisy", "--match", "--metrics", "mse")
    assert status == 1 and "noisy/more.png (no original is left for it)" in errors


def test_too_many_to_compare_each_with_each_are_refused(semsim, monkeypatch):
    monkeypatch.setattr(likeness, "MOST_MATCHED", 11)
    status, _, errors = semsim("score", "originals", "batch", "--match", "--metrics", "mse")
    assert status == 1 and "12 images are too many to be matched by similarity" in errors


def test_arrays_are_matched_and_doubted_in_python():
    generator = np.random.default_rng(0)
    originals = np.stack([smooth(generator) for _ in range(9)])
    order = generator.permutation(9)
    mixed = np.stack([noisy(generator, originals[place], 30) for place in order]).transpose(0, 3, 1, 2)
    originals = originals.transpose(0, 3, 1, 2)
    found = library.match(originals, torch.from_numpy(mixed / 255))
    np.testing.assert_array_equal(order[found], np.arange(9))
    with pytest.warns(UserWarning, match="of 9 reconstructions are nearer to another original.*semsim.match"):
        doubtful = library.score(originals, mixed, metrics="mse")
    assert library.score(originals, mixed[found], metrics="mse")["mse"].max() < 0.02 < doubtful["mse"].mean()
    with pytest.raises(SemsimError, match="9 originals cannot be matched with 8 reconstructions"):
        library.match(originals, mixed[:8])


@pytest.mark.filterwarnings("error")
def test_right_pairs_raise_no_warning_in_python(folder):
    library.score(folder / "originals", folder / "noisy", metrics="mse")


def test_other_sizes_are_resized_where_that_is_asked_for(semsim, folder):
    for path in (folder / "noisy").rglob("*.png"):
        Image.open(path).resize((48, 40), Image.Resampling.BICUBIC).save(path)
    status, _, errors = semsim("score", "originals", "noisy", "--metrics", "psnr")
    assert status == 1 and "48x40 pixels, but its original 32x32" in errors and "With --resize, reconstr" in errors
    status, said, errors = semsim("score", "originals", "noisy", "--metrics", "psnr", "--resize", "--report", "s.html")
    assert status == 0 and "resized 12 reconstructions to their originals' sizes." in errors
    assert said.startswith("12 pairs")
    assert (library.score("originals", "noisy", metrics="psnr", resize=True)["psnr"] > 20).all()


def test_the_weights_of_lpips_are_taken_from_a_folder(semsim, folder):
    (folder / "weights").mkdir()
    status, _, errors = semsim("score", "originals", "noisy", "--pretrained", "weights")
    assert status == 1 and f"weights: has none of {NETWORKS['alexnet'].file}" in errors
    state = random_lpips(seed=3).net.state_dict()
    trunk = {f"features.{name.partition('.')[2]}": values for name, values in state.items()}
    torch.save(trunk, folder / "weights" / NETWORKS["alexnet"].file)
    words = ("score", "originals", "noisy", "--metrics", "lpips", "--pretrained", "weights", "--out", "s.csv")
    assert semsim(*words)[0] == 0
    expected = library.score("originals", "noisy", metrics="lpips", pretrained="weights")
    assert (expected["lpips"] > 0).all() and np.allclose(read_table("s.csv")["lpips"], expected["lpips"])
    _, said, _ = semsim("score", "originals", "noisy", "--pretrained", "weights")
    assert "LPIPS (AlexNet)" in said and "More metrics, if listed in --metrics: " in said
    assert "lpips" in semsim("compare", "originals", "noisy", "swapped", "--pretrained", "weights")[1].lower()
    for given, message in {("none",): "none: no such folder", ("weights", "--metrics", "mse"): "only used by"}.items():
        status, _, errors = semsim("score", "originals", "noisy", "--pretrained", *given)
        assert status == 1 and message in errors


def test_the_scale_of_semsim_is_that_of_the_images_at_hand(semsim):
    _, said, _ = semsim("score", "originals", "noisy", "--metrics", "semsim")
    line = next(line for line in said.splitlines() if line.startswith("- SemSim is 0 for identical images;"))
    images = np.stack([np.asarray(Image.open(path)) for path in sorted_originals()]).transpose(0, 3, 1, 2)
    metric = library.SemSim.from_pretrained("embedded")
    apart = metric(images[:-1] / 255, images[1:] / 255).detach().numpy()
    assert f"between different originals here, its median is {np.median(apart):.3f} (11 pairs)" in line
    _, said, _ = semsim("score", "originals/0.png", "noisy/0.png", "--metrics", "semsim")
    assert "SemSim is 0 for identical images." in said
    assert "SemSim is 0" not in semsim("score", "originals", "noisy", "--metrics", "mse")[1]


def sorted_originals():
    """Return the originals in the order of the table."""
    names = [f"{'deep/' if number % 2 else ''}{number}" for number in range(12)]
    return [f"originals/{name}.png" for name in sorted(names)]
