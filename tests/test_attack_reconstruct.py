"""`semsim.reconstruct`: an attack on anybody's network, as one function."""

import threading
import warnings

import numpy as np
import pytest
import strange_networks as strange
import torch
from torch import nn

from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS as LABEL_RULES
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.outer_products import written_out
from semsim.attacks.priors import PRIORS
from semsim.attacks.reconstruct import reconstruct
from semsim.attacks.settings import PRESETS, AttackSettings
from semsim.errors import SemsimError
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target

SIZE, CLASSES = strange.SIZE, strange.CLASSES
LABELS = torch.tensor([1, 4])


@pytest.fixture
def images():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 32), nn.ReLU(), nn.Linear(32, CLASSES))


@pytest.mark.parametrize("kind", [strange.Network, *strange.NETWORKS])
def test_any_network_gives_its_images_away_bit_by_bit(images, kind):
    found = reconstruct(strange.made(kind), images, LABELS, steps=30, device="cpu")
    assert found.images.shape == images.shape and found.images.dtype == torch.float32
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert (found.costs < 0.7 * found.initial_costs).all()
    assert found.status == ("finished", "finished")
    assert found.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("normalised", [False, True])
def test_the_closed_form_gives_the_image_itself(images, normalised):
    normalisation = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)} if normalised else {}
    found = reconstruct(perceptron(), images, LABELS, "analytic", device="cpu", **normalisation)
    assert found.labels.tolist() == LABELS.tolist()
    assert (found.images - images).abs().max() <= 0.51 / 255  # what 8 bits cost
    as_bytes = (images * 255).to(torch.uint8)
    found = reconstruct(perceptron(), as_bytes.numpy(), LABELS.numpy(), "analytic", device="cpu", **normalisation)
    assert torch.equal((found.images * 255).round().to(torch.uint8), as_bytes)


def test_images_are_not_rounded_before_they_are_attacked(images):
    # Between two steps of 8 bits: rounded first, both images would share one gradient.
    pair = torch.full((2, 3, SIZE, SIZE), 0.5)
    pair[1] += 0.2 / 255
    found = reconstruct(perceptron(), pair, torch.tensor([1, 1]), "dlg", steps=0, device="cpu")
    assert found.costs[0] != found.costs[1]


def test_the_seed_alone_decides(images):
    once, again, other = (
        reconstruct(strange.made(strange.Network), images, LABELS, steps=5, seed=seed, device="cpu")
        for seed in (1, 1, 2)
    )
    assert torch.equal(once.images, again.images) and torch.equal(once.costs, again.costs)
    assert not torch.equal(once.images, other.images)
    first = reconstruct(strange.made(strange.Network), images[:1], LABELS[:1], steps=5, seed=1, device="cpu")
    torch.testing.assert_close(first.costs[0], once.costs[0], rtol=1e-3, atol=1e-5)


def test_the_module_stays_as_it_is(images):
    network = strange.made(strange.Normalised).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    reconstruct(network, images, LABELS, steps=2, device="cpu")
    assert network.training
    assert [type(module) for module in network.modules()] == kinds
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_target_model_is_taken_as_it_is(images):
    torch.manual_seed(0)
    target = build_target("mlp", CLASSES, SIZE, 16, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    found = reconstruct(target, images, LABELS, "analytic", device="cpu")
    assert (found.images - images).abs().max() <= 0.51 / 255
    with pytest.raises(SemsimError, match="a target model has its own mean, std and last layer"):
        reconstruct(target, images, LABELS, mean=(0.5, 0.5, 0.5), device="cpu")
    with pytest.raises(SemsimError, match="the images have 12 pixels a side, the target 8"):
        reconstruct(target, torch.rand(2, 3, 12, 12), LABELS, device="cpu")


def test_settings_change_the_preset(images):
    found = reconstruct(
        perceptron(), images, LABELS, "invertgrad", steps=3, device="cpu", restarts=2, priors={"total_variation": 1.0}
    )
    assert (found.settings.steps, found.settings.restarts) == (3, 2)
    assert found.settings.priors == {"total_variation": 1.0}


def test_priors_that_are_left_out_are_told(images, caplog):
    found = reconstruct(perceptron(), images, LABELS, "gradinversion", steps=1, restarts=2, device="cpu")
    assert found.left_out == ("prior batchnorm needs a target model with BatchNorm layers on feature maps",)
    assert "images/Sequential/gradinversion: prior batchnorm needs" in caplog.text
    assert reconstruct(strange.made(strange.Network), images, LABELS, steps=0, device="cpu").left_out == ()


def test_batchnorm_layers_that_the_prior_cannot_use_are_told(images, caplog):
    settings = {"steps": 1, "restarts": 2, "device": "cpu"}
    network = perceptron()
    network.insert(2, nn.BatchNorm1d(32))
    found = reconstruct(network, images, LABELS, "gradinversion", **settings)
    assert found.left_out == ("prior batchnorm needs a target model with BatchNorm layers on feature maps",)
    network.insert(0, nn.BatchNorm2d(3))
    found = reconstruct(network, images, LABELS, "gradinversion", **settings)
    assert found.left_out == (
        "prior batchnorm has nothing to compare in BatchNorm layer '3', which is given no feature maps",
    )
    assert found.left_out[0] in caplog.text


class NoDefence(GradientDefence):
    """Shares nothing but zeros."""

    def acts_on(self, use):
        return use == "shared"

    def apply_per_sample(self, gradients, generators):
        return [torch.zeros_like(gradient) for gradient in gradients]


def test_what_a_defence_hides_cannot_be_found(images):
    found = reconstruct(perceptron(), images, LABELS, "analytic", device="cpu", defence=NoDefence())
    assert found.status == ("diverged", "diverged")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": "tensors"},
        {"images": "tensors that require a gradient"},
        {"images": "arrays"},
        {"labels": LABELS.to(torch.uint16)},
        {"labels": LABELS.numpy().astype(np.uint16)},
        {"labels": LABELS.tolist()},
        {"labels": list(LABELS)},
        {"seed": np.int64(0)},
        {"memory_gib": 1e300},
        {"memory_gib": 2},
        {"device": torch.device("cpu")},
        {"defence": {"kind": "prune", "share": 0.0}},
    ],
    ids=str,
)
def test_what_means_the_same_gives_the_same(images, changes):
    listed = {
        "tensors": list(images),
        "tensors that require a gradient": [each.clone().requires_grad_() for each in images],
        "arrays": list(images.numpy()),
    }
    given = {"module": perceptron(), "images": images, "labels": LABELS, "steps": 2, "seed": 0, "device": "cpu"}
    expected = reconstruct(**given)
    if "images" in changes:
        changes = {"images": listed[changes["images"]]}
    assert torch.equal(reconstruct(**given | changes).images, expected.images)


