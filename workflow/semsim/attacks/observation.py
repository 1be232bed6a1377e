"""What the attacker observes: the update that each client computes on its augmented images, after its defences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from semsim.attacks.batchnorm import statistics_of
from semsim.attacks.clients import ClientSettings
from semsim.attacks.gradients import ClientUpdates
from semsim.attacks.outer_products import written_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from semsim.attacks.gradients import UpdatePlan
    from semsim.targets.defences import GradientDefence
    from semsim.targets.models import Target


def augment(images: torch.Tensor, augmentation: Callable, seeds: Sequence[int]) -> torch.Tensor:
    """Return the images that enter the target model.

    Parameters
    ----------
    images : torch.Tensor, shape [N, 3, S, S], uint8
    augmentation : semsim.targets.augmentation.Augmentation
    seeds : list of int
        One per image, so that the augmentation of an image does not depend on the rest of the batch.

    Returns
    -------
    torch.Tensor, shape [N, 3, S, S], uint8
    """
    pairs = zip(images, seeds, strict=True)
    return torch.cat([augmentation(image[None], torch.Generator().manual_seed(seed)) for image, seed in pairs])


class Observation(NamedTuple):
    """What N clients share.

    Attributes
    ----------
    updates : list of torch.Tensor, each [N, *shape]
        In the order of ``target.trained_parameters()``.
    statistics : list of (torch.Tensor [N, C], torch.Tensor [N, C])
        The means and variances of the clients' batches in each call of a BatchNorm layer on feature maps, at the
        weights that the clients were sent. Only some attackers know them.
    """

    updates: list
    statistics: list


def shared_updates(
    target: Target,
    plan: UpdatePlan,
    images: torch.Tensor,
    labels: torch.Tensor,
    defence: GradientDefence,
    seeds: Sequence[int],
) -> Observation:
    """Return what each client shares.

    Parameters
    ----------
    target : semsim.targets.models.Target
    plan : semsim.attacks.gradients.UpdatePlan
    images : torch.Tensor, shape [N, B, 3, S, S]
        In [0, 1], on the target's device: a batch of B images for each of N clients.
    labels : torch.Tensor, shape [N, B], int64
    defence : semsim.targets.defences.GradientDefence
        Applied if it acts on the shared gradient.
    seeds : list of int
        One for each client, for the defence's noise.

    Returns
    -------
    Observation
    """
    client_updates = ClientUpdates(target, plan)
    passes, statistics = [], []
    for rows in torch.arange(len(images)).split(plan.clients_per_pass):
        updates, batchnorm_inputs = client_updates(target.normalise(images[rows]), labels[rows])
        passes.append([written_out(update).detach() for update in updates])
        statistics.append([statistics_of(given.detach()) for _, given in batchnorm_inputs])
    updates = [torch.cat(parts) for parts in zip(*passes, strict=True)]
    if defence.acts_on("shared"):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        if defence.alone_in_training and images.shape[1] > 1:
            updates = _bounded_by_image(target, plan, images, labels, defence, generators)
        else:
            updates = defence.apply_per_sample(updates, generators)
    joined = [tuple(map(torch.cat, zip(*parts, strict=True))) for parts in zip(*statistics, strict=True)]
    return Observation(updates, joined)


def _bounded_by_image(target, plan, images, labels, defence, generators):
    """Return the gradients of batches, each the noisy mean of the clipped gradients of its images."""
    of_one_image = ClientUpdates(target, replace(plan, client=ClientSettings()))
    updates = []
    for batch, batch_labels, generator in zip(target.normalise(images), labels, generators, strict=True):
        gradients, _ = of_one_image(batch[:, None], batch_labels[:, None])
        clipped = defence.clipped_sum([written_out(gradient).detach() for gradient in gradients])
        updates.append(defence.noisy_mean(clipped, len(batch), generator))
    return [torch.stack(parts) for parts in zip(*updates, strict=True)]
