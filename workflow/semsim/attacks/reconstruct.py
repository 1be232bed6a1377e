"""An attack on any network, as one function."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from semsim.attacks.clients import ClientSettings
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import Attacker, AttackSettings, attack_settings
from semsim.errors import SemsimError
from semsim.io.images import as_tensor
from semsim.settings import Settings, validated
from semsim.targets.calls import eval_mode
from semsim.targets.defences import DEFENCES, AnyDefence, GradientDefence
from semsim.targets.device import checked_device
from semsim.targets.models import Target
from semsim.targets.own_networks import network_label
from semsim.targets.wrapping import wrap_network


@dataclass(frozen=True)
class Reconstructions:
    """The result of an attack on N images; all tensors are on the CPU.

    The reconstructions of a batch are matched with its images so that the sum of their squared errors is smallest
    (`semsim.attacks.matching.match_batch`).

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
    client : semsim.attacks.clients.ClientSettings
        The complete settings of the clients.
    left_out : tuple of str
        The priors that were left out, as sentences that say why.
    """

    images: torch.Tensor
    labels: torch.Tensor
    status: tuple[str, ...]
    initial_costs: torch.Tensor
    costs: torch.Tensor
    settings: AttackSettings
    client: ClientSettings
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
    defence: GradientDefence | dict | None = None,
    attacker: Attacker | dict | None = None,
    client: ClientSettings | dict | None = None,
    memory_gib: float | None = None,
    **changes,
) -> Reconstructions:
    """Reconstruct images from the gradients or updates that clients would share.

    By default, each image is a client of its own, which shares the gradient of the cross-entropy with respect to all
    trained parameters, with the network in eval mode; the attack then searches for an image that has this gradient.
    `client` makes it the gradient of a batch, an update after several local steps, or one with BatchNorm in train mode.
    Clients are attacked independently, all at once. Up to rounding, the result depends on the seed but not on how many
    there are.

    Parameters
    ----------
    module : torch.nn.Module
        Any classifier of images that gives logits [N, classes], or a `semsim.targets.models.Target`, in single
        precision. It is copied and not changed.
    images : torch.Tensor or array-like, shape [N, 3, S, S]
        Floating point in [0, 1], or uint8; or a list of such images [3, S, S].
    labels : torch.Tensor or array-like, shape [N], whole numbers
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
    defence : semsim.targets.defences.GradientDefence or dict, optional
        What the client does to its gradient before sharing it; or, as in a study, its settings, such as
        ``{"kind": "prune", "share": 0.9}``.
    attacker : semsim.attacks.settings.Attacker or dict, optional
        What the attacker does not know, such as ``{"labels": False}``; by default, it knows everything that a preset
        makes use of. A preset that needs more is refused.
    client : semsim.attacks.clients.ClientSettings or dict, optional
        What a client computes its update on, and how; or, as in a study, its settings, such as
        ``{"batch": 8, "local_steps": 4}``. Consecutive images belong to one client; the last may have fewer.
    memory_gib : float, optional
        How much memory the searches that run at once may take. By default 2, or a quarter of a GPU's if that is more,
        and however much one client takes.
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
    changes = {name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()}
    settings = attack_settings(preset, **changes)
    check_knowledge({preset: settings}, checked_attacker(attacker))
    seed = checked_seed(seed)
    memory_gib = checked_memory(memory_gib)
    defence = checked_defence(defence)
    client = checked_client_settings(client)
    device = checked_device(device)
    target, images, labels = checked_client(module, images, labels, device, mean, std, last)
    if client.batch > len(images):
        raise SemsimError(f"{len(images)} images cannot fill a batch of {client.batch}. Give more, or a smaller batch.")
    attack_run = AttackRun(
        dataset="images",
        target_name=network_label(target.spec["architecture"]),
        attack=preset,
        target=target,
        originals=images,
        labels=labels,
        settings=settings,
        augmentation=lambda image, generator: image,
        defence=defence,
        study_seed=seed,
        memory_gib=memory_gib,
        client=client,
    )
    _, outcome = attack_run.run()
    return Reconstructions(
        images=outcome.images.float() / 255,
        labels=outcome.recovered_labels,
        status=tuple(outcome.named_status()),
        initial_costs=outcome.initial_costs,
        costs=outcome.costs,
        settings=settings,
        client=client,
        left_out=tuple(attack_run.left_out()),
    )


