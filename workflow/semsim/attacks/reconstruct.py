"""An attack on any network, as one function."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from semsim.attacks.run import AttackRun
from semsim.attacks.settings import AttackSettings, attack_settings
from semsim.errors import SemsimError
from semsim.targets.defences import GradientDefence
from semsim.targets.device import choose_device
from semsim.targets.models import Target
from semsim.targets.own_networks import network_label
from semsim.targets.wrapping import wrap_network


@dataclass(frozen=True)
class Reconstructions:
    """The result of an attack on N images; all tensors are on the CPU.

    Attributes
    ----------
    images : torch.Tensor, float32, [N, 3, S, S]
        Reconstructions in [0, 1], rounded to 8 bits as in an image file. Where a search diverged, its last candidate
        with a finite cost.
    labels : torch.Tensor, int64, [N]
        The class that the attack knew, read from the gradient, or optimised.
    status : tuple of {"finished", "converged", "diverged"}
        How each search ended: it used all its steps, reached the tolerance, or became non-finite.
    initial_costs, costs : torch.Tensor, float32, [N]
        Of the first and of the last candidate; lower is closer to the shared gradient.
    settings : semsim.attacks.settings.AttackSettings
        The complete settings of the attack.
    left_out : tuple of str
        The priors that were left out, as sentences that say why.
    """

    images: torch.Tensor
    labels: torch.Tensor
    status: tuple[str, ...]
    initial_costs: torch.Tensor
    costs: torch.Tensor
    settings: AttackSettings
    left_out: tuple[str, ...]


def reconstruct(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    preset: str = "invertgrad",
    steps: int | None = None,
    seed: int = 0,
    device: torch.device | str = "auto",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    last: str | None = None,
    defence: GradientDefence | None = None,
    memory_gib: float = 2.0,
    **changes,
) -> Reconstructions:
    """Reconstruct images from the gradients that a client would share for each.

    For every image, the gradient of the cross-entropy with respect to all trained parameters is computed, with the
    network in eval mode; the attack then searches for an image that has this gradient. The images are attacked
    independently, as a batch. Up to rounding, the result depends on the seed but not on the size of the batch.

    Parameters
    ----------
    module : torch.nn.Module
        Any classifier of images that gives logits [N, classes], or a `semsim.targets.models.Target`. It is copied
        and not changed.
    images : torch.Tensor, shape [N, 3, S, S]
        Floating point in [0, 1], or uint8.
    labels : torch.Tensor, shape [N], whole numbers
        The classes of the images. The attack sees them only if its label rule is ``known``.
    preset : str
        A published attack, a key of `semsim.attacks.settings.PRESETS`.
    steps : int, optional
        By default, as many as in the preset (thousands).
    seed : int
    device : torch.device or {"auto", "cpu", "cuda"}
        ``auto`` takes the GPU if there is one.
    mean, std : sequence of 3 floats, optional
        Normalisation that the module expects: it is called with ``(images - mean) / std``. By default, images are not
        normalised.
    last : str, optional
        The name of the module's last layer, if it cannot be detected (`semsim.targets.wrapping.wrap_network`).
    defence : semsim.targets.defences.GradientDefence, optional
        What the client does to its gradient before sharing it.
    memory_gib : float
        How much memory the searches that run at once may take.
    **changes
        Other fields of `semsim.attacks.settings.AttackSettings`, such as ``priors={"total_variation": 1e-2}``.

    Returns
    -------
    Reconstructions

    Raises
    ------
    SemsimError
        If the module, the images, the labels and the settings do not fit together; the message says what to do.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
    >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([3, 7])
    >>> found = reconstruct(network, images, labels, steps=200, device="cpu")
    >>> found.images.shape, found.status
    (torch.Size([2, 3, 8, 8]), ('finished', 'finished'))
    >>> bool((found.costs < 0.1 * found.initial_costs).all())
    True

    A first layer that is fully connected reveals its input in closed form, and the last layer reveals the label:

    >>> found = reconstruct(network, images, labels, preset="analytic", device="cpu")
    >>> found.labels.tolist(), bool((found.images - images).abs().max() < 0.01)
    ([3, 7], True)
    """
    if steps is not None:
        changes["steps"] = steps
    settings = attack_settings(preset, **changes)
    images = _checked_images(images)
    target = _as_target(module, images.shape[-1], mean, std, last)
    attack_run = AttackRun(
        dataset="images",
        target_name=network_label(target.spec["architecture"]),
        attack=preset,
        target=target.to(device if isinstance(device, torch.device) else choose_device(device)).eval(),
        originals=images,
        labels=_checked_labels(labels, len(images), target.spec["classes"]),
        settings=settings,
        augmentation=lambda image, generator: image,
        defence=defence or GradientDefence(),
        study_seed=seed,
        memory_gib=memory_gib,
    )
    _, outcome = attack_run.run()
    return Reconstructions(
        images=outcome.images.float() / 255,
        labels=outcome.recovered_labels,
        status=tuple(outcome.named_status()),
        initial_costs=outcome.initial_costs,
        costs=outcome.costs,
        settings=settings,
        left_out=tuple(attack_run.left_out()),
    )


def _as_target(module, image_size, mean, std, last):
    """Return a copy of a module as a target model."""
    copied = copy.deepcopy(module)
    if not isinstance(module, Target):
        return wrap_network(copied, image_size, mean=mean, std=std, last=last)
    if any(each is not None for each in (mean, std, last)):
        raise SemsimError("a target model has its own mean, std and last layer. Leave these arguments out.")
    if module.spec["image_size"] != image_size:
        raise SemsimError(f"the images have {image_size} pixels a side, the target {module.spec['image_size']}.")
    return copied


def _checked_images(images):
    """Return images as the attack expects them: uint8, or float32 in [0, 1]."""
    images = torch.as_tensor(images).detach().cpu()
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or not len(images):
        raise SemsimError(f"images must be square and of three channels, [N, 3, S, S], but are {list(images.shape)}.")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise SemsimError(f"images must be floating point in [0, 1], or uint8, but are {images.dtype}.")
    if not (images.min() >= 0 and images.max() <= 1):
        raise SemsimError(
            f"images go from {images.min():.3g} to {images.max():.3g}, but must be in [0, 1]. If the module expects "
            "normalised images, pass the images before normalisation, and mean and std."
        )
    return images.float()


def _checked_labels(labels, images, classes):
    """Return labels as int64 [N], one per image."""
    labels = torch.as_tensor(labels).detach().cpu()
    if labels.shape != (images,) or labels.is_floating_point():
        raise SemsimError(
            f"labels must be {images} whole numbers, one per image, but are {labels.dtype}, {list(labels.shape)}."
        )
    if not 0 <= labels.min() <= labels.max() < classes:
        raise SemsimError(f"labels go from {labels.min()} to {labels.max()}, but the module has {classes} classes.")
    return labels.long()
