"""Training of classifiers: target models by the recipe of the original study, others by a faster one."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import nn

from semsim.errors import SemsimError
from semsim.io.tensors import blocks
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target, initial_weights
from semsim.targets.privacy import check_alone, poisson_batches, private_gradient, steps_per_epoch
from semsim.text import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from semsim.targets.models import Target
    from semsim.targets.recipe import Recipe
    from semsim.targets.settings import Normalisation

CURVES = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")


def initial_target(
    architecture: str | dict,
    classes: int,
    images: np.ndarray,
    width: int | None = None,
    seed: int = 0,
    weights: str | os.PathLike | None = None,
    normalisation: Normalisation | None = None,
) -> Target:
    """Return a model before its training; PyTorch's global random numbers stay untouched.

    Parameters
    ----------
    architecture, classes, width
        As for `semsim.targets.models.build_target`.
    images : numpy.ndarray
        Those that it will be trained on, uint8 [N, 3, S, S].
    seed : int
        Seed of the training, from which the weights are drawn.
    weights : path-like, optional
        A file with the state dict of the network, in place of random weights.
    normalisation : semsim.targets.settings.Normalisation, optional
        By default, computed from these images.
    """
    mean, std = (normalisation.mean, normalisation.std) if normalisation else channel_statistics(images)
    with initial_weights(seed_for(seed, "weights")):
        return build_target(architecture, classes, images.shape[-1], width, mean, std, weights)


def train_target(
    target: Target,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    augmentation: Callable | None = None,
    gradient_defence: GradientDefence | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    description: str = "training",
) -> tuple[Target, pd.DataFrame]:
    """Train a target model.

    Parameters
    ----------
    target : semsim.targets.models.Target
        As `initial_target` returns it. It is changed.
    train, validation : tuple of (numpy.ndarray, numpy.ndarray)
        Images, uint8 [N, 3, S, S], and labels, int64 [N]. Validation images may stay on disk.
    recipe : Recipe
        With 0 epochs, the model is only evaluated.
    augmentation : callable, optional
        Changes the training images of each batch, as `semsim.targets.augmentation.Augmentation` does.
    gradient_defence : GradientDefence, optional
        Changes the gradient of each batch, if its scope includes training. With `DifferentialPrivacy`, batches are
        Poisson samples.
    seed : int
        On a CPU the same seed and number of threads give the same weights.
    device : torch.device or str
    description : str
        What the progress bar says.

    Returns
    -------
    target : Target
        In eval mode.
    curves : pandas.DataFrame
        One row per epoch: `epoch` (from 1; a single 0 where there is no training), `train_loss` and `train_accuracy`
        (on the augmented batches, during the epoch), `validation_loss` and `validation_accuracy` (at the end of the
        epoch) and `seconds` (since the start). Losses are mean cross-entropies, in nats; accuracies are shares, 0 to 1.

    Raises
    ------
    SemsimError
        If there are fewer than two training images, the network does not suit the defence, or the training diverges.
    """
    defence, augment = gradient_defence or GradientDefence(), augmentation or Augmentation()
    if len(train[0]) < 2:
        raise SemsimError(f"{description}: {counted(len(train[0]), 'training images')}. Training needs at least 2.")
    target.to(device, memory_format=torch.channels_last)  # up to 1.7 times as fast as channels first on a CPU
    images, labels = (torch.from_numpy(array).to(device) for array in train)
    validation = validation[0], torch.from_numpy(validation[1]).to(device)
    optimiser, schedule = recipe.optimise(target.parameters(), steps_per_epoch(recipe.batch_size, len(images)))
    drawn = torch.Generator().manual_seed(seed_for(seed, "batches"))
    noise = torch.Generator(device).manual_seed(seed_for(seed, "gradient noise"))  # too many numbers to draw on the CPU
    draw_batches, set_gradients = _steps_of(defence, target, min(recipe.batch_size, len(images)), noise, description)

    rows, start = [], time.perf_counter()
    with progress_bar(recipe.epochs, description, unit="epoch") as bar:
        for epoch in range(recipe.epochs):
            batches = draw_batches(images, labels, recipe.batch_size, augment, drawn)
            loss, accuracy = _train_epoch(target, optimiser, schedule, batches, set_gradients)
            if not math.isfinite(loss):
                raise SemsimError(
                    f"{description}: the training loss is not finite in epoch {epoch + 1} of {recipe.epochs}. "
                    f"Lower the learning rate (training: learning_rate, now {recipe.learning_rate:g})."
                )
            row = (epoch + 1, loss, accuracy, *evaluate(target, *validation), time.perf_counter() - start)
            rows.append(row)
            bar.set_postfix_str("loss {1:.3f}, accuracy {2:.3f}, validation {4:.3f}".format(*row), refresh=False)
            bar.update()
    if not rows:
        rows = [(0, *evaluate(target, images, labels), *evaluate(target, *validation), time.perf_counter() - start)]
    return target.to(memory_format=torch.contiguous_format).eval(), pd.DataFrame(rows, columns=CURVES)


def evaluate(
    target: Target, images: torch.Tensor | np.ndarray, labels: torch.Tensor, batch_size: int = 256
) -> tuple[float, float]:
    """Return a model's mean cross-entropy (nats) and accuracy (0 to 1) in eval mode; it stays in that mode.

    Parameters
    ----------
    target : Target
    images : torch.Tensor or numpy.ndarray
        uint8 [N, 3, S, S], N at least 1; or `semsim.io.stored_arrays.JoinedRows`, which is read in batches.
    labels : torch.Tensor
        int64 [N].
    batch_size : int
        How many images go through the model at once.

    Returns
    -------
    loss, accuracy : float
    """
    target.eval()
    # Allocated at once: keeping small per-batch results would fragment the memory between large ones.
    logits = torch.empty(len(images), target.spec["classes"], device=labels.device)
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.as_tensor(images[start : start + batch_size], device=labels.device)
            logits[start : start + batch_size] = target(_as_input(batch))
        return nn.functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (at least one grey level) of each channel, as shares of full brightness."""
    counts = np.zeros((3, 256), dtype=np.int64)
    for rows in blocks(images):
        block = images[rows]
        counts += [np.bincount(block[:, channel].ravel(), minlength=256) for channel in range(3)]
    shares, levels = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
    mean = shares @ levels
    variance = shares @ levels**2 - mean**2
    return mean, np.sqrt(np.maximum(variance, 255.0**-2))


