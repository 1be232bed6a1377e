"""DISTS: how far apart the textures and structures of two images are in VGG16."""

from __future__ import annotations

import torch
from torch import nn

from semsim.pretrained.weights import IMAGENET

STAGES = ((0, 4), (5, 9), (10, 16), (17, 23), (24, 30))
"""Layers of torchvision's VGG16 between its poolings."""
FLOOR = 1e-6


class DISTS(nn.Module):
    """Deep image structure and texture similarity, as a distance.

    The means of a channel stand for texture, the covariance for structure. Both similarities are computed as one minus
    what sets the images apart, so that the distance of equal images is exactly 0.

    Parameters
    ----------
    vgg16 : torch.nn.Sequential
        From `semsim.pretrained.networks.load_vgg16`. Its poolings by maxima are replaced.
    alpha, beta : torch.Tensor
        Weights of the means and of the covariances, [1, 1475, 1, 1]: of the image's three channels, and of those that
        each stage returns.

    References
    ----------
    Ding, Ma, Wang, Simoncelli: "Image quality assessment: unifying structure and texture similarity", IEEE Transactions
    on Pattern Analysis and Machine Intelligence 44 (2022).
    """

    def __init__(self, vgg16: nn.Sequential, alpha: torch.Tensor, beta: torch.Tensor):
        super().__init__()
        self.stages = nn.ModuleList(vgg16[start:end] for start, end in STAGES)
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha.flatten() / total)
        self.register_buffer("beta", beta.flatten() / total)
        for name, values in zip(("mean", "deviation"), IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None])
        window = torch.tensor([0.25, 0.5, 0.25])  # Hann's
        self.register_buffer("window", window[:, None] * window)

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the images and what each stage makes of them, [N, channels, H, W]."""
        found = [images]
        values = (images - self.mean) / self.deviation
        for number, stage in enumerate(self.stages):
            values = stage(self.pooled(values) if number else values)
            found.append(values)
        return found

    def pooled(self, values: torch.Tensor) -> torch.Tensor:
        """Return values at half the resolution: the root mean square under a window, which does not alias."""
        channels = values.shape[1]
        window = self.window.expand(channels, 1, -1, -1)
        squares = nn.functional.conv2d(values.square(), window, stride=2, padding=1, groups=channels)
        return (squares + 1e-12).sqrt()

    def forward(self, originals: torch.Tensor, reconstructions: torch.Tensor) -> torch.Tensor:
        """Return the distances of pairs.

        Parameters
        ----------
        originals, reconstructions : torch.Tensor
            RGB images [N, 3, H, W] in [0, 1].

        Returns
        -------
        torch.Tensor
            Shape [N], 0 for equal images.
        """
        parts = [_apart(*pair) for pair in zip(self.features(originals), self.features(reconstructions), strict=True)]
        textures, structures = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
        return textures @ self.alpha + structures @ self.beta


def _apart(x, y):
    """Return one minus the similarities of means and of covariances, [N, channels] each."""
    x, y = x.flatten(2), y.flatten(2)
    mean_x, mean_y = x.mean(-1), y.mean(-1)
    x, y = x - mean_x[..., None], y - mean_y[..., None]
    textures = (mean_x - mean_y).square() / (mean_x.square() + mean_y.square() + FLOOR)
    structures = (x - y).square().mean(-1) / (x.square().mean(-1) + y.square().mean(-1) + FLOOR)
    return textures, structures
