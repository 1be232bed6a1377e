"""Objectives, priors, labels, initialisations and presets."""

import numpy as np
import pytest
import torch
from torch import nn

from semsim.attacks import objectives, priors
from semsim.attacks.analytic import invert_first_layer
from semsim.attacks.gradients import plan_gradients
from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import recover_labels
from semsim.attacks.observation import augment, shared_gradients
from semsim.attacks.settings import PRESETS, attack_settings
from semsim.errors import SemsimError
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target


@pytest.fixture
def gradients():
    """Two gradients of two parameters for three images, as lists of tensors and as one numpy matrix each."""
    generator = torch.Generator().manual_seed(0)
    pair = [[torch.randn(3, 4, 2, generator=generator), torch.randn(3, 5, generator=generator)] for _ in range(2)]
    return pair, [np.concatenate([part.flatten(1).numpy() for part in one], axis=1) for one in pair]


def test_objectives_equal_their_formulas(gradients):
    (ours, theirs), (a, b) = gradients
    cosine = 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(objectives.Cosine(theirs)(ours), cosine, rtol=1e-5)
    np.testing.assert_allclose(objectives.Squared(theirs)(ours), ((a - b) ** 2).sum(1), rtol=1e-5)
    np.testing.assert_allclose(objectives.L1(theirs)(ours), np.abs(a - b).sum(1), rtol=1e-5)


def test_cosine_of_a_zero_gradient_is_one_and_differentiable(gradients):
    (ours, _), _ = gradients
    ours = [part.clone().requires_grad_() for part in ours]
    cost = objectives.Cosine([torch.zeros_like(part) for part in ours])(ours)
    assert cost.tolist() == [1, 1, 1]
    assert all(part.isfinite().all() for part in torch.autograd.grad(cost.sum(), ours))


def test_total_variation_and_norm_equal_their_formulas():
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
    expected = np.abs(np.diff(images, axis=2)).mean((1, 2, 3)) + np.abs(np.diff(images, axis=3)).mean((1, 2, 3))
    np.testing.assert_allclose(priors.total_variation(torch.from_numpy(images)), expected, rtol=1e-5)
    np.testing.assert_allclose(
        priors.l2_norm(torch.from_numpy(images)), np.linalg.norm(images.reshape(2, -1), axis=1), rtol=1e-5
    )


def test_batchnorm_prior_is_zero_for_the_remembered_statistics_and_grows_with_distance():
    activations = torch.randn(2, 3, 8, 8)
    layer = nn.BatchNorm2d(3)
    layer.running_mean = activations[0].mean((1, 2))
    layer.running_var = activations[0].var((1, 2), correction=0)
    same, other = priors.batchnorm_statistics([(layer, activations)])
    assert same == pytest.approx(0, abs=1e-6)
    shifted = priors.batchnorm_statistics([(layer, activations + torch.tensor([3.0, 0, 4]).view(3, 1, 1))])[0]
    assert shifted == pytest.approx(5, rel=1e-5)
    assert other > 0
    assert priors.batchnorm_statistics([]) == 0


def test_group_consistency_sees_through_shifts():
    blob = torch.zeros(3, 16, 16)
    blob[:, 4:8, 5:9] = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)) + 1
    identical = blob.expand(4, -1, -1, -1)
    assert priors.group_consistency(identical, 4).abs().max() < 1e-10

    shifted = torch.stack([blob, blob, blob, blob.roll((1, 2), (1, 2))])
    consistency = priors.group_consistency(shifted, 4)
    assert consistency[:3].max() < 1e-10  # the shifted one is brought back before it joins the consensus
    assert consistency[3] == pytest.approx((blob.roll((1, 2), (1, 2)) - blob).square().mean().item(), rel=1e-4)


def test_group_consistency_keeps_groups_apart():
    images = torch.randn(6, 3, 8, 8)
    both = priors.group_consistency(images, 3)
    torch.testing.assert_close(both[:3], priors.group_consistency(images[:3], 3))
    torch.testing.assert_close(both[3:], priors.group_consistency(images[3:], 3))