def checked_client(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    device: torch.device,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    last: str | None = None,
) -> tuple[Target, torch.Tensor, torch.Tensor]:
    """Return a copy of a module as a target model, and the images and labels as attacks take them.

    Parameters and errors are those of `reconstruct`.

    Returns
    -------
    target : semsim.targets.models.Target
        In eval mode, on the device.
    images : torch.Tensor, [N, 3, S, S]
        On the CPU: uint8, or float32 in [0, 1].
    labels : torch.Tensor, int64, [N]
        On the CPU.
    """
    images = _checked_images(images)
    target = _as_target(_checked_module(module), images.shape[-1], mean, std, last).to(device).eval()
    labels = _checked_labels(labels, len(images), target.spec["classes"])
    _check_logits(target, images)
    return target, images, labels


class _Defended(Settings):
    """A defence, to be checked as a study checks it."""

    defence: AnyDefence


def checked_defence(defence: GradientDefence | dict | None) -> GradientDefence:
    """Return a defence, from its settings if these are given."""
    if defence is None:
        return GradientDefence()
    if isinstance(defence, GradientDefence):
        return defence
    if not isinstance(defence, dict):
        raise SemsimError(
            f"defence must be a GradientDefence, or the settings of one of {', '.join(DEFENCES)}, such as "
            f'{{"kind": "prune", "share": 0.9}}, but is {defence!r}.'
        )
    return validated(_Defended, {"defence": defence}, "The defence is not valid").defence


def checked_attacker(attacker: Attacker | dict | None) -> Attacker:
    """Return what an attacker knows, from settings if these are given."""
    if isinstance(attacker, Attacker):
        return attacker
    return validated(Attacker, {} if attacker is None else attacker, "The attacker is not valid")


def checked_client_settings(client: ClientSettings | dict | None) -> ClientSettings:
    """Return what clients do, from settings if these are given."""
    if isinstance(client, ClientSettings):
        return client
    return validated(ClientSettings, {} if client is None else client, "The client is not valid")


def check_knowledge(attacks: dict[str, AttackSettings], attacker: Attacker) -> None:
    """Refuse attacks, by name, that need knowledge that the attacker does not have.

    Raises
    ------
    SemsimError
    """
    for name, settings in attacks.items():
        if problems := settings.forbidden(attacker):
            raise SemsimError(f"attack {name}: {'; '.join(problems)}, which this one does not. Take another attack.")


def checked_seed(seed: int) -> int:
    """Return a seed; raise a `SemsimError` if it is no whole number."""
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
        raise SemsimError(f"seed must be a whole number, but is {seed!r}.")
    return int(seed)


def checked_memory(memory_gib: float | None) -> float | None:
    """Return an amount of memory in GiB; raise a `SemsimError` if it is no finite number above 0."""
    if memory_gib is None:
        return None
    if not isinstance(memory_gib, numbers.Real) or isinstance(memory_gib, bool) or not 0 < memory_gib < math.inf:
        raise SemsimError(f"memory_gib must be a finite number of GiB above 0, but is {memory_gib!r}.")
    return float(memory_gib)


