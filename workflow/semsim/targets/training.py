"""Training of classifiers: target models by the recipe of the original study, and others by one that is faster."""

import math
import time
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.optim import lr_scheduler

from semsim.errors import SemsimError
from semsim.io.tensors import blocks
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target, initial_weights

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
    optimiser : {"sgd", "adamw"}
    schedule : {"steps", "one-cycle"}
        How the learning rate changes: it falls at the milestones, or it rises to `learning_rate` in the first fifth of
        the training and then falls to nothing. One cycle learns as much in a fraction of the epochs.
    learning_rate, weight_decay : float
    momentum : float
        Of SGD, Nesterov's.
    milestones : sequence of float
        Of steps: shares of the epochs after which the learning rate is multiplied by `decay`.
    decay : float
        In (0, 1].

    References
    ----------
    Smith, Topin: Super-Convergence. arXiv 1708.07120, 2017.
    """

    epochs: int = 200
    batch_size: int = 64
    optimiser: str = "sgd"
    schedule: str = "steps"
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
            "optimiser": recipe.optimiser in ("sgd", "adamw"),
            "schedule": recipe.schedule in ("steps", "one-cycle"),
            "learning_rate": recipe.learning_rate > 0,
            "momentum": 0 <= recipe.momentum < 1,
            "weight_decay": recipe.weight_decay >= 0,
            "milestones": all(0 < milestone < 1 for milestone in recipe.milestones),
            "decay": 0 < recipe.decay <= 1,
        }
        for name, valid in ranges.items():
            if not valid:
                raise SemsimError(
                    f"training: {name} is {getattr(recipe, name)}. Set at least 1 epoch, a batch_size of at least 2, "
                    "optimiser sgd or adamw, schedule steps or one-cycle, a learning_rate above 0, a momentum from 0 "
                    "to below 1, a weight_decay of at least 0, milestones between 0 and 1, and a decay above 0 and up "
                    "to 1."
                )
        return recipe

    def optimise(self, parameters, batches):
        """Return the optimiser of a model's parameters, and what changes its learning rate after each batch.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
        batches : int
            In an epoch.

        Returns
        -------
        optimiser : torch.optim.Optimizer
        schedule : torch.optim.lr_scheduler.LRScheduler
        """
        if self.optimiser == "adamw":
            optimiser = torch.optim.AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)
        else:
            momentum = {"momentum": self.momentum, "nesterov": self.momentum > 0}
            optimiser = torch.optim.SGD(parameters, self.learning_rate, weight_decay=self.weight_decay, **momentum)
        if self.schedule == "one-cycle":
            cycle = {"total_steps": self.epochs * batches + 1, "pct_start": 0.2, "cycle_momentum": False}
            return optimiser, lr_scheduler.OneCycleLR(optimiser, self.learning_rate, **cycle)
        falls = [math.ceil(milestone * self.epochs) * batches for milestone in self.milestones]
        return optimiser, lr_scheduler.MultiStepLR(optimiser, falls, self.decay)


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
        Images, uint8 [N, 3, S, S], and labels, int64 [N]. Images for validation may stay in files.
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
    images, labels = (torch.from_numpy(array).to(device) for array in train)
    validation = validation[0], torch.from_numpy(validation[1]).to(device)
    optimiser, schedule = recipe.optimise(target.parameters(), max(1, len(images) // recipe.batch_size))
    drawn = torch.Generator().manual_seed(seed_for(seed, "batches"))
    noise = torch.Generator(device).manual_seed(seed_for(seed, "gradient noise"))  # too much of it to draw on the CPU

    rows, start = [], time.perf_counter()
    with progress_bar(recipe.epochs, description, unit="epoch") as bar:
        for epoch in range(recipe.epochs):
            batches = _batches(images, labels, recipe.batch_size, augment, drawn)
            loss, accuracy = _train_epoch(target, optimiser, schedule, batches, defence, noise)
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
    images : torch.Tensor or numpy.ndarray
        uint8 [N, 3, S, S], N at least 1; or `semsim.io.stored_arrays.JoinedRows`, which is read a batch at a time.
    labels : torch.Tensor
        int64 [N].
    batch_size : int
        How many images go through the model at once.

    Returns
    -------
    loss, accuracy : float
    """
    target.eval()
    # Made at once: small results that are kept one by one lie between the large ones, whose places nothing then fits.
    logits = torch.empty(len(images), target.spec["classes"], device=labels.device)
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.as_tensor(images[start : start + batch_size], device=labels.device)
            logits[start : start + batch_size] = target(_as_input(batch))
        return nn.functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


def _initial_target(architecture, classes, width, images, seed):
    """Return an untrained model that normalises by these images; PyTorch's global random numbers stay untouched."""
    mean, std = channel_statistics(images)
    with initial_weights(seed):
        return build_target(architecture, classes, images.shape[-1], width, mean, std)


def channel_statistics(images):
    """Return mean and standard deviation (at least one grey level) of each channel, as shares of full brightness."""
    counts = np.zeros((3, 256), dtype=np.int64)
    for rows in blocks(images):
        block = images[rows]
        counts += [np.bincount(block[:, channel].ravel(), minlength=256) for channel in range(3)]
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


def _train_epoch(target, optimiser, schedule, batches, defence, noise):
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
        schedule.step()
        total_loss += loss.detach() * len(labels)
        correct += (logits.detach().argmax(1) == labels).sum()
        count += len(labels)
    return (total_loss / count).item(), (correct / count).item()


def _as_input(images):
    """Return uint8 images as floats in [0, 1], in the memory order that training uses."""
    return (images / 255).contiguous(memory_format=torch.channels_last)
