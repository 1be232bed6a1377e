"""Anybody's network as a target model."""

import logging

import pytest
import strange_networks as strange
import torch
from torch import nn

from semsim.errors import SemsimError
from semsim.targets.models import load_target, save_target
from semsim.targets.wrapping import wrap_network


def wrap(network, **settings):
    return wrap_network(network, strange.SIZE, strange.CLASSES, **settings)


def images(count=3):
    return torch.rand(count, 3, strange.SIZE, strange.SIZE, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", strange.NETWORKS)
def test_a_wrapped_network_computes_what_it_did(kind):
    expected = strange.made(kind)((images() - 0.5) / 0.25)
    target = wrap(strange.made(kind), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    torch.testing.assert_close(target(images()), expected, rtol=1e-4, atol=1e-5)
    assert target.last == "classify"
    torch.testing.assert_close(target.last_layer(target.features(images())), target(images()))


def test_a_network_stays_in_its_mode():
    network = strange.made(strange.Network).train()
    network.norm.eval()
    before = network.norm.running_mean.clone()
    wrap(network)
    assert network.training and network.classify.training and not network.norm.training
    assert torch.equal(network.norm.running_mean, before)


def test_layers_turned_into_plain_arithmetic_are_told(caplog):
    caplog.set_level(logging.WARNING)
    network = strange.made(strange.Normalised)
    names = list(network.state_dict())
    target = wrap(network)
    assert "Normalised: 3 layers (norm.0, ...) are computed in plain arithmetic" in caplog.text
    assert list(target.network.state_dict()) == names
    caplog.clear()
    wrap(strange.made(strange.Attention))
    assert "2 layers (mix.norm1, ...)" in caplog.text


@pytest.mark.parametrize("training", [False, True])
def test_plain_instance_norm_is_pytorchs(training):
    torch.manual_seed(0)
    for layer in (nn.InstanceNorm2d(3), nn.InstanceNorm2d(3, affine=True, track_running_stats=True)):
        layer.train()(torch.randn(4, 3, 8, 8) * 3 + 1)
        network = nn.Sequential(layer, nn.Flatten(), nn.Linear(192, 5)).train(training)
        inputs = torch.randn(2, 3, 8, 8)
        expected = layer.train(training)(inputs)
        wrap(network)
        assert type(layer) is not nn.InstanceNorm2d
        torch.testing.assert_close(layer(inputs), expected, rtol=1e-4, atol=1e-5)


def test_parallel_networks_are_unpacked():
    network = strange.made(strange.Network)
    assert wrap(nn.DataParallel(network)).network is network


def test_the_last_layer_can_be_named():
    assert wrap(strange.made(strange.Network), last="second").features(images()).shape == (3, 6 * 64)
    with pytest.raises(SemsimError, match="no layer 'head' that images go through. Its linear layers are classify"):
        wrap(strange.made(strange.Network), last="head")
    with pytest.raises(SemsimError, match="no layer 'mix' that images go through"):
        wrap(strange.made(strange.UnusedLayer), last="mix")


def test_a_network_that_ends_otherwise_has_no_features():
    target = wrap(nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert target.traits == set()
    with pytest.raises(SemsimError, match="does not end in a linear layer.*`last`"):
        target.features(images())


def test_traits_are_seen_not_guessed():
    flat = nn.Linear(192, 5)
    assert wrap(nn.Sequential(nn.Flatten(), flat)).traits == {"first_linear", "last_bias"}
    assert wrap(nn.Sequential(nn.Flatten(), flat, nn.LogSoftmax(1))).traits == {"first_linear", "last_bias"}
    assert wrap(nn.Sequential(nn.Flatten(), flat, nn.Softmax(1))).traits == {"first_linear"}
    assert wrap(nn.Sequential(nn.AvgPool2d(1), nn.Flatten(), nn.ReLU(), flat)).traits == {"last_bias"}
    assert wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 5, bias=False))).traits == set()


class Random(strange.Network):
    def forward(self, x):
        return super().forward(x + torch.rand(()))


class Counting(strange.Network):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