def with_weights(value):
    network = perceptron()
    network[1].weight.data[0, 0] = value
    return network


def with_attribute(value):
    network = perceptron()
    network.kept = value
    return network


def with_old_weight_norm():
    network = perceptron()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(network[1])
    return network


def compiled_by(how, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return how(perceptron(), *arguments)


class Detached(strange.Network):
    def forward(self, x):
        return super().forward(x).detach()


def target_with(buffer, value):
    target = build_target("mlp", CLASSES, SIZE, 16)
    getattr(target, buffer).fill_(value)
    return target


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: perceptron().double(), r"parameter 1.weight .* is torch.float64, .* Give a copy in float32"),
        (lambda: perceptron().half(), "is torch.float16"),
        (lambda: perceptron().bfloat16(), "is torch.bfloat16"),
        (lambda: with_weights(np.nan), "parameter 1.weight of Sequential holds NaN or infinity"),
        (lambda: with_weights(np.inf), "holds NaN or infinity"),
        (lambda: target_with("std", 0), "logits that are NaN or infinite for the first image"),
        (lambda: compiled_by(torch.jit.script), "compiled by torch.jit"),
        (lambda: compiled_by(torch.jit.trace, torch.rand(1, 3, SIZE, SIZE)), "compiled by torch.jit"),
        (with_old_weight_norm, "cannot be copied.*use those of torch.nn.utils.parametrizations"),
        (lambda: with_attribute(threading.Lock()), "cannot be copied.*locks"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)), "lazy layers .* Call it on a batch"),
        (lambda: perceptron().to("meta"), "on the device meta"),
        (lambda: lambda x: x, "must be an instance of torch.nn.Module, but is a function"),
        (lambda: nn.Linear, "but is the class Linear"),
        (lambda: None, "but is a NoneType"),
        (Detached, "Detached: PyTorch cannot differentiate this network twice"),
    ],
)
def test_modules_that_cannot_be_attacked_are_refused_in_words(images, module, message):
    with pytest.raises(SemsimError, match=message):
        reconstruct(module(), images, LABELS, steps=1, device="cpu")