def _steps_of(defence, target, batch_size, noise, description):
    """Return how a defence draws batches of images, and how it sets the gradients of a step."""
    if not (defence.alone_in_training and defence.acts_on("training")):
        return _batches, partial(_set_gradients, defence=defence, noise=noise)
    check_alone(target.network, description)
    return poisson_batches, partial(_set_private_gradients, defence=defence, noise=noise, expected=batch_size)


def _batches(images, labels, batch_size, augment, generator):
    """Yield one epoch of augmented images and their labels, in random order.

    The remainder is distributed over the batches, so that no batch is small.
    """
    order = torch.randperm(len(images), generator=generator)
    for chosen in order.tensor_split(steps_per_epoch(batch_size, len(images))):
        chosen = chosen.to(images.device)
        yield augment(images[chosen], generator), labels[chosen]


def _train_epoch(target, optimiser, schedule, batches, set_gradients):
    """Take one step for each batch; return the mean loss and accuracy on these images."""
    target.train()
    total_loss, correct, count = 0.0, 0, 0
    for images, labels in batches:  # a Poisson sample may be empty
        optimiser.zero_grad()
        logits = set_gradients(target, _as_input(images), labels)
        optimiser.step()
        schedule.step()
        total_loss += nn.functional.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
        count += len(labels)
    return (total_loss / max(1, count)).item(), (correct / max(1, count)).item()


def _set_gradients(target, images, labels, defence, noise):
    """Set each parameter's gradient of the mean loss, defended, and return the logits."""
    logits = target(images)
    nn.functional.cross_entropy(logits, labels).backward()
    if defence.acts_on("training"):
        parameters = list(target.parameters())
        defended = defence.apply([parameter.grad for parameter in parameters], noise)
        for parameter, gradient in zip(parameters, defended, strict=True):
            parameter.grad = gradient
    return logits.detach()


def _set_private_gradients(target, images, labels, defence, noise, expected):
    """Set each parameter's gradient of a step of DP-SGD, and return the logits."""
    gradients, logits = private_gradient(target, images, labels, defence, expected, noise)
    for parameter, gradient in zip(target.trained_parameters().values(), gradients, strict=True):
        parameter.grad = gradient
    return logits


def _as_input(images):
    """Return uint8 images as floats in [0, 1], in the memory format that training uses."""
    return (images / 255).contiguous(memory_format=torch.channels_last)
