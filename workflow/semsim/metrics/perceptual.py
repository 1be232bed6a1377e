"""Learned perceptual distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import lpips
    import torch

    from semsim.pretrained.dists import DISTS


ALEXNET_SMALLEST_IMAGE, VGG16_SMALLEST_IMAGE = 31, 16
"""Pixels on each side that the layers of the networks need."""


@metric(
    label="LPIPS (AlexNet)", bounds=(0, float("inf")), higher_is_better=False, smallest_image=ALEXNET_SMALLEST_IMAGE
)
def lpips(reference: torch.Tensor, reconstruction: torch.Tensor, lpips_network: lpips.LPIPS) -> torch.Tensor:
    """Learned perceptual image patch similarity: weighted distances of AlexNet's activations.

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
    label="LPIPS (VGG16)",
    bounds=(0, float("inf")),
    higher_is_better=False,
    smallest_image=VGG16_SMALLEST_IMAGE,
    extra=True,
)
def lpips_vgg(reference: torch.Tensor, reconstruction: torch.Tensor, lpips_vgg_network: lpips.LPIPS) -> torch.Tensor:
    """Learned perceptual image patch similarity on VGG16, a deeper network than AlexNet.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].
    lpips_vgg_network : lpips.LPIPS
        With pretrained weights in its trunk, as from `semsim.pretrained.networks.load_lpips_vgg`.

    Returns
    -------
    torch.Tensor
        Shape [N].
    """
    return lpips_vgg_network(reference, reconstruction, normalize=True).flatten()


@metric(label="DISTS", bounds=(0, 2), higher_is_better=False, smallest_image=VGG16_SMALLEST_IMAGE, extra=True)
def dists(reference: torch.Tensor, reconstruction: torch.Tensor, dists_network: DISTS) -> torch.Tensor:
    """Deep image structure and texture similarity: how far means and covariances of VGG16's activations are apart.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].
    dists_network : semsim.pretrained.dists.DISTS
        As from `semsim.pretrained.networks.load_dists`.

    Returns
    -------
    torch.Tensor
        Shape [N].
    """
    return dists_network(reference, reconstruction)


@metric(
    label="Random-trunk distance",
    bounds=(0, float("inf")),
    higher_is_better=False,
    caveat="the weights of the LPIPS trunk are not available (semsim fetch brings them); with random weights, the"
    " values are not LPIPS",
    smallest_image=ALEXNET_SMALLEST_IMAGE,
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
