"""Observers that are pretrained networks: how images are shown, how they are fine-tuned, and what they answer."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from small_study import SIZE, attack_table, smooth_images, write_reconstructions
from torch import nn
from trunks import write_trunk

from semsim.config.study import Study
from semsim.data.dataset import ImageDataset, Split, save_dataset
from semsim.errors import SemsimError
from semsim.io.tensors import read_metadata
from semsim.observers import fine_tuning
from semsim.observers.answers import look_at
from semsim.observers.degradations import _Draw, cover, degrade, lose_contrast, mix_for_photographs
from semsim.observers.fine_tuning import (
    STEEPNESS,
    build_any,
    build_observer,
    choose_caution,
    degraded_in_part,
    fine_tune,
    least_confidence,
    moved,
)
from semsim.observers.settings import PANEL_LOOK
from semsim.observers.trunks import TRUNKS
from semsim.targets.models import load_target, save_target

FEATURES = 12


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def striped(count, seed, side=SIZE):
    """Return noisy uint8 images [count, 3, side, side] with stripes along one axis or the other, and which."""
    labels = torch.arange(count) % 2
    stripes = torch.tensor([40.0, 215]).repeat_interleave(4).repeat(side // 8)
    images = torch.where(labels[:, None, None] == 0, stripes[:, None], stripes[None])[:, None].expand(-1, 3, -1, -1)
    noisy = images + 10 * torch.randn(images.shape, generator=drawn(seed))
    return noisy.clamp(0, 255).to(torch.uint8), labels


@pytest.fixture
def trunk(monkeypatch):
    """The layers of a small network, in place of AlexNet's."""
    monkeypatch.setitem(
        TRUNKS, "alexnet", TRUNKS["alexnet"]._replace(side=SIZE, frozen=2, features=FEATURES, shown=32 * 30)
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, FEATURES, 3, 2, 1), nn.ReLU()
        )
    monkeypatch.setattr(fine_tuning, "build_layers", lambda name: layers)
    return layers.eval()


def test_severity_0_leaves_photographs_alone():
    images = torch.from_numpy(smooth_images(16, seed=1)) / 255
    torch.testing.assert_close(degrade(images, torch.zeros(16), drawn(), mix_for_photographs), images)


def test_contrast_is_lost_around_the_mean():
    images = torch.rand(8, 3, SIZE, SIZE, generator=drawn(1)) * 0.4 + 0.3
    strengths = torch.linspace(0, 1, 8)
    faded = lose_contrast(images, strengths, _Draw(drawn(2), images))
    ranges = faded.flatten(1).amax(1) - faded.flatten(1).amin(1)
    assert torch.equal(faded[0], images[0]) and (ranges.diff() < 0).all() and ranges[-1] < 1e-6


def test_patches_are_grey_and_the_rest_stays():
    images = torch.rand(200, 3, SIZE, SIZE, generator=drawn(1))
    covered = cover(images, torch.full((200,), 0.5), _Draw(drawn(2), images))
    changed = (covered != images).any(1, keepdim=True)
    assert torch.where(changed, covered - covered[:, :1], 0).abs().max() == 0
    shares = changed.float().mean((1, 2, 3))
    # Sides of up to half the image, on average a quarter: a sixteenth each, of three patches that may overlap.
    assert 0.08 < shares.mean() < 0.19 and shares.max() < 0.75
    assert torch.equal(cover(images, torch.zeros(200), _Draw(drawn(2), images)), images)


def test_a_share_of_images_is_shown_clear():
    images, _ = striped(400, seed=1)
    shown = degraded_in_part(images, drawn(1))
    assert shown.dtype == torch.uint8 and 0.33 < (shown == images).flatten(1).all(1).float().mean() < 0.5


def test_images_are_shifted_a_little_and_half_of_them_mirrored():
    side = 32
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    images = torch.stack([down, across, 0 * down]).to(torch.uint8).expand(300, -1, -1, -1)
    shown = moved(images, drawn(1)).long()
    vertical = (shown[:, 0, 16, 16] - 16).unique().tolist()
    assert vertical == [-2, -1, 0, 1, 2]
    mirrored = shown[:, 1, 0, 0] > shown[:, 1, 0, -1]
    assert 0.4 < mirrored.float().mean() < 0.6
    straight = shown[~mirrored]
    assert (straight[:, 1, 0, 16] - 16).unique().tolist() == [-2, -1, 0, 1, 2]
    assert straight[:, 0].diff(dim=1).min() == 0 and straight[:, 0].max() == side - 1, "edges are repeated"