@pytest.fixture(scope="module")
def mlp():
    torch.manual_seed(0)
    return build_target("mlp", 6, 12, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)).eval()


def observe(target, images, labels, defence=None):
    plan = plan_gradients(target, "cpu")
    return shared_gradients(target, plan, images, labels, defence or GradientDefence(), list(range(len(images))))


def test_closed_form_gives_the_exact_image(mlp):
    images = torch.rand(4, 3, 12, 12)
    recovered = mlp.denormalise(invert_first_layer(mlp, observe(mlp, images, torch.tensor([0, 1, 2, 5]))))
    torch.testing.assert_close(recovered, images, atol=1e-4, rtol=0)


def test_closed_form_needs_a_fully_connected_first_layer():
    lenet = build_target("lenet", 6, 12).eval()
    with pytest.raises(SemsimError, match="lenet begins with Conv2d.*mlp"):
        invert_first_layer(lenet, observe(lenet, torch.rand(1, 3, 12, 12), torch.tensor([0])))


@pytest.mark.parametrize(("architecture", "width"), [("lenet", None), ("convnet3", 4), ("mlp", 16)])
def test_labels_are_read_off_the_gradient(architecture, width):
    torch.manual_seed(0)
    target = build_target(architecture, 6, 16, width).eval()
    labels = torch.arange(6)
    assert recover_labels(observe(target, torch.rand(6, 3, 16, 16), labels)).tolist() == labels.tolist()


def test_only_defences_of_the_shared_gradient_change_what_is_seen(mlp):
    images, labels = torch.rand(2, 3, 12, 12), torch.tensor([0, 1])
    plain = observe(mlp, images, labels)
    training = observe(mlp, images, labels, GradientDefence("prune", 0.9, "training"))
    shared = observe(mlp, images, labels, GradientDefence("prune", 0.9, "shared"))
    assert all(torch.equal(a, b) for a, b in zip(plain, training, strict=True))
    assert (shared[0] == 0).float().mean() == pytest.approx(0.9, abs=0.01)
    noisy = observe(mlp, images, labels, GradientDefence("gaussian", 0.1, "both"))
    assert (noisy[0] - plain[0]).std() == pytest.approx(0.1, rel=0.05)


def test_augmentation_of_an_image_does_not_depend_on_its_neighbours():
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    together = augment(images, Augmentation("crop"), [5, 6, 7])
    alone = augment(images[2:], Augmentation("crop"), [7])
    assert torch.equal(together[2], alone[0])


@pytest.mark.parametrize("name", ["normal", "uniform", "grey"])
def test_initialisations_depend_on_the_seed_alone(mlp, name):
    observed = observe(mlp, torch.rand(2, 3, 12, 12), torch.tensor([0, 1]))
    start = INITIALISATIONS[name](mlp, observed, [3, 4])
    assert start.shape == (2, 3, 12, 12)
    assert torch.equal(start[1], INITIALISATIONS[name](mlp, observed[:1], [4])[0])
    images = mlp.denormalise(start)
    if name != "normal":
        assert images.min() >= 0
        assert images.max() <= 1


def test_a_preset_can_be_changed_in_a_word():
    assert attack_settings("invertgrad", total_variation=0.5).total_variation == 0.5
    assert attack_settings("invertgrad").total_variation == PRESETS["invertgrad"].total_variation


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("invertgrads", {}, "preset 'invertgrads' is not known. Choose one of dlg"),
        ("dlg", {"step": 3}, "setting 'step' is not known"),
        ("dlg", {"objective": "l2"}, "objective is 'l2'. Choose one of cosine, squared, l1"),
        ("dlg", {"steps": -1}, "steps must be 0 or more"),
        ("invertgrad", {"group_consistency": 1.0}, "restarts to 2 or more"),
    ],
)
def test_wrong_settings_are_named(preset, changes, message):
    with pytest.raises(SemsimError, match=message):
        attack_settings(preset, **changes)
