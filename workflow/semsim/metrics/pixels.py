"""Metrics that compare pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import torch

SSIM_WINDOW = 7
"""Side of SSIM's windows in pixels, and so that of the smallest images for which it is defined."""


@metric(label="MSE", bounds=(0, 1), higher_is_better=False)
def mse(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Mean squared error over pixels and channels.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N].

    Examples
    --------
    >>> import torch
    >>> mse(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5))
    tensor([0.2500])
    """
    return (reference - reconstruction).square().mean(dim=(1, 2, 3))


@metric(label="PSNR", unit="dB", bounds=(0, 100), higher_is_better=True)
def psnr(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in decibels, for a data range of 1; at most 100 dB.

    Identical images would have an infinite ratio, and a single one would make every mean and correlation infinite or
    undefined. The bound loses nothing for 8-bit images: a single value off by 1/255 gives 83 dB in an image of 32x32
    pixels, and 99.9 dB in one of 224x224.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N], in [0, 100].

    Examples
    --------
    >>> import torch
    >>> black, grey = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.1)
    >>> psnr(black, grey), psnr(black, black)
    (tensor([20.]), tensor([100.]))
    """
    return 10 * mse(reference, reconstruction).clamp(1e-10, 1).reciprocal().log10()


@metric(label="Registered PSNR", unit="dB", bounds=(0, 100), higher_is_better=True, extra=True)
def registered_psnr(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """The best PSNR over shifts of up to an eighth of the image's side, and a horizontal flip.

    Each shift is judged on what then overlaps. Where this is far above PSNR, a reconstruction is misaligned rather than
    wrong, as is one of a cropped and flipped image against the original.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].

    Returns
    -------
    torch.Tensor
        Shape [N], in [0, 100], at least the PSNR.
    """
    import torch

    reference, reconstruction = reference.double(), reconstruction.double()
    errors = [_shifted_errors(reference, each).flatten(1) for each in (reconstruction, reconstruction.flip(-1))]
    return 10 * torch.cat(errors, dim=1).amin(dim=1).clamp(1e-10, 1).reciprocal().log10().float()


def _shifted_errors(x, y):
    """Return the mean squared errors of x and shifted y on what overlaps, [N, shifts down, shifts to the right].

    An error is the energy of both less twice their product: the products of all shifts come from one Fourier
    transform, the energies from sums over rectangles.
    """
    import torch

    height, width = x.shape[-2:]
    down, right = (torch.arange(-(side // 8), side // 8 + 1, device=x.device) for side in (height, width))
    size = (height + len(down) // 2, width + len(right) // 2)  # so that nothing comes round the edge
    spectrum = (torch.fft.rfft2(x, s=size) * torch.fft.rfft2(y, s=size).conj()).sum(1)
    products = torch.fft.irfft2(spectrum, s=size)[:, down][:, :, right]
    energies = _energies(x, down, right) + _energies(y, -down, -right)
    counts = x.shape[1] * (height - down.abs())[:, None] * (width - right.abs())
    return (energies - 2 * products) / counts


def _energies(images, down, right):
    """Return the sums of squares in the part of images that overlaps with others shifted by so much."""
    import torch

    sums = torch.nn.functional.pad(images.square().sum(1).cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    (top, bottom), (left, end) = (
        (shifts.clamp(min=0), side + shifts.clamp(max=0))
        for shifts, side in zip((down, right), images.shape[-2:], strict=True)
    )
    return sums[:, bottom][:, :, end] - sums[:, top][:, :, end] - sums[:, bottom][:, :, left] + sums[:, top][:, :, left]


@metric(label="SSIM", bounds=(-1, 1), higher_is_better=True, smallest_image=SSIM_WINDOW)
def ssim(reference: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Structural similarity in windows of 7x7 pixels, averaged over windows and channels.

    Equals scikit-image's `structural_similarity` with its default settings: uniform windows that lie inside the image,
    and sample covariances.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1]; at least 7 pixels high and wide.

    Returns
    -------
    torch.Tensor
        Shape [N], in [-1, 1].

    Raises
    ------
    SemsimError
        If the images are smaller than a window.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13 (2004).
    """
    side = SSIM_WINDOW
    height, width = reference.shape[-2:]
    if min(height, width) < side:
        raise SemsimError(
            f"ssim: images of {height}x{width} pixels are smaller than its window of {side}x{side}. Enlarge them."
        )

    def window_mean(values):
        return values.unfold(-1, side, 1).mean(-1).unfold(-2, side, 1).mean(-1)

    luminance_floor, contrast_floor = 0.01**2, 0.03**2
    sample = side**2 / (side**2 - 1)
    # In float32, variances of bright flat windows would be rounding errors of the size of the floors.
    x, y = reference.double(), reconstruction.double()
    mean_x, mean_y = window_mean(x), window_mean(y)
    squared_means, squared_shift = mean_x.square() + mean_y.square(), (mean_x - mean_y).square()
    variances = sample * (window_mean(x.square() + y.square()) - squared_means)
    variance_apart = sample * (window_mean((x - y).square()) - squared_shift)
    # Both factors are written as one minus what sets the images apart: exactly 1 where nothing does.
    luminance = 1 - squared_shift / (squared_means + luminance_floor)
    structure = 1 - variance_apart / (variances + contrast_floor)
    return (luminance * structure).mean(dim=(1, 2, 3)).float()
