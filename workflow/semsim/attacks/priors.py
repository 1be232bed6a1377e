"""Priors on images, as penalties: one number per image, lower is more plausible.

A prior is a function with the decorator ``@PRIORS.register()``; its name is then a key of the setting ``priors``. It
looks at the candidates' images in the target model's normalised space, [N, restarts, 3, S, S], and its mean over the
images of a batch is added to the cost. Registered with ``of="batchnorm_inputs"``, it looks at what the candidates put
into the BatchNorm layers, and with ``of="batch_statistics"`` also at the statistics of the client's batch there. Where
the target model, the client or the attacker lacks what a prior needs, the attack runs without it and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import lazy_loader

from semsim.attacks.batchnorm import statistics_of
from semsim.registry import Part, Registry

torch = lazy_loader.load("torch")


@dataclass(frozen=True)
class Prior(Part):
    """A prior, and what it looks at: ``images``, ``batchnorm_inputs`` or ``batch_statistics``."""

    of: str = "images"


PRIORS = Registry(Prior)


@PRIORS.register()
def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across (anisotropic; Geiping et al. 2020).

    Parameters
    ----------
    images : torch.Tensor, shape [..., C, H, W]

    Returns
    -------
    torch.Tensor, shape [...]
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().flatten(-3).mean(-1)
    across = (images[..., 1:] - images[..., :-1]).abs().flatten(-3).mean(-1)
    return down + across


@PRIORS.register()
def l2_norm(images: torch.Tensor) -> torch.Tensor:
    """Euclidean norm of an image (Yin et al. 2021, equation 6).

    Parameters
    ----------
    images : torch.Tensor, shape [..., C, H, W]

    Returns
    -------
    torch.Tensor, shape [...]
    """
    return images.flatten(-3).norm(dim=-1)


@PRIORS.register(of="batchnorm_inputs", needs={"batchnorm", "running_statistics"})
def batchnorm(batchnorm_inputs: list[tuple[torch.nn.Module, torch.Tensor]]) -> torch.Tensor:
    """Distance of a batch's channel statistics from those that BatchNorm layers remember (Yin et al. 2021, eq. 7).

    Parameters
    ----------
    batchnorm_inputs : list of (BatchNorm layer, torch.Tensor [N, B, C, *positions])
        Each layer and what it was given; at least one.

    Returns
    -------
    torch.Tensor, shape [N]
        Sum over layers of the distances of the means and of the variances, where a batch's statistics are taken over
        its images and their positions.
    """
    remembered = [(layer.running_mean, layer.running_var) for layer, _ in batchnorm_inputs]
    return _distance_of_statistics(batchnorm_inputs, remembered)


@PRIORS.register(of="batch_statistics", needs={"batchnorm", "batchnorm_train", "batch_statistics"})
def batch_statistics(
    batchnorm_inputs: list[tuple[torch.nn.Module, torch.Tensor]], observed: list[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """Distance of a batch's channel statistics from those of the client's batch, if the client shares them.

    Clients of federated averaging do, where they send the running statistics of BatchNorm along with their weights.

    Parameters
    ----------
    batchnorm_inputs : list of (BatchNorm layer, torch.Tensor [N, B, C, *positions])
        Each layer and what it was given; at least one.
    observed : list of (torch.Tensor [N, C], torch.Tensor [N, C])
        Means and variances of the clients' batches in the same calls.

    Returns
    -------
    torch.Tensor, shape [N]
        As for `batchnorm`.

    References
    ----------
    Huang, Gupta, Song, Li, Arora: Evaluating Gradient Inversion Attacks and Defenses in Federated Learning. NeurIPS
    2021, section 3.
    """
    return _distance_of_statistics(batchnorm_inputs, observed)


def _distance_of_statistics(batchnorm_inputs, others):
    """Return the sum over layers of the distances of means and of variances from others, [N]."""
    total = 0.0
    for (_, given), (other_mean, other_variance) in zip(batchnorm_inputs, others, strict=True):
        mean, variance = statistics_of(given)
        total = total + (mean - other_mean).norm(dim=1) + (variance - other_variance).norm(dim=1)
    return total


@PRIORS.register(needs={"several_restarts"})
def group_consistency(images: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of an image from the consensus of all restarts.

    Parameters
    ----------
    images : torch.Tensor, shape [N, restarts, C, H, W]

    Returns
    -------
    torch.Tensor, shape [N, restarts]

    Notes
    -----
    Yin et al. (2021, equation 10) register the restarts by optical flow and average them. Here registration is the
    cyclic shift with the highest cross-correlation with the group's mean, found by Fourier transform for the whole
    batch at once: it undoes translations, which is what a convolutional network lets restarts differ in, but not
    deformations. The consensus is held constant while differentiating, as in the paper.
    """
    with torch.no_grad():
        consensus = _shift_towards(images, images.mean(1, keepdim=True)).mean(1, keepdim=True)
    return (images - consensus).square().mean((2, 3, 4))


def _shift_towards(images, references):
    """Return `images` [..., C, H, W], each cyclically shifted to where it correlates best with its reference."""
    height, width = images.shape[-2:]
    spectrum = torch.fft.rfft2(references) * torch.fft.rfft2(images).conj()
    correlation = torch.fft.irfft2(spectrum.sum(-3), s=(height, width))
    best = correlation.flatten(-2).argmax(-1)[..., None]
    rows = (torch.arange(height, device=images.device) - best // width) % height
    columns = (torch.arange(width, device=images.device) - best % width) % width
    shape = images.shape
    shifted = images.gather(-2, rows[..., None, :, None].expand(shape))
    return shifted.gather(-1, columns[..., None, None, :].expand(shape))
