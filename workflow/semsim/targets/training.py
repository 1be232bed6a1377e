"""Training of target models: SGD with Nesterov momentum and a learning rate that falls in steps."""

import math
import time
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import nn

from semsim.errors import SemsimError
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target

CURVES = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a model is trained; the defaults are the original study's.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        At least 2 (BatchNorm needs company). Images left over are spread over the batches, so that none is small.
    learning_rate, momentum, weight_decay : float
        Of SGD; the momentum is Nesterov's.
    milestones : sequence of float
        Shares of the epochs after which the learning rate is multiplied by `decay`.
    decay : float
        In (0, 1].
    """

    epochs: int = 200
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple = (0.375, 0.625, 0.875)
    decay: float = 0.1

    @classmethod
    def from_settings(cls, settings):
        """Return the recipe of a study's `training` settings (a dict); what is left out has its default.

        Raises
        ------
        SemsimError
            If a setting is unknown or out of its range.
        """
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise SemsimError(f"training: '{min(unknown)}' is not known. The settings are {known}.")
        recipe = cls(**settings)
        ranges = {
            "epochs": recipe.epochs >= 1,
            "batch_size": recipe.batch_size >= 2,
            "learning_rate": recipe.learning_rate > 0,
            "momentum": 0 <= recipe.momentum < 1,
            "weight_decay": recipe.weight_decay >= 0,
            "milestones": all(0 < milestone < 1 for milestone in recipe.milestones),
            "decay": 0 < recipe.decay <= 1,
        }
        for name, valid in ranges.items():
            if not valid:
                raise SemsimError(
                    f"training: {name} is {getattr(recipe, name)}. Set at least 1 epoch, a batch_size of at least 2, a "
                    "learning_rate above 0, a momentum from 0 to below 1, a weight_decay of at least 0, milestones "
                    "between 0 and 1, and a decay above 0 and up to 1."
                )
        return recipe

    def learning_rate_at(self, epoch):
        """Return the learning rate of an epoch, counted from 0."""
        passed = sum(epoch >= milestone * self.epochs for milestone in self.milestones)
        return self.learning_rate * self.decay**passed


def train_target(
    train,
    validation,
    classes,
    architecture,
    width=None,
    augmentation=None,
    gradient_defence=None,
    recipe=None,
    seed=0,
    device="cpu",
    description="training",
):
    """Train a target model.

    Parameters
    ----------
    train, validation : tuple of (numpy.ndarray, numpy.ndarray)
        Images, uint8 [N, 3, S, S], and labels, int64 [N].
    classes : int
        How many classes there are.
    architecture, width
        As in `semsim.targets.models.build_target`.
    augmentation : callable, optional
        Changes the training images of each batch, as `semsim.targets.augmentation.Augmentation` does.
    gradient_defence : GradientDefence, optional
        Changes the gradient of each batch, if its scope includes training.
    recipe : Recipe, optional
        The original study's if left out.
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
        One row an epoch: `epoch` (from 1), `train_loss` and `train_accuracy` (of the augmented batches, as they were
        met), `validation_loss` and `validation_accuracy` (at the end of the epoch) and `seconds` (since the start).
        Losses are mean cross-entropies, in nats; accuracies are shares, 0 to 1.

    Raises
    ------
    SemsimError
        If there are fewer than two training images, or the training diverges.
    """
    recipe, defence = recipe or Recipe(), gradient_defence or GradientDefence()
    augment = augmentation or Augmentation()
    if len(train[0]) < 2:
        raise SemsimError(f"{description}: {len(train[0])} training image(s). Training needs at least 2.")
    target = _initial_target(architecture, classes, width, train[0], seed_for(seed, "weights"))
    target.to(device, memory_format=torch.channels_last)  # up to 1.7 times as fast as channels first on a CPU
    images, labels, *validation = (torch.from_numpy(array).to(device) for array in (*train, *validation))
    optimiser = torch.optim.SGD(
        target.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
    drawn = torch.Generator().manual_seed(seed_for(seed, "batches"))
    noise = torch.Generator(device).manual_seed(seed_for(seed, "gradient noise"))  # too much of it to draw on the CPU

    rows, start = [], time.perf_counter()
    with progress_bar(recipe.epochs, description, unit="epoch") as bar:
        for epoch in range(recipe.epochs):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate_at(epoch)
            batches = _batches(images, labels, recipe.batch_size, augment, drawn)
            loss, accuracy = _train_epoch(target, optimiser, batches, defence, noise)
            if not math.isfinite(loss):
                raise SemsimError(
                    f"{description}: the training loss is not finite in epoch {epoch + 1} of {recipe.epochs}. "
                    f"Lower the learning rate (training: learning_rate, now {recipe.learning_rate:g})."
                )
            row = (epoch + 1, loss, accuracy, *evaluate(target, *validation), time.perf_counter() - start)
            rows.append(row)
            bar.set_postfix_str("loss {1:.3f}, accuracy {2:.3f}, validation {4:.3f}".format(*row), refresh=False)
            bar.update()
    return target.to(memory_format=torch.contiguous_format).eval(), pd.DataFrame(rows, columns=CURVES)


def evaluate(target, images, labels, batch_size=256):
    """Return a model's mean cross-entropy (nats) and accuracy (0 to 1) in eval mode, in which it is left.

    Parameters
    ----------
    target : Target
    images : torch.Tensor
        uint8 [N, 3, S, S], N at least 1.
    labels : torch.Tensor
        int64 [N].
    batch_size : int
        How many images go through the model at once.

    Returns
    -------
    loss, accuracy : float
    """
    target.eval()
    with torch.no_grad():
        logits = torch.cat([target(_as_input(batch)) for batch in images.split(batch_size)])
        return nn.functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


def _initial_target(architecture, classes, width, images, seed):
    """Return an untrained model that normalises by these images; PyTorch's global random numbers stay untouched."""
    mean, std = _channel_statistics(images)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_target(architecture, classes, images.shape[-1], width, mean, std)


