"""Networks from a user's file and torchvision's: built, saved, loaded, and every mistake told in words."""

import sys

import pytest
import torch
from safetensors.torch import save_file

from semsim.errors import SemsimError
from semsim.targets.models import build_target, load_target, save_target
from semsim.targets.own_networks import build_network, check_file, network_label
from semsim.targets.settings import TargetSettings

NETWORK = """
import torch
from torch import nn


class Shared(nn.Module):
    '''LayerNorm, a layer that is used twice, and no `body` or `head`.'''

    def __init__(self, classes, image_size, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.norm = nn.LayerNorm([width, image_size // 4, image_size // 4])
        self.twice = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Linear(width, classes)

    def forward(self, x):
        x = self.norm(self.stem(x)).tanh()
        for _ in range(2):
            x = self.twice(x).tanh()
        return self.out(x.mean((2, 3)))


def plain(classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def no_network(classes):
    return "no network"


def failing(classes, depth):
    return nn.Linear(depth / 0, classes)


def wrong_logits(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, classes + 1))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text(NETWORK)
    return path


def own(file, name="Shared", **arguments):
    return {"file": str(file), "name": name, "arguments": arguments}


def test_what_is_called_gets_what_it_takes(file):
    shared = build_network(own(file, width=5), classes=7, image_size=16)
    assert shared.out.out_features == 7 and shared.norm.normalized_shape == (5, 4, 4)
    assert build_network(own(file, "plain"), classes=7, image_size=16)(torch.zeros(2, 3, 16, 16)).shape == (2, 7)


def test_a_target_survives_a_file_and_a_changed_network_is_noticed(file, tmp_path):
    target = build_target(own(file), 7, 16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    save_target(target, tmp_path / "target.safetensors")
    loaded, images = load_target(tmp_path / "target.safetensors"), torch.rand(2, 3, 16, 16)
    assert not loaded.training and torch.equal(loaded(images), target.eval()(images))
    assert loaded.spec["image_size"] == 16 and loaded.spec["classes"] == 7
    file.write_text(NETWORK.replace("tanh", "relu"))
    with pytest.raises(SemsimError, match="my_net.py: this file has changed since the weights were saved"):
        load_target(tmp_path / "target.safetensors")
    file.unlink()
    with pytest.raises(SemsimError, match="my_net.py: cannot be read"):
        load_target(tmp_path / "target.safetensors")


def test_training_can_begin_with_weights(file, tmp_path):
    network = build_network(own(file), 7, 16)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    target, images = build_target(own(file), 7, 16, weights=tmp_path / "weights.safetensors"), torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(target(images), network(images))
    with pytest.raises(SemsimError, match="weights.safetensors: not the weights of my_net-Shared-width-4"):
        build_target(own(file, width=4), 7, 16, weights=tmp_path / "weights.safetensors")


def test_what_is_declared_has_to_be_there(file):
    target = build_target(own(file), 7, 16)
    for traits, ok in ((["last_bias"], True), ([], True), (["last_bias", "first_linear"], False)):
        settings = TargetSettings(architecture=own(file) | {"traits": traits})
        if ok:
            settings.check_traits(target)
            continue
        with pytest.raises(SemsimError, match=r"does not have a fully connected first layer .* traits: \[last_bias\]"):
            settings.check_traits(target)


def test_networks_of_torchvision():
    target = build_target("torchvision:resnet18", 5, 32)
    assert target(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    assert target.spec["architecture"] == "torchvision:resnet18"
    with pytest.raises(SemsimError, match="no network 'resnet19' for classifying images. Did you mean 'resnet"):
        build_target("torchvision:resnet19", 5, 32)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("absent", {}, "it does not define a function or class 'absent'"),
        ("no_network", {}, "no_network returns str, not a torch.nn.Module"),
        ("failing", {"depth": 2}, r"failing\(classes=7, depth=2\) failed. ZeroDivisionError: .*my_net.py, line 32"),
        ("plain", {"depth": 2}, "TypeError: .*unexpected keyword argument 'depth'"),
        ("wrong_logits", {}, r"my_net-wrong_logits: .* must give logits \[N, 7\], but .* it gives \[2, 8\]"),
    ],
)
def test_networks_that_cannot_be_are_explained(file, name, arguments, message):
    with pytest.raises(SemsimError, match=message):
        build_target(own(file, name, **arguments), 7, 16)


def test_files_that_cannot_be_imported_are_explained(tmp_path):
    for content, message in (
        ("import nothing_of_this_name\n", "cannot be imported. ModuleNotFoundError: .*line 1"),
        ("def build(:\n", "cannot be imported. SyntaxError"),
    ):
        (tmp_path / "net.py").write_text(content)
        with pytest.raises(SemsimError, match=message):
            build_network(own(tmp_path / "net.py"), 7, 16)
    with pytest.raises(SemsimError, match="Its name must end in .py"):
        (tmp_path / "net.txt").write_text("")
        build_network(own(tmp_path / "net.txt"), 7, 16)


def test_a_file_is_looked_at_without_running_it(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("raise RuntimeError\nfrom elsewhere import Net as build\nother = None\n")
    check_file(file, "build")
    check_file(file, "other")
    with pytest.raises(SemsimError, match="it does not define 'biuld'. Did you mean 'build'?"):
        check_file(file, "biuld")


def test_dataclasses_with_annotations_as_text(tmp_path):
    (tmp_path / "net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n\n"
        "@dataclass\nclass Sizes:\n    classes: int\n\n"
        "def build(classes):\n    return nn.Linear(3, Sizes(classes).classes)\n"
    )
    assert build_network({"file": str(tmp_path / "net.py")}, 7, 16).out_features == 7


def test_a_failed_import_leaves_no_module_behind(tmp_path):
    (tmp_path / "net.py").write_text("raise ValueError\n")
    before = {*sys.modules}
    with pytest.raises(SemsimError, match="cannot be imported. ValueError"):
        build_network(own(tmp_path / "net.py"), 7, 16)
    assert not {name for name in {*sys.modules} - before if name.startswith("network_")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import sys\nsys.exit()\n", r"cannot be imported. It ends the program \(.*line 2"),
        ("def build(classes):\n    raise SystemExit(3)\n", r"\(classes=7\) failed. It ends the program \(.*line 2"),
        ("build = dict\n", "build returns dict, not a torch.nn.Module"),
    ],
)
def test_files_that_do_something_else_are_explained(tmp_path, content, message):
    (tmp_path / "net.py").write_text(content)
    with pytest.raises(SemsimError, match=message):
        build_network(own(tmp_path / "net.py", "build"), 7, 16)


def test_what_takes_any_argument_gets_the_image_size(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef build(**k):\n    return nn.Linear(k['image_size'], k['classes'])\n"
    )
    network = build_network(own(tmp_path / "net.py", "build"), 7, 16)
    assert (network.in_features, network.out_features) == (16, 7)


@pytest.mark.parametrize("argument", ["classes", "image_size"])
def test_arguments_of_the_study_cannot_be_others(file, argument):
    with pytest.raises(SemsimError, match=f"arguments of Shared: '{argument}' is set by the study"):
        build_network(own(file, **{argument: 3}), 7, 16)


def test_labels_can_stand_in_names_of_files():
    assert network_label({"file": "a/b c.py", "name": "Net", "arguments": {"sizes": [1, 2], "p": 0.5}}) == (
        "b-c-Net-sizes--1--2--p-0.5"
    )
    assert network_label({"file": "net.py"}) == "net-build"
    long = [network_label({"file": "net.py", "arguments": {"é" * 300: last}}) for last in (1, 2)]
    assert all(len(label.encode()) <= 80 and label.startswith("net-build-é") for label in long) and long[0] != long[1]