def test_fine_tuning_teaches_what_may_change_and_nothing_else(trunk, monkeypatch):
    monkeypatch.setattr(fine_tuning, "DROPOUT", 0)  # which leaves little of a dozen features
    monkeypatch.setitem(TRUNKS, "alexnet", TRUNKS["alexnet"]._replace(shown=32 * 100))
    images, labels = striped(64, seed=1)
    before = {name: values.clone() for name, values in trunk.state_dict().items()}
    observer = build_observer("alexnet", 2, SIZE, trunk)
    losses = fine_tune(observer, images, labels, drawn(1))
    assert losses["step"].tolist() == list(range(10, 101, 10))
    assert losses["loss"].iloc[-3:].mean() < 0.9 * losses["loss"].iloc[:3].mean()
    same = {name for name, values in trunk.state_dict().items() if torch.equal(values, before[name])}
    assert same == {name for name in before if name.startswith(("0.", "1."))}
    shown, classes = striped(200, seed=2)
    named, confidence = look_at(observer, shown, drawn(), PANEL_LOOK)
    assert not observer.training and (named == classes).double().mean() > 0.95 and confidence.mean() > 0.7


def test_fine_tuning_starts_from_a_ridge_regression(trunk):
    images, labels = striped(96, seed=1)
    observer = build_observer("alexnet", 2, SIZE, trunk)
    batches = [(part / 255, classes) for part, classes in zip(images.split(32), labels.split(32), strict=True)]
    fine_tuning._set_head(observer, batches)
    with torch.no_grad():
        features = observer.features(images / 255)
        logits = observer(images / 255)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-4)
    wanted = np.eye(2)[labels]
    regression = Ridge(alpha=fine_tuning.SHRINKAGE * len(images)).fit(features.double().numpy(), wanted)
    expected = STEEPNESS * (regression.predict(features.double().numpy()) - wanted.mean(0))
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_caution_is_the_least_with_which_nine_in_ten_names_are_right():
    confidence = torch.rand(500, generator=drawn(1))
    right = torch.rand(500, generator=drawn(2)) < confidence.sqrt()
    caution = least_confidence(confidence, right)
    assert right[confidence >= caution].double().mean() >= 0.9
    lower = confidence.unique()[confidence.unique() < caution]
    assert len(lower) > 50 and all(right[confidence >= each].double().mean() < 0.9 for each in lower)
    assert least_confidence(confidence, torch.zeros(500, dtype=torch.bool)) == 0.99
    assert least_confidence(confidence, torch.ones(500, dtype=torch.bool)) == confidence.min()


def test_caution_is_chosen_on_clear_and_degraded_images(trunk):
    observer = build_observer("alexnet", 2, SIZE, trunk)
    fine_tune(observer, *striped(64, seed=1), drawn(1))
    images, labels = striped(100, seed=3)
    caution = choose_caution(observer, images, labels, drawn(4))
    shown = torch.cat([degraded_in_part(images, drawn(seed), worst=1) for seed in (5, 6, 7)])
    named, confidence = look_at(observer, shown, drawn(), PANEL_LOOK)
    right = named == labels.repeat(3)
    assert 0.84 < right[confidence >= caution].double().mean() < 1 and 0 < caution < 1
    assert right.double().mean() < 0.9, "the mixture is hard enough to need caution"