def _channel_statistics(images):
    """Return mean and standard deviation (at least one grey level) of each channel, as shares of full brightness."""
    counts = np.stack([np.bincount(images[:, channel].ravel(), minlength=256) for channel in range(3)])
    shares, levels = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
    mean = shares @ levels
    variance = shares @ levels**2 - mean**2
    return mean, np.sqrt(np.maximum(variance, 255.0**-2))


def _batches(images, labels, batch_size, augment, generator):
    """Yield one epoch of augmented images and their labels, in random order.

    What does not fill a batch is spread over the others, so that no batch is small.
    """
    order = torch.randperm(len(images), generator=generator)
    for chosen in order.tensor_split(max(1, len(images) // batch_size)):
        chosen = chosen.to(images.device)
        yield augment(images[chosen], generator), labels[chosen]


def _train_epoch(target, optimiser, batches, defence, noise):
    """Take one step for each batch; return the mean loss and accuracy of the images met."""
    target.train()
    parameters = list(target.parameters())
    total_loss, correct, count = 0.0, 0, 0
    for images, labels in batches:
        logits = target(_as_input(images))
        loss = nn.functional.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        if defence.acts_on("training"):
            defended = defence.apply([parameter.grad for parameter in parameters], noise)
            for parameter, gradient in zip(parameters, defended, strict=True):
                parameter.grad = gradient
        optimiser.step()
        total_loss += loss.detach() * len(labels)
        correct += (logits.detach().argmax(1) == labels).sum()
        count += len(labels)
    return (total_loss / count).item(), (correct / count).item()


def _as_input(images):
    """Return uint8 images as floats in [0, 1], in the memory order that training uses."""
    return (images / 255).contiguous(memory_format=torch.channels_last)
