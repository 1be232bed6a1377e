"""Degradations of images, from none to hopeless: what observers learn to read, and to give up on.

They stand for what can happen to any image, and imitate no attack: wrong colours, blur, smoothing that keeps edges, and
noise, fine or coarse, grey or coloured, in which the image fades. Each image of a batch has its own draw of them.
"""

import torch
from torch.nn import functional

# What severity 1 means: nothing is left to read.
BLUR = 0.35  # standard deviation, as a share of the image's side
SMOOTHING = 0.5  # weight of the total variation, for values in [0, 1]
SMOOTHING_STEPS = 5
NOISE = 0.45  # standard deviation of the noise that has taken the image's place
FADING, BLURRING = 0.6, 0.25  # shares of images whose worst degradation is noise, or blur; of the others, smoothing
COARSE_SIDES = (2, 4, 8)  # cells across the image, of coarse noise


class Degradation:
    """Degrade each image of a batch at random, from not at all to beyond recognition: an augmentation for training."""

    CLEAN = 0.5  # share of images that are left alone: with fewer, small observers hardly begin to learn

    def __call__(self, images, generator):
        """Return degraded copies of images.

        Parameters
        ----------
        images : torch.Tensor
            uint8 [N, 3, S, S], on any device.
        generator : torch.Generator
            Of the CPU.

        Returns
        -------
        torch.Tensor
            uint8 [N, 3, S, S], on the same device.
        """
        uniform = (torch.rand(len(images), generator=generator) - self.CLEAN) / (1 - self.CLEAN)
        severities = uniform.clamp_min(0).square()  # for the same reason, more of them are mild
        (chosen,) = severities.nonzero(as_tuple=True)
        severities, chosen = severities[chosen].to(images.device), chosen.to(images.device)
        return images.index_copy(0, chosen, degrade_bytes(images[chosen], severities, generator))


def degrade(images, severities, generator):
    """Degrade images to given severities, in ways that are drawn at random.

    Parameters
    ----------
    images : torch.Tensor
        float [N, 3, S, S] in [0, 1].
    severities : torch.Tensor
        [N] in [0, 1]: 0 leaves an image alone, 1 leaves nothing to read.
    generator : torch.Generator
        Of the CPU, so that every device sees the same.

    Returns
    -------
    torch.Tensor
        float [N, 3, S, S] in [0, 1].
    """
    draw = _Draw(generator, images)
    worst = draw.uniform()
    fading, blurring = worst < FADING, (worst >= FADING) & (worst < FADING + BLURRING)
    smoothing = worst >= FADING + BLURRING
    images = shift_colours(images, severities.sqrt() * draw.sometimes(0.7), draw)
    images = blur(images, severities * torch.where(blurring, 1, 0.3 * draw.sometimes(0.4)))
    images = smooth(images, severities * torch.where(smoothing, 1, draw.sometimes(0.4)))
    return fade_into_noise(images, severities * torch.where(fading, 1, 0.5 * draw.sometimes(0.5)), draw)


def degrade_bytes(images, severities, generator):
    """Degrade images as `degrade` does, from uint8 [N, 3, S, S] to the same."""
    return (degrade(images / 255, severities, generator) * 255).round().to(torch.uint8)


def shift_colours(images, strengths, draw):
    """Mix the channels of each image, shift them, and lower the contrast, as much as `strengths` [N] say."""
    strengths = strengths[:, None, None]
    mixed = images.flatten(2) - 0.5
    mixed = mixed + 0.7 * strengths * (draw.normal(3, 3) @ mixed)
    contrast = 1 - 0.7 * strengths * draw.uniform(1, 1)
    return (contrast * (mixed + 0.3 * strengths * draw.normal(3, 1)) + 0.5).clamp(0, 1).view_as(images)


def blur(images, strengths):
    """Blur each image by a Gaussian; the ends of an image are repeated by weighing what there is."""
    side = images.shape[-1]
    deviations = (BLUR * side * strengths**2).clamp_min(0.1)[:, None, None]  # 0.1 pixels blur nothing
    places = torch.arange(side, device=images.device)
    kernels = torch.exp(-((places[:, None] - places) ** 2) / (2 * deviations**2))
    kernels = (kernels / kernels.sum(2, keepdim=True))[:, None]
    return kernels @ images @ kernels.mT


def smooth(images, strengths):
    """Flatten each image's areas but keep strong edges: total-variation denoising (Chambolle 2004, section 2)."""
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


def fade_into_noise(images, strengths, draw):
    """Let each image fade while noise of a random texture comes up in its place."""
    strengths = strengths[:, None, None, None]
    deviations = NOISE * draw.uniform(1, 1, 1).clamp_min(0.3)
    noise = strengths * deviations * _noise(images, draw)
    return (0.5 + (1 - strengths) * (images - 0.5) + noise).clamp(0, 1)


def _noise(images, draw):
    """Return noise [N, 3, S, S] of standard deviation 1: fine and coarse in random shares, grey or coloured."""
    channels, side, _ = images.shape[1:]
    fine = draw.normal(channels, side, side)
    for shift in ((0, 1), (1, 0), (1, 1)):  # neighbours that resemble or oppose each other: streaks and chequers
        fine = fine + (2 * draw.sometimes(0.4, 1, 1, 1) - draw.sometimes(0.4, 1, 1, 1)) * fine.roll(shift, (2, 3))
    noise = fine / fine.std((1, 2, 3), keepdim=True) * draw.uniform(1, 1, 1)
    for cells in COARSE_SIDES:
        coarse = functional.interpolate(draw.normal(channels, cells, cells), (side, side), mode="bilinear")
        noise = noise + draw.sometimes(0.3, 1, 1, 1) * coarse
    grey = draw.uniform(1, 1, 1) < 0.3
    noise = torch.where(grey, noise[:, :1].expand_as(noise), noise)
    return noise / noise.std((1, 2, 3), keepdim=True)


class _Draw:
    """Random numbers for each image of a batch, from the CPU's generator, where the images are."""

    def __init__(self, generator, images):
        self.generator, self.count, self.device = generator, len(images), images.device

    def uniform(self, *shape):
        """Return numbers in [0, 1), [N, *shape]."""
        return torch.rand(self.count, *shape, generator=self.generator).to(self.device)

    def normal(self, *shape):
        """Return standard normal numbers [N, *shape]."""
        return torch.randn(self.count, *shape, generator=self.generator).to(self.device)

    def sometimes(self, share, *shape):
        """Return numbers in [0, 1) [N, *shape], of which all but a share are zero."""
        return self.uniform(*shape) * (self.uniform(*shape) < share)
