"""Networks of metrics: found on disk, loaded right, never downloaded by a metric, and refused when damaged."""

import socket
from unittest.mock import patch

import numpy as np
import pytest
import torch
from trunks import random_trunk, write_trunk

from semsim.compat import import_torchvision
from semsim.errors import SemsimError
from semsim.metrics import METRICS
from semsim.metrics.measure import gather_networks, measure_pairs
from semsim.pretrained.networks import (
    RESOURCES,
    load_dists,
    load_inception,
    load_lpips,
    load_lpips_vgg,
    load_vgg16,
    random_lpips,
)
from semsim.pretrained.weights import NETWORKS, cached_weights, find_weights, weights_at_hand

import_torchvision()
import lpips  # noqa: E402
from torchmetrics.functional.image import dists as torchmetrics_dists  # noqa: E402

TRUNKS = {"alexnet": load_lpips, "vgg16": load_lpips_vgg}
EXTRA = ("lpips_vgg", "dists")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Turn every attempt to open a connection into a failure of the test."""

    def refuse(*_):
        raise AssertionError("a metric touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder that holds random weights of both networks under the names that torchvision gives them."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name in TRUNKS:
        write_trunk(name, folder)
    return folder


def path_of(name, folder):
    return folder / NETWORKS[name].file


def images(size=32, count=3):
    """Return images and their noisy copies, float in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(count, 3, size, size, generator=generator)
    return reference, (reference + 0.2 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)


def pair():
    """The same as bytes."""
    return [(255 * batch).byte().numpy() for batch in images()]


@pytest.mark.parametrize(("name", "slices"), [("alexnet", (2, 5, 8, 10, 12)), ("vgg16", (4, 9, 16, 23, 30))])
def test_lpips_has_the_weights_of_the_file(weights, name, slices):
    network, trunk = TRUNKS[name](find_weights(name, weights)), random_trunk(name)
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        for found, end in zip(network.net(batch), slices, strict=True):
            torch.testing.assert_close(found, trunk[:end](batch))


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision.models")
@pytest.mark.parametrize(("name", "net"), [("alexnet", "alex"), ("vgg16", "vgg")])
def test_lpips_is_that_of_its_package(fetched, name, net):
    """With the pretrained trunk in place of the random one that the package would make of these options."""
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    ours = TRUNKS[name](find_weights(name))
    theirs.net.load_state_dict(ours.net.state_dict())
    metric = METRICS["lpips" if name == "alexnet" else "lpips_vgg"]
    for size in (32, 64, 100):
        reference, reconstruction = images(size)
        with torch.inference_mode():
            expected = theirs(2 * reference - 1, 2 * reconstruction - 1).flatten()
            found = metric.function(reference, reconstruction, ours)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def torchmetrics_network(path):
    """Return torchmetrics' network of DISTS, which asks torchvision for VGG16, with the convolutions of a file."""
    vgg16 = torch.nn.Module()
    vgg16.features = load_vgg16(path)
    with patch.object(torchmetrics_dists, "vgg16", lambda weights: vgg16):
        return torchmetrics_dists.DISTSNetwork()


@pytest.mark.parametrize("size", [16, 32, 50])
def test_dists_is_that_of_torchmetrics(weights, size):
    path = path_of("vgg16", weights)
    check_dists(load_dists(path), torchmetrics_network(path), size)


def test_pretrained_dists_is_that_of_torchmetrics(fetched):
    path = find_weights("vgg16")
    check_dists(load_dists(path), torchmetrics_network(path), 64)


def check_dists(ours, theirs, size):
    reference, reconstruction = images(size)
    for other in (reconstruction, torch.zeros_like(reference), reference.flip(-1)):
        with torch.inference_mode():
            torch.testing.assert_close(ours(reference, other), theirs(reference, other), rtol=0, atol=1e-5)
            assert (ours(reference, reference) == 0).all()


def test_pretrained_networks_tell_near_from_far(fetched):
    """Weights in the wrong layers, or kernels turned the wrong way, would still give some distance."""
    from skimage import data

    image = torch.from_numpy(data.astronaut()[:224:2, 120:344:2].copy()).permute(2, 0, 1)[None] / 255
    blurred = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
    with torch.inference_mode():
        relu5 = load_vgg16(find_weights("vgg16"))((image - 0.45) / 0.225)
        assert 0.05 < (relu5 > 0).float().mean() < 0.6  # sparse, as in trained networks
        networks = gather_networks(112, extra=EXTRA)
        for name in ("lpips", *EXTRA):
            values = [
                METRICS[name](networks | {"reference": image, "reconstruction": other}).item()
                for other in (image, image * 0.95, blurred, image.flip(-2))
            ]
            assert values == sorted(values) and values[0] == 0 and values[1] < 0.1 < 0.25 < values[3], (name, values)