class Remembering(strange.Network):
    last = 0

    def forward(self, x):
        logits = super().forward(x) + self.last
        self.last = logits.mean().item()
        return logits


class Mixing(strange.Network):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class Tuple(strange.Network):
    def forward(self, x):
        return super().forward(x), x


class InPlace(strange.Network):
    def forward(self, x):
        x -= 0.5
        return super().forward(x)


class Rounded(strange.Network):
    def forward(self, x):
        return super().forward(x).round().long()


class InHalf(strange.Network):
    def forward(self, x):
        return super().forward(x).half()


class NotFinite(strange.Network):
    def forward(self, x):
        return super().forward(x) / 0


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (InPlace, r"InPlace modifies its input images in place.*x = x.clone\(\)"),
        (lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(192, 5)), "in place.*inplace=False"),
        (Rounded, "Rounded must give logits in floating point, but they are torch.int64"),
        (InHalf, "computes in torch.float32 but gives logits in torch.float16"),
        (NotFinite, "gives logits that are NaN or infinite for an image"),
        (Random, "Random draws random numbers in eval mode"),
        (Counting, "Counting keeps state from one call to the next"),
        (Remembering, "Remembering keeps state from one call to the next"),
        (Mixing, "Mixing gives an image different logits in a different batch"),
        (Tuple, r"Tuple must give logits \[N, 5\], but for images \[2, 3, 8, 8\] it gives tuple"),
        (lambda: nn.Conv2d(3, 5, 3), r"it gives \[2, 5, 6, 6\]"),
        (lambda: nn.Conv2d(1, 5, 3), r"Conv2d cannot be given images \[2, 3, 8, 8\]: .*channels"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 7)), r"it gives \[2, 7\]"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).requires_grad_(False),
            "has no trainable parameters",
        ),
    ],
)
def test_networks_that_cannot_be_attacked_are_refused_in_words(network, message):
    with pytest.raises(SemsimError, match=message):
        wrap(network())


class RootOf(strange.Network):
    """Has no value for noise below zero, but for images."""

    def forward(self, x):
        return super().forward(x.sqrt())


def test_a_network_may_be_made_for_images_alone():
    assert wrap(RootOf()).last == "classify"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": (0.5,)}, r"mean must be three finite numbers, one per channel, but is \(0.5,\)"),
        ({"mean": (0, 0, 0, 0)}, "mean must be three"),
        ({"mean": (0, float("nan"), 0)}, "mean must be three finite"),
        ({"std": "abc"}, "std must be three"),
        ({"std": (1, None, 1)}, "std must be three"),
        ({"std": (1, float("inf"), 1)}, "std must be three"),
        ({"std": (1, 0, 1)}, "std must be positive"),
        ({"std": (1, -1, 1)}, "std must be positive"),
        ({"last": [1]}, r"no layer '\[1\]'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SemsimError, match=message):
        wrap(strange.made(strange.Network), **settings)


def test_batchnorm_counts_as_a_trait_where_it_sees_maps():
    class Heads(strange.Network):
        def __init__(self, norm):
            super().__init__()
            self.norm = norm
            self.of_features = nn.BatchNorm1d(96)

        def forward(self, x):
            x = self.second(self.norm(self.first(x))).flatten(1)
            return self.classify(self.of_features(x))

    class Unused(strange.Network):
        def forward(self, x):
            return self.classify(self.second(self.first(x)).flatten(1))

    assert wrap(Heads(nn.BatchNorm2d(6))).traits == {"last_bias", "batchnorm"}
    assert wrap(Heads(nn.Identity())).traits == wrap(Unused()).traits == {"last_bias"}


def test_dropout_does_not_draw_in_eval_mode():
    wrap(nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 5)).train())


def test_tied_weights_survive_a_file(tmp_path):
    target = wrap(strange.made(strange.TiedWeights))
    with torch.no_grad():
        target.network.first.weight.normal_()
    save_target(target, tmp_path / "target.safetensors")
    loaded = load_target(tmp_path / "target.safetensors", build=lambda **spec: wrap(strange.made(strange.TiedWeights)))
    assert torch.equal(loaded(images()), target(images()))
    assert loaded.network.third.weight is loaded.network.second.weight