def test_parametrised_weights_are_attacked(images):
    network = perceptron()
    nn.utils.parametrizations.weight_norm(network[1])
    found = reconstruct(network, images, LABELS, steps=30, device="cpu")
    assert (found.costs < 0.7 * found.initial_costs).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.rand(2, 3, 8, 6)}, r"images must be square .* but are \[2, 3, 8, 6\]"),
        ({"images": torch.rand(2, 1, 8, 8)}, "of three channels"),
        ({"images": torch.rand(0, 3, 8, 8)}, "images must be"),
        ({"images": torch.rand(2, 3, 8, 8) * 255}, r"must be in \[0, 1\]. If the module expects normalised images"),
        ({"images": torch.full((2, 3, 8, 8), np.nan)}, r"must be in \[0, 1\]"),
        ({"images": torch.ones(2, 3, 8, 8, dtype=torch.int64)}, "or uint8, but are torch.int64"),
        ({"labels": torch.tensor([1])}, "labels must be 2 whole numbers"),
        ({"labels": torch.tensor([1.0, 2.0])}, "labels must be 2 whole numbers"),
        ({"labels": torch.tensor([1, 5])}, "labels go from 1 to 5, but the module has 5 classes"),
        ({"preset": "invert"}, "attack preset 'invert' is not known"),
        ({"steps": -1}, "steps: -1 is out of range"),
        ({"module": nn.Conv2d(3, 5, 3)}, r"must give logits \[N, classes\]"),
        ({"module": strange.made(strange.Network), "preset": "analytic"}, "with a fully connected first layer"),
        ({"device": "tpu"}, "device 'tpu' is not known"),
        ({"device": None}, "device 'None' is not known"),
        ({"device": torch.device("mps")}, "device 'mps' is not known"),
        ({"images": [torch.rand(3, 8, 8), torch.rand(3, 6, 6)]}, "images must all have the same size"),
        ({"images": None}, "images are a NoneType that holds no array of numbers"),
        ({"images": []}, "images must be square"),
        ({"labels": ["cat", "dog"]}, "labels must be 2 whole numbers, one per image, but are .'cat', 'dog'"),
        ({"labels": None}, "labels must be 2 whole numbers.*None"),
        ({"labels": torch.tensor([True, False])}, "labels must be 2 whole numbers.*torch.bool"),
        ({"labels": [[1], [2, 3]]}, "labels must be 2 whole numbers"),
        ({"preset": 3}, "the preset must be a name"),
        ({"seed": None}, "seed must be a whole number, but is None"),
        ({"seed": 1.5}, "seed must be a whole number, but is 1.5"),
        ({"seed": True}, "seed must be a whole number, but is True"),
        ({"memory_gib": np.nan}, "memory_gib must be a finite number of GiB above 0, but is nan"),
        ({"memory_gib": np.inf}, "memory_gib must be a finite number"),
        ({"memory_gib": 0}, "memory_gib must be a finite number"),
        ({"memory_gib": "2"}, "memory_gib must be a finite number"),
        ({"mean": (0.5,)}, "mean must be three finite numbers"),
        ({"std": (1, 0, 1)}, "std must be positive"),
        ({"defence": "prune"}, "defence must be a GradientDefence, or the settings of one of prune, random_top,"),
        ({"defence": {"kind": "prun"}}, "defence.kind: 'prun' is not one of .* Did you mean 'prune'"),
        ({"attacker": {"labels": False}}, "attack invertgrad: label known needs an attacker who knows the true labels"),
        ({"attacker": {"lables": False}}, "unknown setting 'lables'. Did you mean 'labels'"),
        ({"defence": {"kind": "prune", "share": 2}}, "defence.share: 2 is out of range"),
    ],
)
def test_what_does_not_go_together_is_told(images, changes, message):
    given = {"module": perceptron(), "images": images, "labels": LABELS, "device": "cpu"} | changes
    with pytest.raises(SemsimError, match=message):
        reconstruct(**given)


def test_a_gpu_that_is_not_there_is_told(images, monkeypatch):
    given = {"module": perceptron(), "images": images, "labels": LABELS, "steps": 1}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SemsimError, match="PyTorch finds no CUDA GPU"):
        reconstruct(**given, device=torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SemsimError, match=r"device 'cuda:1' does not exist: PyTorch finds 1 CUDA GPU"):
        reconstruct(**given, device=torch.device("cuda", 1))


@pytest.fixture
def registries(monkeypatch):
    """Let a test add to the registries."""
    for registry in (PRIORS, OBJECTIVES, INITIALISATIONS, LABEL_RULES, PRESETS):
        monkeypatch.setattr(registry, "_parts", dict(registry._parts))


def test_one_decorated_function_adds_a_part_of_an_attack(images, registries):
    @PRIORS.register()
    def brightness(images):
        """Mean of all values."""
        return images.mean((-3, -2, -1))

    @OBJECTIVES.register()
    class Nothing:
        """No distance at all."""

        def __init__(self, observed):
            pass

        def __call__(self, gradients, rows=slice(None)):
            return sum(0 * written_out(gradient).flatten(1).sum(1) for gradient in gradients)

    @INITIALISATIONS.register()
    def grey(target, observed, seeds):
        """Plain mid-grey images."""
        return torch.full((len(seeds), len(seeds[0]), 3, SIZE, SIZE), 0.5)

    @LABEL_RULES.register()
    def first(target, observed, labels, seeds):
        """Always the first class."""
        return torch.zeros(len(seeds), len(seeds[0]), dtype=torch.int64)

    @PRESETS.register()
    def darken():
        """Make an image dark."""
        parts = {"objective": "nothing", "initialisation": "grey", "label": "first"}
        return AttackSettings(steps=3, priors={"brightness": 2.0}, **parts)

    found = reconstruct(perceptron(), images, LABELS, "darken", device="cpu")
    assert found.initial_costs.tolist() == [1, 1]
    assert found.labels.tolist() == [0, 0]
    torch.testing.assert_close(found.images, torch.full_like(images, 0.2), atol=1e-2, rtol=0)  # three steps of 0.1
    with pytest.raises(SemsimError, match="is not one of total_variation, .*, brightness"):
        reconstruct(perceptron(), images, LABELS, "darken", priors={"darkness": 1}, device="cpu")
    with pytest.raises(ValueError, match="'brightness' is taken"):
        PRIORS.register()(brightness)
