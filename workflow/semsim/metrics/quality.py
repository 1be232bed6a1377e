"""Metrics of image quality from the package piq."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import torch


@metric(label="MS-SSIM", bounds=(0, 1), higher_is_better=True, smallest_image=161, extra=True)
def ms_ssim(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Structural similarity at five resolutions, each half of the one before.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Wang, Simoncelli, Bovik: "Multiscale structural similarity for image quality assessment", Asilomar Conference on
    Signals, Systems and Computers 2003.
    """
    return _by_piq("multi_scale_ssim", reference, reconstruction).clamp(0, 1)


@metric(label="FSIM", bounds=(0, 1), higher_is_better=True, smallest_image=16, extra=True)
def fsim(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Feature similarity: how alike phase congruency, gradients and colours are, weighted by phase congruency.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Zhang, Zhang, Mou, Zhang: "FSIM: a feature similarity index for image quality assessment", IEEE Transactions on
    Image Processing 20 (2011). With colours, it is called FSIMc there.
    """
    return _by_piq("fsim", reference, reconstruction)


@metric(label="VIF", bounds=(0, float("inf")), higher_is_better=True, smallest_image=41, extra=True)
def vif(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Visual information fidelity in the pixel domain: the share of the original's information that is left.

    It is 1 for equal images, and more where a reconstruction has the original's structure with more contrast.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1]; compared by their luminance.

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Sheikh, Bovik: "Image information and visual quality", IEEE Transactions on Image Processing 15 (2006).
    """
    return _by_piq("vif_p", reconstruction, reference)


@metric(label="GMSD", bounds=(0, 0.5), higher_is_better=False, smallest_image=4, extra=True)
def gmsd(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Gradient magnitude similarity deviation: how unevenly edges are lost over the image.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1]; compared by their luminance.

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Xue, Zhang, Mou, Bovik: "Gradient magnitude similarity deviation: a highly efficient perceptual image quality
    index", IEEE Transactions on Image Processing 23 (2014).
    """
    return _by_piq("gmsd", reference, reconstruction)


@metric(label="HaarPSI", bounds=(0, 1), higher_is_better=True, smallest_image=16, extra=True)
def haarpsi(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Haar wavelet-based perceptual similarity: how alike edges and colours are, weighted by where they are strong.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N].

    References
    ----------
    Reisenhofer, Bosse, Kutyniok, Wiegand: "A Haar wavelet-based perceptual similarity index for image quality
    assessment", Signal Processing: Image Communication 61 (2018).
    """
    return _by_piq("haarpsi", reference, reconstruction).clamp(0, 1)  # of two black images, it is infinite


def _by_piq(name, *images):
    """Return what a function of piq makes of pairs; in double precision, equal images have exactly the best value."""
    from semsim.compat import import_torchvision

    import_torchvision()
    import piq

    return getattr(piq, name)(*(batch.double() for batch in images), reduction="none").float()
