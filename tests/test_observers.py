"""Simulated observers: what they learn from, and what they answer."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import SIZE, attack_table, smooth_images, write_reconstructions

from semsim.data.dataset import ImageDataset, Split, save_dataset
from semsim.labels import check_labels, shown_images
from semsim.observers.answers import answer, look_at, noise_in
from semsim.observers.degradations import Degradation, blur, degrade, smooth
from semsim.observers.images import divide_public
from semsim.observers.settings import Look
from semsim.targets.models import build_target


@pytest.fixture
def images():
    return torch.from_numpy(smooth_images(64, seed=1)) / 255


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def striped(count, seed):
    """Return uint8 images [count, 3, SIZE, SIZE] with stripes along one axis or the other, and which."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    stripes = np.tile(np.repeat([40, 215], 4), SIZE // 8)
    images = np.where(labels[:, None, None] == 0, stripes[:, None], stripes[None])[:, None]
    noisy = images + generator.normal(0, 10, (count, 3, SIZE, SIZE))
    return noisy.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


def test_severity_0_leaves_images_alone_and_severity_1_leaves_nothing(images):
    torch.testing.assert_close(degrade(images, torch.zeros(64), drawn()), images)

    def likeness(severity):
        degraded = degrade(images, torch.full((64,), severity), drawn()).flatten(1)
        return torch.corrcoef(torch.stack([degraded.flatten(), images.flatten()]))[0, 1].item()

    by_severity = [likeness(severity) for severity in (0.2, 0.5, 0.8, 1.0)]
    assert by_severity == sorted(by_severity, reverse=True) and by_severity[0] > 0.9 and by_severity[-1] < 0.5


def test_degradation_is_an_augmentation_with_draws_of_its_own(images):
    bytes_ = (images * 255).to(torch.uint8)
    once, again, other = (Degradation()(bytes_, drawn(seed)) for seed in (1, 1, 2))
    assert once.dtype == torch.uint8 and once.shape == bytes_.shape
    assert torch.equal(once, again) and not torch.equal(once, other)
    untouched = (once == bytes_).flatten(1).all(1).float().mean()
    assert 0.3 < untouched < 0.7


