"""Learned perceptual distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import lpips
    import torch


@metric(label="LPIPS (AlexNet)", bounds=(0, float("inf")), higher_is_better=False)
def lpips(reference: torch.Tensor, reconstruction: torch.Tensor, lpips_network: lpips.LPIPS) -> torch.Tensor:
    """Learned perceptual image patch similarity: weighted distances of an ImageNet network's activations.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1]. The network expects [-1, 1] and is told to convert them.
    lpips_network : lpips.LPIPS
        With pretrained weights in its trunk, as from `semsim.pretrained.networks.load_lpips`.

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Zhang, Isola, Efros, Shechtman, Wang: "The unreasonable effectiveness of deep features as a perceptual metric",
    CVPR 2018.
    """
    return lpips_network(reference, reconstruction, normalize=True).flatten()


@metric(
    label="Random-trunk distance",
    bounds=(0, float("inf")),
    higher_is_better=False,
    caveat="the weights of the LPIPS trunk are not available; with random weights, the values are not LPIPS",
)
def lpips_random_trunk(
    reference: torch.Tensor, reconstruction: torch.Tensor, random_trunk_network: lpips.LPIPS
) -> torch.Tensor:
    """The LPIPS computation on a network with random weights, used if the pretrained ones are not available.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].
    random_trunk_network : lpips.LPIPS
        With a random trunk, as from `semsim.pretrained.networks.random_lpips`.

    Returns
    -------
    torch.Tensor
        Shape [N]. Comparable neither with LPIPS nor with the values for another seed.
    """
    return random_trunk_network(reference, reconstruction, normalize=True).flatten()
