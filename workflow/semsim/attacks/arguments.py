"""The arguments of attacks on any network, checked: what is wrong with them is said before anything is computed."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from semsim.attacks.clients import ClientSettings
from semsim.attacks.settings import Attacker
from semsim.errors import SemsimError
from semsim.io.images import as_floats, as_tensor
from semsim.settings import Settings, validated
from semsim.targets.calls import eval_mode
from semsim.targets.defences import DEFENCES, AnyDefence, GradientDefence
from semsim.targets.models import Target
from semsim.targets.own_networks import network_label
from semsim.targets.wrapping import wrap_network


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

    Parameters and errors are those of `semsim.attacks.reconstruct.reconstruct`.

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
    return _checked_settings(Attacker, attacker, "The attacker is not valid")


def checked_client_settings(client: ClientSettings | dict | None) -> ClientSettings:
    """Return what clients do, from settings if these are given."""
    return _checked_settings(ClientSettings, client, "The client is not valid")


def _checked_settings(model, given, heading):
    """Return settings: as they are given, from a dict, or the defaults."""
    return given if isinstance(given, model) else validated(model, {} if given is None else given, heading)


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
        raise SemsimError(f"module must be an instance of torch.nn.Module, but is {what}. Give the network itself.")
    name = type(module).__name__
    if any(isinstance(each, torch.jit.ScriptModule) for each in module.modules()):
        raise SemsimError(
            f"{name} has been compiled by torch.jit, so its layers cannot be hooked. Give the original module."
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
                f"parameter {parameter_name} of {name} holds NaN or infinity, so its gradients are meaningless. Load or"
                " train its weights again."
            )
    return module


def _check_logits(target, images):
    """Refuse a target whose logits of the first image cannot be differentiated as they should."""
    first = images[:1].to(target.mean.device)
    with eval_mode(target.network), torch.no_grad():
        try:
            logits = target(as_floats(first))
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
            f"{type(module).__name__} cannot be copied, and attacks work on a copy ({type(error).__name__}: {reason})."
            " Remove everything that it holds besides layers and weights, such as open files, locks and results of"
            " computations. For torch.nn.utils.weight_norm or spectral_norm, use those of"
            " torch.nn.utils.parametrizations."
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
            raise SemsimError("images must all have the same size. Attack those of each size separately.")
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
