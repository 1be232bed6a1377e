"""Clear images, described by the features of a network trained on ImageNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from skimage.color import rgb2gray
from skimage.measure import shannon_entropy

from semsim.pretrained.networks import load_vgg16
from semsim.pretrained.weights import IMAGENET

if TYPE_CHECKING:
    import os

SIDE = 96
"""Pixels to which images are enlarged at least: the things that VGG16 knows are larger than those in small images."""


def describe_with_vgg16(path: str | os.PathLike, images: np.ndarray, batch_size: int = 64) -> pd.DataFrame:
    """Describe clear images by the features of VGG16, and by their entropy.

    Parameters
    ----------
    path : path-like
        VGG16's weights.
    images : numpy.ndarray
        uint8 [N, 3, S, S].
    batch_size : int

    Returns
    -------
    pandas.DataFrame
        A row an image: its features, averaged over places and of length 1 (``feature_0``, ...), and the entropy of its
        grey values in bits.

    Raises
    ------
    SemsimError
        If the weights are damaged, or those of something else.
    """
    layers, side = load_vgg16(path), max(SIDE, images.shape[-1])
    mean, deviation = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    parts = []
    with torch.no_grad():
        for batch in torch.from_numpy(images).split(batch_size):
            large = torch.nn.functional.interpolate(batch / 255, (side, side), mode="bilinear", antialias=True)
            parts.append(layers((large - mean) / deviation).mean(dim=(2, 3)))
    unit = torch.nn.functional.normalize(torch.cat(parts), dim=1).numpy()
    table = pd.DataFrame(unit, columns=[f"feature_{place}" for place in range(unit.shape[1])])
    grey = np.round(255 * rgb2gray(images.transpose(0, 2, 3, 1))).astype(np.uint8)
    return table.assign(entropy=[shannon_entropy(image) for image in grey])