def test_blur_keeps_brightness_and_smoothing_keeps_strong_edges(images):
    flat = torch.full((2, 3, SIZE, SIZE), 0.3)
    torch.testing.assert_close(blur(flat, torch.tensor([0.2, 1.0])), flat)
    edge = torch.zeros(1, 3, SIZE, SIZE)
    edge[..., SIZE // 2 :] = 1
    speckled = (edge + 0.1 * torch.randn(edge.shape, generator=drawn())).clamp(0, 1)
    smoothed = smooth(speckled, torch.tensor([0.4]))
    assert smoothed.diff(dim=2).abs().mean() < 0.5 * speckled.diff(dim=2).abs().mean()
    assert smoothed[..., SIZE // 2 + 1 :].mean() - smoothed[..., : SIZE // 2 - 1].mean() > 0.8


def test_more_caution_names_fewer_classes_and_never_others():
    torch.manual_seed(0)
    observer = build_target("convnet3", 5, SIZE, 4).eval()
    torch.nn.init.normal_(observer.network.head.weight)
    images = torch.from_numpy(smooth_images(50, seed=3))
    rash, careful, sure = (answer(observer, images, caution, drawn(), batch_size=7) for caution in (0, 0.4, 0.9))
    assert (rash >= 0).all() and (careful >= 0).sum() > (sure >= 0).sum()
    assert torch.equal(careful[careful >= 0], rash[careful >= 0])


def test_an_answer_does_not_depend_on_which_other_images_are_asked_about():
    torch.manual_seed(0)
    observer = build_target("convnet3", 5, SIZE, 4).eval()
    images = torch.from_numpy(smooth_images(20, seed=3))
    everything = answer(observer, images, 0.2, drawn())
    assert torch.equal(answer(observer, images[5:9], 0.2, drawn()), everything[5:9])


def test_a_pattern_that_noise_destroys_is_not_recognised():
    observer = build_target("lenet", 2, SIZE).eval()
    with torch.no_grad():
        for weights in observer.parameters():
            weights.zero_()

    def sees_faint_stripes(images):
        stripes = torch.tensor([1.0, -1.0]).repeat(SIZE // 2)
        score = 400 * ((images * stripes).mean((1, 2, 3)) - 0.005)
        return torch.stack([score, -score], dim=1)

    observer.forward = sees_faint_stripes
    grey = torch.full((1, 3, SIZE, SIZE), 128, dtype=torch.uint8)
    grey[..., ::2] += 6  # seen at once, but not from a pixel aside
    assert sees_faint_stripes(grey / 255).softmax(1)[0, 0] > 0.9
    assert answer(observer, grey, 0.9, drawn()).item() == -1


def looks_at(images, how):
    """Return the looks, [8, N, 3, SIZE, SIZE], that an observer is shown of uint8 images."""
    observer, shown = build_target("lenet", 2, SIZE).eval(), []

    def remember(look):
        shown.append(look.clone())
        return torch.zeros(len(look), 2)

    observer.forward = remember
    look_at(observer, images, drawn(), how)
    return torch.stack(shown)


def test_noise_is_estimated_from_what_neither_edges_nor_slopes_explain():
    slope = torch.linspace(0.3, 0.7, 64).expand(4, 3, 64, 64).clone()
    slope[..., 32:] -= 0.2  # an edge
    noisy = slope + torch.tensor([0.02, 0.05, 0.1, 0.2])[:, None, None, None] * torch.randn(
        4, 3, 64, 64, generator=drawn()
    )
    torch.testing.assert_close(noise_in(noisy), torch.tensor([0.02, 0.05, 0.1, 0.2]), rtol=0.1, atol=0.01)
    assert noise_in(slope).max() < 0.01 and torch.equal(noise_in(noisy[1:2]), noise_in(noisy)[1:2])


def test_noise_of_looks_grows_with_the_noise_in_an_image():
    images = torch.full((2, 3, SIZE, SIZE), 128, dtype=torch.uint8)
    images[1] += (5 * torch.randn(3, SIZE, SIZE, generator=drawn(1))).round().to(torch.uint8)
    own = looks_at(images, Look(0.02, induced=3)) - looks_at(images, Look(0))
    expected = (0.02**2 + (3 * noise_in(images / 255)) ** 2).sqrt()
    torch.testing.assert_close(own.std((0, 2, 3, 4)), expected, rtol=0.05, atol=0)
    assert expected[1] > 2 * expected[0] and expected[0] == pytest.approx(0.02, rel=0.01)


def test_looks_at_single_channels_are_grey_and_take_turns():
    images = torch.from_numpy(smooth_images(2, seed=3))
    looks = looks_at(images, Look(0, single_channels=True))
    assert torch.equal(looks, looks[:, :, :1].expand_as(looks))
    brightness = images.flatten(2).float().mean(2) / 255
    torch.testing.assert_close(looks[:4].mean((2, 3, 4)), brightness[:, [0, 1, 2, 0]].T)


def run_script(house, name, *arguments):
    command = [sys.executable, house / "workflow" / "scripts" / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(house / "workflow")})


def train(house, folder, name, **changes):
    training = {"epochs": 12, "batch_size": 16, "learning_rate": 0.05} | changes
    return run_script(
        house,
        "train_observer.py",
        *("--data", folder / "stripes.safetensors", "--dataset", "stripes", "--observer", "one", "--seed", 1),
        *("--architecture", "convnet3", "--width", 4, "--training", json.dumps(training)),
        *("--weights", folder / f"{name}.safetensors", "--curves", folder / f"{name}.csv"),
    )


@pytest.fixture(scope="module")
def trained(house, tmp_path_factory):
    """A data set of stripes, and an observer of it."""
    folder = tmp_path_factory.mktemp("observers")
    splits = {
        name: Split(*striped(count, count), sources=["drawn"] * count)
        for name, count in (("train", 4), ("originals", 20), ("public", 200))
    }
    save_dataset(
        ImageDataset("stripes", "folder", ("down", "across"), splits), folder / "stripes.safetensors", folder / "i.csv"
    )
    process = train(house, folder, "one")
    assert process.returncode == 0, process.stderr
    return folder


def test_an_observer_learns_to_read_and_to_give_up(house, trained, tmp_path):
    curves = pd.read_csv(trained / "one.csv")
    assert curves["validation_accuracy"].iloc[-1] > 0.9
    clear, labels = striped(20, seed=5)
    noise = np.random.default_rng(1).integers(0, 256, clear.shape, dtype=np.uint8)
    tables = []
    for target, shown, diverged in (("clear", clear, [3]), ("noise", noise, [])):
        table = attack_table("stripes", target, "dlg", labels, diverged)
        tables.append(table)
        write_reconstructions(tmp_path, {"original": clear, "attacked": clear, "reconstruction": shown}, table)
    places = [tmp_path / "reconstructions" / "stripes" / target / "dlg" for target in ("clear", "noise")]
    process = run_script(
        house,
        "ask_observers.py",
        *("--observers", trained / "one.safetensors", "--cautions", '{"one": 0.9}'),
        *("--data", trained / "stripes.safetensors", "--dataset", "stripes", "--seed", 1),
        *("--reconstructions", *(f"{place}.safetensors" for place in places)),
        *("--tables", *(f"{place}.csv" for place in places), "--out", tmp_path / "labels.csv"),
        *("--out-reading", tmp_path / "reading.csv", "--out-card", tmp_path / "card.md"),
    )
    assert process.returncode == 0, process.stderr
    given = pd.read_csv(tmp_path / "labels.csv")
    images = shown_images(pd.concat(tables))
    check_labels(given, images, {"stripes": 2})
    assert (given["kind"] == "simulated").all() and len(given) == 39
    assert "stripes/clear/dlg/3" not in set(given["image"])
    merged = given.merge(images, on="image", suffixes=("", "_true"))
    right = (merged["label"] == merged["label_true"]).groupby(merged["target"]).mean()
    assert right["clear"] > 0.9
    assert (merged.loc[merged["target"] == "noise", "label"] == -1).mean() > 0.5
    reading = pd.read_csv(tmp_path / "reading.csv").set_index("severity")
    assert (reading["images"] == 20).all() and reading["right"][0] > 0.9 > reading["right"][1]
    assert reading["cannot_tell"][1] > reading["cannot_tell"][0]
    np.testing.assert_allclose(reading[["right", "wrong", "cannot_tell"]].sum(axis=1), 1)
    shares = " / ".join(f"{100 * share:.1f}" for share in reading.loc[0, ["right", "wrong", "cannot_tell"]])
    assert f"| one | {shares} |" in (tmp_path / "card.md").read_text()  # the same answers about clear images


def test_observers_a_classifier_and_those_who_measure_them_see_different_images(trained):
    path = trained / "stripes.safetensors"
    (observers, _), (held_out, _) = divide_public(path, "stripes", 1, "observers")
    (classifier, _), (again, _) = divide_public(path, "stripes", 1, "classifier")
    parts = [{image.tobytes() for image in images} for images in (observers, classifier, held_out)]
    assert [len(part) for part in parts] == [135, 45, 20] and len(set().union(*parts)) == 200
    assert np.array_equal(again, held_out)


def test_same_seed_same_observer(house, trained):
    assert train(house, trained, "again").returncode == 0
    assert (trained / "again.safetensors").read_bytes() == (trained / "one.safetensors").read_bytes()


def test_bad_settings_are_told_in_one_line(house, trained):
    process = train(house, trained, "bad", epochs=0)
    assert process.returncode == 1 and process.stderr.startswith("error: the recipe of the training is not valid")
    assert not (trained / "bad.safetensors").exists()
