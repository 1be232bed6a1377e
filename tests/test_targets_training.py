"""Training of target models, in the library and from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.io.tensors import read_metadata, write_arrays
from semsim.settings import validated
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import Gaussian, Prune
from semsim.targets.models import load_target
from semsim.targets.privacy import epsilon
from semsim.targets.recipe import Recipe, TargetRecipe
from semsim.targets.training import evaluate, initial_target, train_target

SCRIPT = Path(__file__).parents[1] / "workflow" / "scripts" / "train_target.py"


def stripes(count, seed, size=16):
    """Two classes that a person tells apart at once: stripes that stand or lie, in noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    images = random.integers(60, 120, (count, 3, size, size))
    lying = np.where(np.arange(size) % 4 < 2, 100, 0)[:, None] + np.zeros(size, int)
    images += np.where(labels[:, None, None, None] == 0, lying, lying.T)
    return images.astype(np.uint8), labels.astype(np.int64)


def train(count=96, seed=0, recipe=None, architecture="convnet3", width=4, weights=None, **settings):
    recipe = recipe or Recipe(epochs=4, batch_size=16, learning_rate=0.02)
    images = stripes(count, 1)
    target = initial_target(architecture, 2, images[0], width, seed, weights)
    return train_target(target, images, stripes(60, 2), recipe, seed=seed, **settings)


def test_training_learns_and_records_its_curves(device):
    target, curves = train(device=device)
    assert list(curves["epoch"]) == [1, 2, 3, 4]
    assert curves["validation_accuracy"].iloc[-1] > 0.95
    assert curves["train_loss"].iloc[-1] < curves["train_loss"].iloc[0]
    assert curves["seconds"].is_monotonic_increasing
    assert not target.training
    images, labels = (torch.from_numpy(array).to(device) for array in stripes(60, 2))
    loss, accuracy = evaluate(target, images, labels, batch_size=7)
    assert loss == pytest.approx(curves["validation_loss"].iloc[-1], rel=1e-4)
    assert accuracy == curves["validation_accuracy"].iloc[-1]


def test_the_model_normalises_by_the_training_images():
    target, _ = train(recipe=Recipe(epochs=1, batch_size=48, learning_rate=0.01))
    pixels = torch.from_numpy(stripes(96, 1)[0]) / 255
    torch.testing.assert_close(target.mean.flatten(), pixels.mean((0, 2, 3)))
    torch.testing.assert_close(target.std.flatten(), pixels.std((0, 2, 3), correction=0))


@pytest.mark.parametrize(
    "settings",
    [{}, {"augmentation": Augmentation("3-1-7+43-18-18"), "gradient_defence": Gaussian(sigma=1e-3)}],
)
def test_same_seed_same_weights(settings):
    first, second, other = (train(seed=seed, **settings)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["network.head.weight"], other["network.head.weight"])


