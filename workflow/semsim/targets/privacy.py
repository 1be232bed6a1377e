"""Differentially private training: Poisson sampling, per-image gradients, and the privacy that is spent.

Batches are Poisson samples, as the accountant assumes: each image enters each batch with the same probability, whatever
the others do. The epsilon of a training therefore does not hold for shuffled batches. It holds for adding or removing
one image, and for the weights; not for what else is computed from the training images, which is the mean and standard
deviation of their channels, and the training accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from semsim.errors import SemsimError
from semsim.targets.defences import DifferentialPrivacy, GradientDefence
from semsim.targets.recipe import TargetRecipe

GRADIENT_BYTES = 2**28
"""Memory for the gradients of single images that are computed at once."""
ORDERS = [
    *(1 + 10 ** (exponent / 4) for exponent in range(-32, -4)),  # for little noise
    *(1 + tenth / 10 for tenth in range(1, 100)),
    *range(12, 64),
    *(2**exponent for exponent in range(6, 13)),  # for much noise
]
"""Orders of the Rényi divergence among which the accountant takes the best."""


def check_alone(network: nn.Module, name: str) -> None:
    """Refuse a network in which the images of a batch influence each other in training.

    Raises
    ------
    SemsimError
        If it has BatchNorm layers.
    """
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if layers:
        raise SemsimError(
            f"{name}: gradient defence dp cannot train a network with BatchNorm layers ({layers[0]}), in which images"
            " have no gradients of their own. Use GroupNorm, or `scope: shared`."
        )


def poisson_batches(
    images: torch.Tensor, labels: torch.Tensor, batch_size: int, augment: Callable, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield one epoch of augmented images and their labels, each image in each batch by chance.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    labels : torch.Tensor
        int64 [N].
    batch_size : int
        Expected number of images in a batch. A batch may be empty.
    augment : callable
        As `semsim.targets.augmentation.Augmentation`.
    generator : torch.Generator
        Of the CPU.
    """
    for _ in range(steps_per_epoch(batch_size, len(images))):
        chosen = torch.rand(len(images), generator=generator) < sampling_rate(batch_size, len(images))
        chosen = chosen.nonzero()[:, 0].to(images.device)
        yield (augment(images[chosen], generator) if len(chosen) else images[chosen]), labels[chosen]


def steps_per_epoch(batch_size: int, images: int) -> int:
    """Return the number of batches in a pass over the training images."""
    return max(1, images // batch_size)


def sampling_rate(batch_size: int, images: int) -> float:
    """Return the probability with which an image enters a batch."""
    return min(1.0, batch_size / images)


def private_gradient(
    target: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    defence: DifferentialPrivacy,
    expected: int,
    generator: torch.Generator,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the gradient of a step of DP-SGD, and the logits.

    Parameters
    ----------
    target : semsim.targets.models.Target
    images : torch.Tensor
        [N, 3, S, S], in [0, 1]; N may be 0.
    labels : torch.Tensor
        int64 [N].
    defence : DifferentialPrivacy
    expected : int
        Expected number of images in a batch, by which the sum of their clipped gradients is divided.
    generator : torch.Generator
        Draws the noise, on the target's device.

    Returns
    -------
    gradients : list of torch.Tensor
        Of each of ``target.trained_parameters()``.
    logits : torch.Tensor, [N, classes]
    """

    def loss(parameters, image, label):
        logits = functional_call(target.network, parameters, (image[None],))
        return nn.functional.cross_entropy(logits, label[None]), logits[0]

    trained = {name: parameter.detach() for name, parameter in target.trained_parameters().items()}
    of_each = vmap(grad(loss, has_aux=True), in_dims=(None, 0, 0), randomness="different")
    sums = [torch.zeros_like(parameter) for parameter in trained.values()]
    all_logits = [images.new_zeros(0, target.spec["classes"])]
    at_once = max(1, GRADIENT_BYTES // sum(4 * parameter.numel() for parameter in sums))
    for rows in torch.arange(len(images)).split(at_once) if len(images) else []:
        gradients, logits = of_each(trained, target.normalise(images[rows]), labels[rows])
        clipped = defence.clipped_sum(list(gradients.values()))
        sums = [total + each for total, each in zip(sums, clipped, strict=True)]
        all_logits.append(logits)
    return defence.noisy_mean(sums, expected, generator), torch.cat(all_logits)


def privacy_spent(defence: GradientDefence, recipe: TargetRecipe, images: int) -> dict[str, float]:
    """Return what a target model's defence spends: epsilons, and the delta that they are for; nothing if it has none.

    Both are upper bounds for adding or removing one image, by Rényi differential privacy (Opacus's accountant).

    Parameters
    ----------
    defence : GradientDefence
    recipe : TargetRecipe
    images : int
        Number of training images.

    Returns
    -------
    dict
        If the defence is `DifferentialPrivacy`: `delta`; `epsilon` of the training, if it acts on that, of all steps
        on Poisson samples; and `epsilon_shared` of one shared gradient, if it acts on that, of one image that the
        attacker knows to be there, so that no sampling hides it.

    References
    ----------
    Mironov, Talwar, Zhang: Rényi Differential Privacy of the Sampled Gaussian Mechanism. arXiv 1908.10530, 2019.
    """
    if not isinstance(defence, DifferentialPrivacy):
        return {}
    spent = {"delta": defence.delta}
    if defence.acts_on("training"):
        steps = recipe.epochs * steps_per_epoch(recipe.batch_size, images)
        spent["epsilon"] = epsilon(defence.noise, sampling_rate(recipe.batch_size, images), steps, defence.delta)
    if defence.acts_on("shared"):
        spent["epsilon_shared"] = epsilon(defence.noise, 1.0, 1, defence.delta)
    return spent


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return the epsilon of Gaussian noise on the sum over Poisson samples, composed over steps.

    Parameters
    ----------
    noise : float
        Its standard deviation, in units of the largest norm of an image's gradient.
    rate : float
        The probability with which an image enters a sample.
    steps : int
    delta : float
    """
    if steps == 0:
        return 0.0
    from opacus.accountants.analysis import rdp  # it takes seconds to import, and few trainings are private

    spent = rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=steps, orders=ORDERS)
    return float(rdp.get_privacy_spent(orders=ORDERS, rdp=spent, delta=delta)[0])
