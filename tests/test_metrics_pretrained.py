"""Networks of metrics: found on disk, loaded right, never downloaded, and refused when damaged."""

import socket

import numpy as np
import pytest
import torch

from semsim.compat import import_torchvision
from semsim.errors import SemsimError
from semsim.metrics.measure import gather_networks, measure_pairs
from semsim.pretrained.networks import ALEXNET, INCEPTION, find_weights, load_inception, load_lpips, random_lpips


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Turn every attempt to open a connection into a failure of the test."""

    def refuse(*_):
        raise AssertionError("a metric touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def alexnet():
    """AlexNet with random weights, in place of the pretrained one."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return import_torchvision().models.alexnet(weights=None).eval()


@pytest.fixture(scope="module")
def weights(alexnet, tmp_path_factory):
    """A folder that holds AlexNet's weights under the name that torchvision gives them."""
    folder = tmp_path_factory.mktemp("pretrained")
    torch.save(alexnet.state_dict(), folder / ALEXNET)
    return folder


def pair():
    """Return uint8 images and their noisy copies."""
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    return reference, (reference // 2 + generator.integers(0, 128, reference.shape, dtype=np.uint8)).astype(np.uint8)


def test_lpips_has_the_weights_of_the_file(weights, alexnet):
    network = load_lpips(find_weights(ALEXNET, weights))
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        slices = network.net(images)
        torch.testing.assert_close(slices.relu1, alexnet.features[:2](images))
        torch.testing.assert_close(slices.relu5, alexnet.features[:12](images))


def test_lpips_is_told_that_images_are_in_0_to_1(weights):
    reference, reconstruction = pair()
    network = load_lpips(weights / ALEXNET)
    table = measure_pairs(reference, reconstruction, lpips_network=network)
    a, b = (torch.from_numpy(batch).float() / 127.5 - 1 for batch in (reference, reconstruction))
    with torch.inference_mode():
        np.testing.assert_allclose(table["lpips"], network(a, b).flatten(), rtol=1e-5)


def test_only_pretrained_weights_make_it_lpips(weights, tmp_path):
    with_weights = measure_pairs(*pair(), **gather_networks(32, weights))
    without = measure_pairs(*pair(), **gather_networks(32, tmp_path))
    assert "lpips" in with_weights and "lpips_random_trunk" not in with_weights
    assert "lpips_random_trunk" in without and "lpips" not in without


def test_images_too_small_for_alexnet_have_neither(tmp_path):
    assert gather_networks(30, tmp_path) == {}
    smallest = np.zeros((1, 3, 31, 31), dtype=np.uint8)
    assert measure_pairs(smallest, smallest, **gather_networks(31, tmp_path))["lpips_random_trunk"].tolist() == [0]


def test_the_random_trunk_depends_on_its_seed_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, again, other = (random_lpips(seed).net.slice1[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_are_looked_up_where_torch_hub_would_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert find_weights(ALEXNET) is None
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / ALEXNET).touch()
    assert find_weights(ALEXNET) == tmp_path / "hub" / "checkpoints" / ALEXNET


def test_a_folder_of_weights_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SemsimError, match="no such folder of pretrained weights"):
        find_weights(ALEXNET, tmp_path / "nowhere")


class Runs:
    """Unpickling this runs code."""

    def __reduce__(self):
        return exec, ("raise AssertionError('code in a weights file ran')",)


@pytest.mark.parametrize("load", [load_lpips, load_inception])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", {"features.0.weight": torch.zeros(1)}, [1], Runs()])
def test_unsuitable_weights_are_refused_by_name(load, content, tmp_path):
    path = tmp_path / (ALEXNET if load is load_lpips else INCEPTION)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(SemsimError, match=f"{path.name}: damaged or not the weights of"):
        load(path)