def test_lpips_is_told_that_images_are_in_0_to_1(weights):
    reference, reconstruction = pair()
    network = load_lpips(path_of("alexnet", weights))
    table = measure_pairs(reference, reconstruction, lpips_network=network)
    a, b = (torch.from_numpy(batch).float() / 127.5 - 1 for batch in (reference, reconstruction))
    with torch.inference_mode():
        np.testing.assert_allclose(table["lpips"], network(a, b).flatten(), rtol=1e-5)


def test_only_pretrained_weights_make_it_lpips(weights, tmp_path):
    with_weights = measure_pairs(*pair(), **gather_networks(32, weights))
    without = measure_pairs(*pair(), **gather_networks(32, tmp_path))
    assert "lpips" in with_weights and "lpips_random_trunk" not in with_weights
    assert "lpips_random_trunk" in without and "lpips" not in without


def test_extra_metrics_are_computed_where_they_are_named(weights):
    assert set(gather_networks(32, weights)) == {"lpips_network"}
    networks = gather_networks(32, weights, extra=EXTRA)
    assert set(networks) == set(RESOURCES)
    assert not {*EXTRA} & {*measure_pairs(*pair(), **networks)}
    table = measure_pairs(*pair(), extra=EXTRA, **networks)
    assert (table[list(EXTRA)] > 0).all(axis=None)


def test_images_too_small_for_a_network_have_no_value_of_it(weights, tmp_path):
    assert gather_networks(30, tmp_path) == {} == gather_networks(15, weights, extra=EXTRA)
    assert set(gather_networks(16, weights, extra=EXTRA)) == {"lpips_vgg_network", "dists_network"}
    smallest = np.zeros((1, 3, 31, 31), dtype=np.uint8)
    assert measure_pairs(smallest, smallest, **gather_networks(31, tmp_path))["lpips_random_trunk"].tolist() == [0]
    networks = gather_networks(31, weights, extra=EXTRA)
    assert set(measure_pairs(smallest[..., :16], smallest[..., :16], extra=EXTRA, **networks)) == {
        *("mse", "psnr", "ssim"),
        *EXTRA,
    }


def test_the_random_trunk_depends_on_its_seed_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, again, other = (random_lpips(seed).net.slice1[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loading_draws_no_random_numbers(weights):
    before = torch.random.get_rng_state()
    load_lpips(path_of("alexnet", weights))
    load_dists(path_of("vgg16", weights))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_are_looked_up_in_the_folder_then_in_torch_hub_then_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    assert find_weights("alexnet", folder) is None and weights_at_hand() == []
    places = (cached_weights("alexnet"), path_of("alexnet", tmp_path / "torch" / "hub" / "checkpoints"))
    for path in (*places, path_of("alexnet", folder)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert find_weights("alexnet", folder) == path
    assert find_weights("alexnet") == places[1] and weights_at_hand() == ["alexnet"]


@pytest.mark.parametrize("variables", [{"TORCH_HOME": "here"}, {"XDG_CACHE_HOME": "here"}, {}])
def test_the_folder_of_torch_hub_is_the_one_that_torch_uses(monkeypatch, tmp_path, variables):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    path = path_of("vgg16", tmp_path / torch.hub.get_dir() / "checkpoints")
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_weights("vgg16") == path


def test_a_folder_of_weights_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SemsimError, match="no such folder of pretrained weights"):
        find_weights("alexnet", tmp_path / "nowhere")


class Runs:
    """Unpickling this runs code."""

    def __reduce__(self):
        return exec, ("raise AssertionError('code in a weights file ran')",)


@pytest.mark.parametrize("load", [load_lpips, load_dists, load_inception])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", {"features.0.weight": torch.zeros(1)}, [1], Runs()])
def test_unsuitable_weights_are_refused_by_name(load, content, tmp_path):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
        (tmp_path / "weights.safetensors").write_bytes(content)
        with pytest.raises(SemsimError, match="weights.safetensors: damaged, or not a checkpoint .* semsim fetch"):
            load(tmp_path / "weights.safetensors")
    else:
        torch.save(content, path)
    with pytest.raises(
        SemsimError,
        match=r"weights.pth: (damaged|it is a list|not the weights of).* semsim fetch",
    ):
        load(path)