def test_a_saved_observer_answers_as_before(trunk, tmp_path):
    observer = build_observer("alexnet", 2, SIZE, trunk)
    images, labels = striped(32, seed=1)
    fine_tune(observer, images, labels, drawn(1))
    save_target(observer, tmp_path / "one.safetensors", {"caution": 0.25})
    expected, _ = look_at(observer, images, drawn(), PANEL_LOOK)
    with torch.no_grad():
        logits = observer(images / 255)
        for values in trunk.parameters():
            values.zero_()
        loaded = load_target(tmp_path / "one.safetensors", build=build_any)
        torch.testing.assert_close(loaded(images / 255), logits)
    assert build_any("convnet3", classes=2, image_size=32, width=4).spec["architecture"] == "convnet3"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A data set of stripes, reconstructions of it, and the weights of a random AlexNet, of which little is asked."""
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(TRUNKS, "alexnet", TRUNKS["alexnet"]._replace(side=64, shown=160))
    splits = {
        name: Split(images.numpy(), labels.numpy(), ["drawn"] * len(images))
        for name, (images, labels) in {
            "train": striped(4, 1),
            "originals": striped(12, 2),
            "public": striped(60, 3),
        }.items()
    }
    dataset = ImageDataset("stripes", "folder", ("down", "across"), splits)
    save_dataset(dataset, tmp_path / "stripes.safetensors", tmp_path / "index.csv")
    originals, labels = (each.numpy() for each in striped(12, 2))
    table = attack_table("stripes", "some", "dlg", labels, [])
    shown = {"original": originals, "attacked": originals, "reconstruction": originals}
    write_reconstructions(tmp_path, shown, table)
    (tmp_path / "weights").mkdir()
    write_trunk("alexnet", tmp_path / "weights")
    return tmp_path


def options(study):
    return (*("--data", study / "stripes.safetensors", "--dataset", "stripes", "--seed", 1, "--device", "cpu"),)


def tune(run_script, study, *more):
    return run_script(
        "fine_tune_observer",
        *(*options(study), "--observer", "alex", "--architecture", "alexnet", *more),
        *("--weights", study / "alex.safetensors", "--curves", study / "alex.csv"),
    )


def test_an_observer_is_fine_tuned_and_asked(run_script, study):
    done = tune(run_script, study, "--pretrained", study / "weights")
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(study / "alex.csv")["step"].iloc[-1] == 5
    caution = read_metadata(study / "alex.safetensors")["caution"]
    place = study / "reconstructions" / "stripes" / "some" / "dlg"
    done = run_script(
        "ask_observers",
        *(*options(study), "--observers", study / "alex.safetensors", "--cautions", '{"alex": null}'),
        *("--reconstructions", f"{place}.safetensors", "--tables", f"{place}.csv", "--out", study / "labels.csv"),
        *("--out-reading", study / "reading.csv", "--out-card", study / "card.md"),
    )
    assert done.returncode == 0, done.stderr
    labels, reading = pd.read_csv(study / "labels.csv"), pd.read_csv(study / "reading.csv")
    assert set(labels["kind"]) == {"simulated"} and len(labels) == 12
    assert set(reading["architecture"]) == {"alexnet"} and reading["caution"].round(6).unique() == round(caution, 6)
    card = (study / "card.md").read_text()
    assert f"| alex | alexnet | {caution:.2f} |" in card and "public images of this data set: AlexNet." in card
    assert "| observer | held-out images (6) | perfect copies (12) |" in card and "| majority |" in card
    # Perfect copies are what was reconstructed here, and one observer is the majority.
    right = (labels["label"] == pd.read_csv(f"{place}.csv")["label"]).mean()
    [line] = [line for line in card.splitlines() if line.startswith("| majority |")]
    assert line.split(" | ")[2].startswith(f"{100 * right:.1f} / ")


def test_without_weights_an_observer_says_what_to_do(run_script, study):
    done = tune(run_script, study)
    assert done.returncode == 1 and "the weights of AlexNet are missing. Run semsim fetch" in done.stderr
    assert not (study / "alex.safetensors").exists()


CONFIG = {
    "study": "panel",
    "datasets": {"pets": {"kind": "folder", "path": "pets.zip", "train": 100, "originals": 8, "public": 50}},
    "targets": {"lenet": {"architecture": "lenet"}},
    "attacks": {"dlg": {}},
}


def test_a_panel_is_the_pretrained_networks():
    study = Study(CONFIG | {"observers": {"kind": "panel", "observer-1": None}})
    assert study.observers == tuple(TRUNKS) and all(map(study.is_pretrained, study.observers))
    assert study.observer_settings("vgg16") == {"architecture": "vgg16", "width": None, "caution": None}
    assert not any(map(Study(CONFIG).is_pretrained, Study(CONFIG).observers))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observers": {"kind": "panels"}}, "'panels' is not known"),
        ({"observers": {"kind": "panel", "mine": {"architecture": "vgg3"}}}, "stands alone, without mine"),
        ({"observers": {"mine": {"architecture": "vgg16", "width": 2}}}, "vgg16 is pretrained, so its width is fixed"),
        (
            {"observers": {"kind": "panel"}, "targets": {"big": {"architecture": "torchvision:vgg11"}}},
            r"observers.vgg16: VGG16 is of the same family as targets.big \(torchvision-vgg11\)",
        ),
        (
            {"observers": {"kind": "panel"}, "targets": {"small": {"architecture": "vgg3"}}},
            "VGG16 is of the same family as targets.small",
        ),
    ],
)
def test_panels_that_cannot_be(changes, message):
    with pytest.raises(SemsimError, match=message):
        Study(CONFIG | changes)
