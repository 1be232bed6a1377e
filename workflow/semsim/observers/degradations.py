"""Degradations of images, from none to unrecognisable, on which observers are trained.

They are generic and imitate no attack: colour shifts, blocks, blur, edge-preserving smoothing, specks, and noise, fine
or coarse, grey or coloured, into which the image fades. Each image of a batch has its own random degradations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

# Strengths at severity 1, where nothing is left to recognise.
BLUR = 0.35  # standard deviation, as a share of the image's side
SMOOTHING = 0.5  # weight of the total variation, for values in [0, 1]
SMOOTHING_STEPS = 5
NOISE = 0.45  # standard deviation of the noise that has taken the image's place
FADING, BLURRING = 0.6, 0.25  # shares of images whose main degradation is noise, or blur; for the rest, smoothing
COARSE_SIDES = (2, 4, 8)  # cells across the image, of coarse noise
BLOCKS = 4  # blocks across the image
SPECKS = 0.5  # share of pixels
PATCHES = 3


class Degradation:
    """Degrade each image of a batch at random, from not at all to beyond recognition: an augmentation for training."""

    CLEAN = 0.5  # share of images that are left unchanged: with fewer, small observers hardly start to learn

    def __call__(self, images, generator):
        """Return degraded copies of images.

        Parameters
        ----------
        images : torch.Tensor
            uint8 [N, 3, S, S], on any device.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        torch.Tensor
            uint8 [N, 3, S, S], on the same device.
        """
        uniform = (torch.rand(len(images), generator=generator) - self.CLEAN) / (1 - self.CLEAN)
        severities = uniform.clamp_min(0).square()  # for the same reason, most are mild
        (chosen,) = severities.nonzero(as_tuple=True)
        severities, chosen = severities[chosen].to(images.device), chosen.to(images.device)
        return images.index_copy(0, chosen, degrade_bytes(images[chosen], severities, generator))


def degrade(
    images: torch.Tensor,
    severities: torch.Tensor,
    generator: torch.Generator,
    change: Callable[[torch.Tensor, torch.Tensor, _Draw], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Degrade images to given severities, in random ways.

    Parameters
    ----------
    images : torch.Tensor
        float [N, 3, S, S] in [0, 1].
    severities : torch.Tensor
        [N] in [0, 1]: 0 leaves an image unchanged, 1 leaves nothing to recognise.
    generator : torch.Generator
        On the CPU, so that every device sees the same.
    change : callable, optional
        One of `DEGRADATIONS`; by default `mix`.

    Returns
    -------
    torch.Tensor
        float [N, 3, S, S] in [0, 1].
    """
    return (change or mix)(images, severities, _Draw(generator, images))


