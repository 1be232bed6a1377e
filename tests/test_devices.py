"""A GPU gives what the CPU gives: attacks, training and metrics, up to rounding. Skipped where there is no GPU."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.learned.pairs import LabelledPairs
from semsim.learned.settings import LOSSES, SemSimSettings
from semsim.learned.training import random_semsim, train_semsim
from semsim.metrics.measure import gather_networks, measure_pairs
from semsim.observers.degradations import Degradation
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import Gaussian, Prune
from semsim.targets.models import build_target
from semsim.targets.recipe import Recipe
from semsim.targets.training import initial_target, train_target

pytestmark = pytest.mark.cuda

SIDE, CLASSES = 16, 4
WIDTHS = {name: 4 for name, one in ARCHITECTURES.items() if one.default_width} | {"resnet20": 1, "mlp": 16}


def blobs(count, seed, side=SIDE):
    """Return smooth images, uint8 [count, 3, side, side], and their classes, which their brightness gives away."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    coarse = torch.rand(count, 3, 4, 4, generator=generator) + labels.view(-1, 1, 1, 1)
    fine = torch.nn.functional.interpolate(coarse / CLASSES, side, mode="bilinear")
    return (255 * fine.clamp(0, 1)).to(torch.uint8).numpy(), labels.numpy()


def target_of(architecture):
    torch.manual_seed(0)
    target = build_target(architecture, CLASSES, SIDE, WIDTHS.get(architecture), (0.5,) * 3, (0.25,) * 3).eval()
    torch.nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    return target


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attacks_begin_as_on_the_cpu(architecture, gpu):
    target, (images, labels) = target_of(architecture), blobs(4, seed=1)
    outcomes = []
    for device in ("cpu", gpu):
        attack_run = AttackRun(
            dataset="blobs",
            target_name=architecture,
            attack="invertgrad",
            target=copy.deepcopy(target).to(device),
            originals=torch.from_numpy(images),
            labels=torch.from_numpy(labels),
            settings=attack_settings("invertgrad", steps=3),
            augmentation=Augmentation("crop"),
            defence=Gaussian(sigma=1e-3, scope="shared"),
            study_seed=1,
            memory_gib=1,
        )
        outcomes.append(attack_run.run()[1])
    here, there = outcomes
    torch.testing.assert_close(there.initial_costs, here.initial_costs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.costs, here.costs, rtol=1e-3, atol=1e-4)
    assert ((here.images.int() - there.images.int()).abs() > 1).double().mean() < 0.02  # signs that rounding turned


def train(device, architecture="convnet3", epochs=1, learning_rate=0.01, **settings):
    """Train a target model for a few steps; return it and its curves."""
    images = blobs(32, seed=2)
    target = initial_target(architecture, CLASSES, images[0], WIDTHS.get(architecture))
    recipe = Recipe(epochs=epochs, batch_size=16, learning_rate=learning_rate)
    return train_target(target, images, blobs(16, seed=3), recipe, device=device, **settings)


def assert_trained_alike(gpu, **settings):
    (_, here), (target, there) = (train(device, **settings) for device in ("cpu", gpu))
    np.testing.assert_allclose(there["train_loss"], here["train_loss"], rtol=0.01)
    np.testing.assert_allclose(there["validation_loss"], here["validation_loss"], rtol=0.02)
    assert target.mean.is_cuda


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_targets_begin_to_learn_as_on_the_cpu(architecture, gpu):
    # Steps of 0.01 throw these about: on a CPU too, weights that differ by 1e-6 differ by 6 % in loss after four.
    learning_rate = 0.001 if architecture in ("inception", "resnet18") else 0.01
    assert_trained_alike(gpu, architecture=architecture, epochs=2, learning_rate=learning_rate)


@pytest.mark.parametrize(
    "settings",
    [
        {"augmentation": Augmentation("3-1-7+43-18-18")},
        {"augmentation": Augmentation("crop"), "gradient_defence": Prune(share=0.7, scope="training")},
        {"augmentation": Degradation()},
    ],
)
def test_augmentations_and_pruning_are_those_of_the_cpu(settings, gpu):
    assert_trained_alike(gpu, **settings)


def test_training_with_gradient_noise_repeats_itself(gpu):
    weights = [
        train(gpu, gradient_defence=defence)[0].network.head.weight
        for defence in (Gaussian(sigma=1e-3), Gaussian(sigma=1e-3), None)
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_metrics_of_pairs_are_those_of_the_cpu(gpu):
    images, labels = blobs(8, seed=4, side=32)
    noise = np.random.default_rng(0).integers(0, 60, images.shape)
    noisy = (images * 0.75 + noise).astype(np.uint8)
    target = build_target("convnet3", CLASSES, 32, 4).eval()
    tables = [
        measure_pairs(images, noisy, labels, device, target=target.to(device), **gather_networks(32, device=device))
        for device in ("cpu", gpu)
    ]
    assert len(tables[0].columns) >= 6
    pd.testing.assert_frame_equal(*tables, rtol=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("anchor", ["original", "released"])
def test_semsim_begins_to_learn_as_on_the_cpu(loss, anchor, gpu):
    images, labels = blobs(24, seed=5)
    noise = np.random.default_rng(1).normal(0, 40, images.shape) * (np.arange(24) % 2)[:, None, None, None]
    table = pd.DataFrame({"dataset": "blobs", "target": "t", "attack": "a", "original": np.arange(24) // 2})
    table = table.assign(label=labels, recognition_rate=np.where(np.arange(24) % 2, 0.2, 0.8))
    pairs = LabelledPairs(images, (images + noise).clip(0, 255).astype(np.uint8), table)
    settings = SemSimSettings(backbone="vgg3", width=4, loss=loss, anchor=anchor)
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    starts = [random_semsim(images, settings, seed=0).to(device) for device in ("cpu", gpu)]
    curves = [train_semsim(start, pairs, pairs, settings, recipe)[1] for start in starts]
    np.testing.assert_allclose(curves[1]["train_loss"], curves[0]["train_loss"], rtol=0.01)