def test_training_leaves_the_global_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train(recipe=Recipe(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_gradient_defences_act_on_training_only_where_they_should():
    weights = {
        scope: train(gradient_defence=Prune(share=0.9, scope=scope))[0].network.head.weight
        for scope in ("training", "shared", "both")
    }
    undefended = train()[0].network.head.weight
    assert torch.equal(weights["shared"], undefended)
    assert torch.equal(weights["training"], weights["both"])
    assert not torch.equal(weights["training"], undefended)


def test_no_batch_is_too_small_for_batchnorm():
    _, curves = train(count=17, architecture="resnet20", width=1, recipe=Recipe(epochs=1, batch_size=16))
    assert np.isfinite(curves["train_loss"]).all()
    _, curves = train(count=3, recipe=Recipe(epochs=1))
    assert np.isfinite(curves["train_loss"]).all()


def learning_rates(recipe, batches):
    """Return the learning rate of every batch of a training."""
    optimiser, schedule = recipe.optimise([torch.nn.Parameter(torch.zeros(1))], batches)
    rates = []
    for _ in range(recipe.epochs * batches):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return rates


def test_learning_rate_falls_at_its_milestones():
    by_epoch = np.repeat([0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001], 2)
    np.testing.assert_allclose(learning_rates(Recipe(epochs=8), batches=2), by_epoch)
    assert learning_rates(Recipe(epochs=1), batches=1) == [0.1]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_one_cycle_rises_and_falls(optimiser):
    rates = learning_rates(Recipe(epochs=5, schedule="one-cycle", learning_rate=0.4, optimiser=optimiser), batches=10)
    top = int(np.argmax(rates))
    assert 8 <= top <= 10 and rates[top] == pytest.approx(0.4, rel=0.01) and rates[0] < 0.02 and rates[-1] < 0.001
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("batches", range(1, 8))
def test_one_cycle_is_defined_however_short_a_training_is(batches):
    rates = learning_rates(Recipe(epochs=1, schedule="one-cycle", learning_rate=0.4), batches)
    assert len(rates) == batches and 0 < min(rates) <= max(rates) <= 0.4


def test_divergence_is_explained():
    with pytest.raises(SemsimError, match="not finite in epoch 1 of 4. Lower the learning rate"):
        train(architecture="mlp", width=8, recipe=Recipe(epochs=4, batch_size=16, learning_rate=1e30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'. Did you mean 'epochs'?"),
        ({"epochs": 0}, "epochs: 0 is out of range, 1 or more"),
        ({"batch_size": 1}, "batch_size: 1 is out of range, 2 or more"),
        ({"optimiser": "adam"}, "optimiser: 'adam' is not one of sgd, adamw"),
        ({"schedule": "cosine"}, "schedule: 'cosine' is not one of steps, one-cycle"),
        ({"milestones": [0.5, 1.5]}, "milestones.1: 1.5 is out of range, between 0 and 1"),
    ],
)
def test_bad_recipes_are_explained(settings, message):
    with pytest.raises(SemsimError) as error:
        validated(Recipe, settings, "the recipe is not valid")
    assert message in str(error.value)


def test_without_epochs_a_model_keeps_its_weights_and_is_evaluated(tmp_path):
    trained, curves = train()
    save_file(trained.network.state_dict(), tmp_path / "weights.safetensors")
    given, only = train(recipe=TargetRecipe(epochs=0), weights=tmp_path / "weights.safetensors")
    assert all(torch.equal(each, trained.state_dict()[name]) for name, each in given.state_dict().items())
    assert only["epoch"].tolist() == [0]
    assert only["validation_accuracy"].iloc[0] == curves["validation_accuracy"].iloc[-1]
    further, _ = train(recipe=Recipe(epochs=1, learning_rate=1e-4), weights=tmp_path / "weights.safetensors")
    assert not torch.equal(further.network.head.weight, trained.network.head.weight)
    torch.testing.assert_close(further.network.head.weight, trained.network.head.weight, atol=0.01, rtol=0)


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(SemsimError, match="weights.safetensors: not the weights of convnet3"):
        train(weights=tmp_path / "weights.safetensors")


def run_script(folder, settings, training):
    arrays = {}
    for split, count, seed in (("train", 64, 1), ("originals", 5, 2), ("public", 20, 3)):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = stripes(count, seed)
    metadata = {"name": "stripes", "kind": "folder", "classes": ["lying", "standing"], "image_size": 16}
    write_arrays(arrays, folder / "data.safetensors", metadata)
    arguments = {
        "data": folder / "data.safetensors",
        "dataset": "stripes",
        "target": "small",
        "settings": json.dumps(settings),
        "training": json.dumps(training),
        "seed": 1,
        "device": "cpu",
        "weights": folder / "out" / "small.safetensors",
        "curves": folder / "out" / "small.csv",
    }
    command = [sys.executable, SCRIPT, *(f"--{name}={value}" for name, value in arguments.items())]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_script_writes_weights_and_curves(tmp_path):
    settings = {"architecture": "convnet3", "width": 4, "augmentation": "crop"}
    settings["gradient_defence"] = {"kind": "prune", "share": 0.5, "scope": "training"}
    done = run_script(tmp_path, settings, {"epochs": 2, "learning_rate": 0.02})
    assert done.returncode == 0, done.stderr
    curves, metadata = read_table(tmp_path / "out" / "small.csv"), read_metadata(tmp_path / "out" / "small.safetensors")
    target = load_target(tmp_path / "out" / "small.safetensors")
    assert len(curves) == 2
    assert target.spec == {"architecture": "convnet3", "classes": 2, "image_size": 16, "width": 4}
    assert metadata["validation_accuracy"] == pytest.approx(curves["validation_accuracy"].iloc[-1])
    assert metadata["gradient_defence"] == "prune 0.5 (training)"
    assert metadata["parameters"] == sum(parameter.numel() for parameter in target.parameters())


def test_the_script_says_what_privacy_is_spent(tmp_path):
    settings = {"architecture": "lenet", "gradient_defence": {"kind": "dp", "norm": 1.0, "noise": 1.0, "delta": 1e-4}}
    done = run_script(tmp_path, settings, {"epochs": 1, "batch_size": 16, "learning_rate": 0.02})
    assert done.returncode == 0, done.stderr
    target = read_metadata(tmp_path / "out" / "small.safetensors")
    assert target["gradient_defence"] == "dp 1 1 (both)" and target["delta"] == 1e-4
    assert target["epsilon"] == epsilon(1.0, 16 / 64, 4, 1e-4)
    assert target["epsilon_shared"] == epsilon(1.0, 1.0, 1, 1e-4)


def test_the_script_says_what_is_wrong_and_writes_nothing(tmp_path):
    done = run_script(tmp_path, {"architecture": "convnet3", "augmentation": "3-99"}, {"epochs": 1})
    assert done.returncode == 1
    assert "augmentation: augmentation '3-99'" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
