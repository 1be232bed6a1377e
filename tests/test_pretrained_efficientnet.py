"""EfficientNet-Lite against golden logits of an independent implementation: efficientnet-lite-pytorch 0.1.0."""

import pytest
import torch

from semsim.pretrained.efficientnet import EfficientNetLite
from semsim.pretrained.networks import SCALES, load_efficientnet
from semsim.pretrained.weights import LITE, find_weights

SIDES = {"efficientnet_lite0": 224, "efficientnet_lite2": 260}
"""For which they were published, and the package was asked."""


def waves(side):
    """Return an image of bytes, [1, 3, side, side], that any implementation can draw."""
    places = torch.arange(side)
    plane = places[:, None] * torch.tensor([3, 5, 7])[:, None, None] + places * torch.tensor([2, 11, 4])[:, None, None]
    return (plane + places * places[:, None] // 16)[None] % 256


def normalised(images):
    """Return bytes as the networks expect them."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in LITE)
    return (images / 255 - mean) / deviation


def set_weights(network):
    """Give a network weights that any implementation can draw."""
    for number, (name, values) in enumerate(network.state_dict().items()):
        if values.dim():
            drawn = torch.sin(torch.arange(values.numel(), dtype=torch.float64) * 12.9898 + number).view(values.shape)
            scale = (2 / values[0].numel()) ** 0.5 * 1.4 if values.dim() > 1 else 0.3
            shift = 1.0 if name.endswith("var") or (values.dim() == 1 and "bn" in name and "weight" in name) else 0.0
            values.copy_(shift + scale * drawn)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("efficientnet_lite0", [8.58033, 18.21605, 24.3405, 27.06521, 24.55212]),
        ("efficientnet_lite2", [6.04237, 11.24966, 15.73849, 16.48444, 15.60777]),
    ],
)
def test_logits_are_those_of_the_package(name, expected):
    network = EfficientNetLite(*SCALES[name]).eval()
    set_weights(network)
    with torch.no_grad():
        logits = network(normalised(waves(SIDES[name])))
    torch.testing.assert_close(logits[0, ::200], torch.tensor(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("efficientnet_lite0", [0.79038, -0.44934, 0.78774, 2.12374, 1.1081]),
        ("efficientnet_lite2", [0.90843, -0.14799, -1.4102, 2.40396, 2.00151]),
    ],
)
def test_fetched_weights_give_the_logits_of_the_package(fetched, name, expected):
    if not (path := find_weights(name)):
        pytest.skip("needs pretrained networks: semsim fetch")
    with torch.no_grad():
        logits = load_efficientnet(path, name)(normalised(waves(SIDES[name])))
    torch.testing.assert_close(logits[0, ::200], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_stages_halve_the_resolution_and_make_up_the_network():
    network = EfficientNetLite().eval()
    images, sides = torch.rand(1, 3, 50, 70), []
    values = images
    for stage in network.stages():
        values = stage(values)
        sides.append(tuple(values.shape[2:]))
    assert sides == [(25, 35), (13, 18), (7, 9), (4, 5), (2, 3)]
    torch.testing.assert_close(network.fc(values.mean((2, 3))), network(images))