def _checked_module(module):
    """Return a module if it can be copied and attacked."""
    if not isinstance(module, nn.Module):
        what = f"the class {module.__name__}" if isinstance(module, type) else f"a {type(module).__name__}"
        raise SemsimError(
            f"module must be a torch.nn.Module that has been made, but is {what}. Give the network itself."
        )
    name = type(module).__name__
    if any(isinstance(each, torch.jit.ScriptModule) for each in module.modules()):
        raise SemsimError(
            f"{name} has been compiled by torch.jit, so its layers cannot be watched. Give the module it was made from."
        )
    if any(is_lazy(each) for each in (*module.parameters(), *module.buffers())):
        raise SemsimError(f"{name} has lazy layers without weights. Call it on a batch of images once, then give it.")
    for parameter_name, parameter in module.named_parameters():
        if parameter.dtype != torch.float32:
            raise SemsimError(
                f"parameter {parameter_name} of {name} is {parameter.dtype}, but attacks compute in single precision. "
                "Give a copy in float32: copy.deepcopy(module).float()."
            )
        if parameter.is_meta:
            raise SemsimError(f"parameter {parameter_name} of {name} is on the device meta. Load its weights first.")
        if not parameter.isfinite().all():
            raise SemsimError(
                f"parameter {parameter_name} of {name} holds NaN or infinity, so its gradients mean nothing. "
                "Load or train its weights again."
            )
    return module


def _check_logits(target, images):
    """Refuse a target whose logits of the first image cannot be differentiated as they should."""
    first = images[:1].to(target.mean.device)
    with eval_mode(target.network), torch.no_grad():
        try:
            logits = target(first / 255 if first.dtype == torch.uint8 else first)
        except Exception as error:  # of whatever kind: it is somebody else's code
            name = network_label(target.spec["architecture"])
            raise SemsimError(f"{name} cannot be given the images on {target.mean.device}: {error}") from None
    if not logits.isfinite().all():
        raise SemsimError(
            f"{network_label(target.spec['architecture'])} gives logits that are NaN or infinite for the first image. "
            "Check its buffers, such as running statistics, and the mean and std that it expects."
        )


def _as_target(module, image_size, mean, std, last):
    """Return a copy of a module as a target model."""
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # of whatever kind: modules may hold anything
        reason = " ".join(str(error).split())
        raise SemsimError(
            f"{type(module).__name__} cannot be copied, and attacks work on a copy ({type(error).__name__}: {reason}). "
            "Remove what it holds besides layers and weights, such as open files, locks and results of computations. "
            "For torch.nn.utils.weight_norm or spectral_norm, use those of torch.nn.utils.parametrizations."
        ) from None
    if not isinstance(module, Target):
        return wrap_network(copied, image_size, mean=mean, std=std, last=last)
    if any(each is not None for each in (mean, std, last)):
        raise SemsimError("a target model has its own mean, std and last layer. Leave these arguments out.")
    if module.spec["image_size"] != image_size:
        raise SemsimError(f"the images have {image_size} pixels a side, the target {module.spec['image_size']}.")
    return copied


def _checked_images(images):
    """Return images as the attack expects them: uint8, or float32 in [0, 1]."""
    if isinstance(images, list | tuple) and images and all(isinstance(each, torch.Tensor) for each in images):
        if len({each.shape for each in images}) > 1:
            raise SemsimError("images must all be of one size. Attack those of each size by themselves.")
        images = torch.stack([each.detach().cpu() for each in images])
    images = as_tensor(images, "images").detach().cpu()
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
    if isinstance(labels, list | tuple) and labels and all(isinstance(each, torch.Tensor) for each in labels):
        labels = [each.tolist() for each in labels]
    wanted = f"labels must be {images} whole numbers, one per image"
    try:
        labels = torch.as_tensor(labels).detach().cpu().to_dense()
    except (TypeError, ValueError, RuntimeError):  # whatever holds no numbers
        raise SemsimError(f"{wanted}, but are {labels!r:.80}.") from None
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if labels.shape != (images,) or not whole:
        raise SemsimError(f"{wanted}, but are {labels.dtype}, {list(labels.shape)}.")
    labels = labels.long()
    if not 0 <= labels.min() <= labels.max() < classes:
        raise SemsimError(f"labels go from {labels.min()} to {labels.max()}, but the module has {classes} classes.")
    return labels
