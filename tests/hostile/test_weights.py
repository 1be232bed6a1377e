"""Weights of SemSim that come from anybody: they run nothing, take no more memory than they hold, and do not hang."""

import json
import os
import shutil
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from semsim import SemSim
from semsim.errors import SemsimError
from semsim.io.tensors import read_metadata
from semsim.learned.shipped import EMBEDDED, shipped_weights, training_of


@pytest.fixture
def folder(tmp_path):
    """A copy of the weights that come with the package."""
    return shutil.copytree(shipped_weights()[EMBEDDED], tmp_path / "weights")


def configured(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "torchvision:resnet18"}, "backbone must be one of"),
        ({"backbone": ["mobilenet"]}, "backbone must be one of"),
        ({"width": 10**30}, "width must be a whole number from 1 to 10,000"),
        ({"width": True}, "width must be a whole number"),
        ({"image_size": 10**9}, "image_size must be a whole number from 1 to 1,024"),
        ({"image_size": 32.0}, "image_size must be a whole number"),
        ({"backbone": "mlp", "width": 10_000, "image_size": 1024}, "model.safetensors: not the weights"),  # 126 GB
        ({"normalised": "no"}, "normalised must be true or false"),
        ({"mean": [float("nan")] * 3}, "mean must be three finite numbers"),
        ({"mean": None}, "mean must be three finite numbers"),
        ({"std": [1, 0, 1]}, "std must be three finite numbers, those of std above 0"),
        ({"reduction": "sum"}, "not the configuration of a SemSim"),
        ({"x" * 9_000: 1}, "not the configuration of a SemSim"),
    ],
)
def test_a_configuration_of_anybody_is_refused_in_a_line(folder, changes, message):
    configured(folder, **changes)
    with pytest.raises(SemsimError, match=message) as error:
        SemSim.from_pretrained(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 1000


def test_a_configuration_runs_no_file(folder, tmp_path):
    mark = tmp_path / "run"
    (tmp_path / "net.py").write_text(f"open({str(mark)!r}, 'w')\n")
    configured(folder, backbone={"file": str(tmp_path / "net.py"), "name": "build"})
    with pytest.raises(SemsimError, match="backbone must be one of"):
        SemSim.from_pretrained(folder)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"[]", b"[" * 60_000, b'{"a": "\xff"}', b'{"width": ' + 5_000 * b"9"])
def test_what_is_no_configuration_is_told(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(SemsimError, match="config.json: not the configuration of a SemSim"):
        SemSim.from_pretrained(folder)


def test_a_configuration_is_a_small_file(folder):
    config = folder / "config.json"
    config.write_bytes(b" " * 70_000)
    with pytest.raises(SemsimError, match="config.json: 70,000 bytes, more than 65,536"):
        SemSim.from_pretrained(folder)
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(SemsimError, match="config.json: a folder, pipe, socket or device, not a file"):
        SemSim.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor * float("nan"), "has values that are not finite real numbers"),
        (lambda tensor: tensor.to(torch.complex64), "has values that are not finite real numbers"),
        (lambda tensor: tensor.to(torch.int8), "not the weights of the metric"),
        (lambda tensor: tensor.flatten()[:1].clone(), "not the weights of the metric"),
    ],
)
def test_tensors_that_are_no_weights_are_told(folder, change, message):
    path = folder / "model.safetensors"
    state = {name: change(each) if each.is_floating_point() else each for name, each in load_file(path).items()}
    save_file(state, path)
    with pytest.raises(SemsimError, match=message) as error:
        SemSim.from_pretrained(folder)
    assert len(str(error.value)) < 1000


def test_weights_in_half_precision_compute_in_single(folder):
    path, images = folder / "model.safetensors", torch.rand(2, 3, 32, 32)
    save_file({name: each.half() if each.is_floating_point() else each for name, each in load_file(path).items()}, path)
    halved, whole = SemSim.from_pretrained(folder), SemSim.from_pretrained(EMBEDDED)
    torch.testing.assert_close(halved(images, 1 - images), whole(images, 1 - images), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("metadata", ["[" * 50_000, "[1]", "{", "9" * 5_000])
def test_a_header_of_anybody_is_told(folder, metadata):
    path = folder / "model.safetensors"
    save_file(load_file(path), path, {"semsim": metadata})
    with pytest.raises(SemsimError, match="its header is damaged"):
        read_metadata(path)


@pytest.mark.parametrize(
    "card",
    [
        "The annotators are **" * 100_000,
        "# SemSim, trained by the study `a`" + "The annotators are **" * 100_000,
        "# SemSim, trained by the study `a` The annotators are **a**" + "x" * 1_000_000,
        "# SemSim, trained by the study `" * 50_000,
    ],
)
def test_a_long_card_is_read_at_once(folder, card):
    (folder / "CARD.md").write_text(card)
    start = time.monotonic()
    assert training_of(folder) == "It is unknown what SemSim was trained on: there is no card with its weights."
    assert time.monotonic() - start < 5


def test_a_card_cannot_command_the_terminal(folder):
    (folder / "CARD.md").write_text("# SemSim, trained by the study `a\x1b[2J`\nThe annotators are **b\x07**.\n")
    assert training_of(folder) == "SemSim was trained by the study a[2J on labels of b."
