"""Differentially private training: its steps against plain loops, and its accountant against others."""

import pytest
import torch
from scipy.optimize import brentq
from scipy.special import log_ndtr
from test_targets_training import stripes
from torch import nn

from semsim.errors import SemsimError
from semsim.targets import privacy
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import DifferentialPrivacy, Prune
from semsim.targets.privacy import epsilon, poisson_batches, privacy_spent, private_gradient, sampling_rate
from semsim.targets.recipe import Recipe, TargetRecipe
from semsim.targets.training import initial_target, train_target
from semsim.targets.wrapping import wrap_network


def lenet(seed=0):
    return initial_target("lenet", 2, stripes(8, 1, size=32)[0], seed=seed)


def own_network():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    body[0].bias.requires_grad_(False)
    return wrap_network(body, image_size=16, classes=2)


def batch(size, count=6):
    images, labels = stripes(count, 3, size)
    return torch.from_numpy(images) / 255, torch.from_numpy(labels)


@pytest.mark.parametrize(("build", "size"), [(lenet, 32), (own_network, 16)])
@pytest.mark.parametrize("memory", [privacy.GRADIENT_BYTES, 1])
def test_a_step_equals_a_loop_over_images(build, size, memory, monkeypatch):
    monkeypatch.setattr(privacy, "GRADIENT_BYTES", memory)
    target, (images, labels) = build(), batch(size)
    parameters = list(target.trained_parameters().values())
    of_each = []
    for image, label in zip(images, labels, strict=True):
        loss = nn.functional.cross_entropy(target(image[None]), label[None])
        of_each.append(torch.autograd.grad(loss, parameters))
    lengths = torch.tensor([sum(part.square().sum() for part in parts) ** 0.5 for parts in of_each])
    norm = lengths.median().item()  # some gradients are clipped, others are not
    scales = [min(1.0, norm / length.item()) for length in lengths]
    noise = torch.Generator().manual_seed(5)
    expected = [
        (sum(scale * parts[place] for scale, parts in zip(scales, of_each, strict=True))
         + 0.3 * norm * torch.randn(parameter.shape, generator=noise)) / 4
        for place, parameter in enumerate(parameters)
    ]  # fmt: skip

    defence = DifferentialPrivacy(norm=norm, noise=0.3)
    found, logits = private_gradient(target, images, labels, defence, 4, torch.Generator().manual_seed(5))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(logits, target(images).detach(), rtol=1e-4, atol=1e-5)


def test_no_image_moves_a_step_by_more_than_its_share():
    target, (images, labels) = lenet(), batch(32)
    defence = DifferentialPrivacy(norm=0.01, noise=1e-9)
    of_all, without_one = (
        private_gradient(target, images[first:], labels[first:], defence, 4, torch.Generator().manual_seed(5))[0]
        for first in (0, 1)
    )
    moved = sum((one - other).square().sum() for one, other in zip(of_all, without_one, strict=True)).sqrt()
    assert moved == pytest.approx(0.01 / 4, rel=1e-3)


def test_an_empty_sample_gives_noise():
    gradients, logits = private_gradient(
        lenet(), *batch(32, 0), DifferentialPrivacy(norm=2.0, noise=0.5), 4, torch.Generator().manual_seed(0)
    )
    assert logits.shape == (0, 2)
    assert torch.cat([each.flatten() for each in gradients]).std().item() == pytest.approx(0.25, rel=0.05)