def mix(images: torch.Tensor, severities: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Degrade each image mainly in one way, and a little in others."""
    worst = draw.uniform()
    fading, blurring = worst < FADING, (worst >= FADING) & (worst < FADING + BLURRING)
    smoothing = worst >= FADING + BLURRING
    images = shift_colours(images, severities.sqrt() * draw.sometimes(0.7), draw)
    images = blocks(images, severities * draw.sometimes(0.2))
    images = blur(images, severities * torch.where(blurring, 1, 0.3 * draw.sometimes(0.4)))
    images = smooth(images, severities * torch.where(smoothing, 1, draw.sometimes(0.4)))
    # Smoothing alone leaves large shapes at any strength, so that what is smoothed fades in the end.
    faded = torch.where(fading, 1, torch.where(smoothing, severities**2, 0.5 * draw.sometimes(0.5)))
    images = fade_into_noise(images, severities * faded, draw)
    return add_specks(images, severities**2 * draw.sometimes(0.2), draw)


def mix_for_photographs(images: torch.Tensor, severities: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Degrade each image as `mix` does; some also lose contrast, or have grey patches or more specks.

    Networks that were pretrained on clear photographs stop at these, and people don't.
    """
    images = mix(images, severities, draw)
    images = lose_contrast(images, severities * draw.sometimes(0.3), draw)
    images = cover(images, severities * draw.sometimes(0.3), draw)
    return add_specks(images, severities * draw.sometimes(0.2), draw)


def degrade_bytes(
    images: torch.Tensor, severities: torch.Tensor, generator: torch.Generator, change: Callable | None = None
) -> torch.Tensor:
    """Like `degrade`, but from and to uint8 [N, 3, S, S]."""
    return (degrade(images / 255, severities, generator, change) * 255).round().to(torch.uint8)


def shift_colours(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Mix the channels of each image, shift them and lower the contrast, by `strengths` [N]."""
    strengths = strengths[:, None, None]
    mixed = images.flatten(2) - 0.5
    mixed = mixed + 0.7 * strengths * (draw.normal(3, 3) @ mixed)
    contrast = 1 - 0.7 * strengths * draw.uniform(1, 1)
    return (contrast * (mixed + 0.3 * strengths * draw.normal(3, 1)) + 0.5).clamp(0, 1).view_as(images)


def blocks(images: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """Replace each image by its mean colours in blocks, which are the larger the stronger it is; at 0, not at all."""
    side = images.shape[-1]
    across = (side * (BLOCKS / side) ** strengths).round()
    for cells in range(BLOCKS, side):
        rows = (across == cells).nonzero().flatten()
        if len(rows):
            means = functional.interpolate(images[rows], (cells, cells), mode="area")
            images = images.index_copy(0, rows, functional.interpolate(means, (side, side), mode="nearest"))
    return images


def blur(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw | None = None) -> torch.Tensor:
    """Blur each image with a Gaussian, which is renormalised at the borders."""
    side = images.shape[-1]
    deviations = (BLUR * side * strengths**2).clamp_min(0.1)[:, None, None]  # 0.1 pixels blur nothing
    places = torch.arange(side, device=images.device)
    kernels = torch.exp(-((places[:, None] - places) ** 2) / (2 * deviations**2))
    kernels = (kernels / kernels.sum(2, keepdim=True))[:, None]
    return kernels @ images @ kernels.mT


def smooth(images: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """Smooth each image but keep strong edges: total-variation denoising (Chambolle 2004, section 2)."""
    rows = strengths.nonzero().flatten()
    weight = SMOOTHING * strengths[rows, None, None, None]
    noisy = images[rows]
    down, across = torch.zeros_like(noisy), torch.zeros_like(noisy)
    for _ in range(SMOOTHING_STEPS):
        smoothed = noisy + weight * _divergence(down, across)
        slope_down = functional.pad(smoothed.diff(dim=2), (0, 0, 0, 1))
        slope_across = functional.pad(smoothed.diff(dim=3), (0, 1))
        length = 1 + 0.25 / weight * (slope_down.square() + slope_across.square()).sqrt()
        down = (down + 0.25 / weight * slope_down) / length
        across = (across + 0.25 / weight * slope_across) / length
    return images.index_copy(0, rows, (noisy + weight * _divergence(down, across)).clamp(0, 1))


def _divergence(down, across):
    """Return the divergence of a field whose last row (`down`) and column (`across`) are zero."""
    return functional.pad(down, (0, 0, 1, 0)).diff(dim=2) + functional.pad(across, (1, 0)).diff(dim=3)


def fade_into_noise(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Fade each image into noise of a random texture."""
    strengths = strengths[:, None, None, None]
    deviations = NOISE * draw.uniform(1, 1, 1).clamp_min(0.3)
    noise = strengths * deviations * _noise(images, draw)
    return (0.5 + (1 - strengths) * (images - 0.5) + noise).clamp(0, 1)


def add_specks(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Replace some values of each image by 0 or 1, of a pixel or of single channels."""
    channels, side, _ = images.shape[1:]
    together = draw.uniform(1, 1, 1) < 0.5
    chance = torch.where(together, draw.uniform(1, side, side), draw.uniform(channels, side, side))
    specks = (draw.uniform(channels, side, side) < 0.5).to(images.dtype)
    return torch.where(chance < SPECKS * strengths[:, None, None, None], specks, images)


def lose_contrast(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Move the values of each image towards a brightness near their mean, by `strengths` [N]."""
    strengths = strengths[:, None, None, None]
    level = images.mean((1, 2, 3), keepdim=True)
    return ((1 - strengths) * (images - level) + level + 0.2 * strengths * draw.normal(1, 1, 1)).clamp(0, 1)


def cover(images: torch.Tensor, strengths: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Cover each image by patches of grey, whose sides are up to a share `strengths` [N] of the image's."""
    side = images.shape[-1]
    places = (torch.arange(side, device=images.device) + 0.5) / side
    for _ in range(PATCHES):
        lengths = strengths[:, None] * draw.uniform(2)
        down, across = ((places - draw.uniform(1)).abs() < lengths[:, [axis]] / 2 for axis in (0, 1))
        patch = (down[:, :, None] & across[:, None, :])[:, None]
        images = torch.where(patch, draw.uniform(1, 1, 1), images)
    return images


def _noise(images, draw):
    """Return noise [N, 3, S, S] of standard deviation 1: fine and coarse in random proportions, grey or coloured."""
    channels, side, _ = images.shape[1:]
    fine = draw.normal(channels, side, side)
    for shift in ((0, 1), (1, 0), (1, 1)):  # positively or negatively correlated neighbours: streaks and chequers
        fine = fine + (2 * draw.sometimes(0.4, 1, 1, 1) - draw.sometimes(0.4, 1, 1, 1)) * fine.roll(shift, (2, 3))
    noise = fine / fine.std((1, 2, 3), keepdim=True) * draw.uniform(1, 1, 1)
    for cells in COARSE_SIDES:
        coarse = functional.interpolate(draw.normal(channels, cells, cells), (side, side), mode="bilinear")
        noise = noise + draw.sometimes(0.3, 1, 1, 1) * coarse
    grey = draw.uniform(1, 1, 1) < 0.3
    noise = torch.where(grey, noise[:, :1].expand_as(noise), noise)
    return noise / noise.std((1, 2, 3), keepdim=True)


DEGRADATIONS = {"mixed": mix, "noise": fade_into_noise, "blur": blur, "colours": shift_colours}
"""Ways in which images fade, each for itself."""


class _Draw:
    """Random numbers for each image of a batch, drawn on the CPU and moved to the device of the images."""

    def __init__(self, generator, images):
        self.generator, self.count, self.device = generator, len(images), images.device

    def uniform(self, *shape):
        """Return numbers in [0, 1), [N, *shape]."""
        return torch.rand(self.count, *shape, generator=self.generator).to(self.device)

    def normal(self, *shape):
        """Return standard normal numbers [N, *shape]."""
        return torch.randn(self.count, *shape, generator=self.generator).to(self.device)

    def sometimes(self, share, *shape):
        """Return numbers in [0, 1) [N, *shape], of which only a share are non-zero."""
        return self.uniform(*shape) * (self.uniform(*shape) < share)
