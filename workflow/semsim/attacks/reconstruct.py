"""An attack on any network, as a single function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from semsim.attacks.arguments import (
    checked_attacker,
    checked_client,
    checked_client_settings,
    checked_defence,
    checked_memory,
    checked_seed,
)
from semsim.attacks.clients import ClientSettings
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import Attacker, AttackSettings, attack_settings, check_knowledge
from semsim.errors import SemsimError
from semsim.io.images import as_floats
from semsim.targets.defences import GradientDefence
from semsim.targets.device import checked_device
from semsim.targets.own_networks import network_label


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
        images=as_floats(outcome.images),
        labels=outcome.recovered_labels,
        status=tuple(outcome.named_status()),
        initial_costs=outcome.initial_costs,
        costs=outcome.costs,
        settings=settings,
        client=client,
        left_out=tuple(attack_run.left_out()),
    )