def test_poisson_samples_hold_each_image_by_chance():
    images, labels = map(torch.from_numpy, stripes(200, 1))
    images[:, 0, 0, 0] = torch.arange(200)
    counts, sizes = torch.zeros(200), []
    generator = torch.Generator().manual_seed(2)
    for _ in range(100):
        for drawn, of_drawn in poisson_batches(images, labels, 20, Augmentation(), generator):
            places = drawn[:, 0, 0, 0].long()
            assert len(places.unique()) == len(places) and torch.equal(labels[places], of_drawn)
            counts[places] += 1
            sizes.append(float(len(places)))
    assert len(sizes) == 100 * 10
    deviation = (200 * 0.1 * 0.9) ** 0.5
    assert torch.tensor(sizes).mean().item() == pytest.approx(20, abs=4 * deviation / 1000**0.5)
    assert torch.tensor(sizes).std().item() == pytest.approx(deviation, rel=0.1)
    assert ((counts - 100).abs() < 5 * (1000 * 0.1 * 0.9) ** 0.5).all()
    assert sampling_rate(20, 200) == 0.1 and sampling_rate(64, 5) == 1


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta", "by_divergence", "by_distribution"),
    [  # of dp-accounting 0.6.0: its RdpAccountant, and its PLDAccountant, which is nearly exact
        (1.1, 256 / 60_000, 14_040, 1e-5, 2.5943634, 2.3796435),
        (0.7, 64 / 2_600, 160, 1e-5, 6.1435750, 5.1727872),
        (4.0, 0.1, 100, 1e-6, 1.2282987, 1.1319204),
        (0.5, 64 / 5_000, 312, 1e-5, 12.3164635, 10.4135503),
    ],
)
def test_epsilon_is_that_of_another_accountant(noise, rate, steps, delta, by_divergence, by_distribution):
    found = epsilon(noise, rate, steps, delta)
    assert found == pytest.approx(by_divergence, rel=5e-3)
    assert by_distribution < found < 1.3 * by_distribution


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.1, 1.0, 10.0])
def test_epsilon_of_one_gradient_is_just_above_that_of_the_gaussian_mechanism(noise):
    def excess(value):  # Balle and Wang, ICML 2018, theorem 8; in logarithms, for exp(value) overflows
        inside, outside = (log_ndtr(sign / (2 * noise) - value * noise) for sign in (1, -1))
        return torch.tensor(inside).exp().item() - torch.tensor(value + outside).exp().item() - 1e-5

    exact = brentq(excess, 0, 1 / noise**2 + 10 / noise)
    assert exact < epsilon(noise, 1.0, 1, 1e-5) < 1.15 * exact + 0.1


def test_epsilon_composes_and_falls_with_noise():
    assert epsilon(3.0, 1.0, 9, 1e-5) == pytest.approx(epsilon(1.0, 1.0, 1, 1e-5), rel=1e-6)
    falling = [epsilon(noise, 0.02, 200, 1e-5) for noise in (0.001, 0.01, 0.1, 0.5, 1.0, 4.0)]
    assert falling == sorted(falling, reverse=True)
    assert epsilon(1.0, 0.02, 200, 1e-7) > epsilon(1.0, 0.02, 200, 1e-5)


def test_what_is_spent_follows_the_scope():
    recipe = TargetRecipe(epochs=3, batch_size=50)
    both, training, shared = (
        privacy_spent(DifferentialPrivacy(norm=1.0, noise=1.0, scope=scope), recipe, 1000)
        for scope in ("both", "training", "shared")
    )
    assert both == training | shared and both["delta"] == 1e-5
    assert training.keys() == {"delta", "epsilon"} and shared.keys() == {"delta", "epsilon_shared"}
    assert both["epsilon"] == epsilon(1.0, 0.05, 60, 1e-5)
    assert both["epsilon_shared"] == epsilon(1.0, 1.0, 1, 1e-5)
    assert privacy_spent(Prune(share=0.5), recipe, 1000) == {}
    assert privacy_spent(DifferentialPrivacy(norm=1.0, noise=1.0), TargetRecipe(epochs=0), 1000)["epsilon"] == 0


def trained(noise, **settings):
    recipe = Recipe(epochs=8, batch_size=16, learning_rate=0.1)
    defence = None if noise is None else DifferentialPrivacy(norm=1.0, noise=noise)
    target = initial_target("mlp", 2, stripes(160, 1)[0], 16, 0)
    return train_target(target, stripes(160, 1), stripes(200, 2), recipe, gradient_defence=defence, **settings)


def test_accuracy_falls_with_noise():
    plain, little, some, much = (trained(noise)[1]["validation_accuracy"].iloc[-1] for noise in (None, 0.1, 10.0, 40.0))
    assert plain > 0.95 and little > 0.95
    assert little > some + 0.1 and some > much + 0.1


def test_private_training_is_repeatable_and_leaves_global_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, second = (trained(1.0)[0].state_dict() for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_batchnorm_is_refused():
    target = initial_target("convnet3", 2, stripes(20, 1)[0], 4)
    defence = DifferentialPrivacy(norm=1.0, noise=1.0)
    with pytest.raises(SemsimError, match="a/b: gradient defence dp cannot train a network with BatchNorm layers"):
        train_target(target, stripes(20, 1), stripes(20, 2), Recipe(epochs=1), None, defence, description="a/b")
    shared = defence.model_copy(update={"scope": "shared"})
    train_target(target, stripes(20, 1), stripes(20, 2), Recipe(epochs=1), None, shared)
