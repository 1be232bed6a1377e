"""The networks, pretrained on ImageNet, that a panel of observers fine-tunes on a study's public images."""

from __future__ import annotations

from typing import NamedTuple

from semsim.pretrained.weights import IMAGENET, LITE


class Trunk(NamedTuple):
    """A pretrained network without its classifier, and how it is fine-tuned.

    Attributes
    ----------
    family : str
        What the names of networks of its family have in common.
    side : int
        Pixels to which smaller images are enlarged.
    frozen : int
        How many of its first layers keep their weights; of EfficientNet, parts of equal resolution.
    features : int
        What it returns of an image, averaged over places.
    shown : int
        Images that it sees in training, each time degraded anew.
    normalisation : tuple
        Mean and deviation of the channels.
    """

    family: str
    side: int
    frozen: int
    features: int
    shown: int
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]


TRUNKS = {
    "alexnet": Trunk("alexnet", 192, 3, 256, 4000, IMAGENET),
    "vgg16": Trunk("vgg", 96, 17, 512, 1500, IMAGENET),
    "efficientnet_lite2": Trunk("efficientnet", 160, 3, 1280, 2500, LITE),
}
"""By the names of `semsim.pretrained.weights.NETWORKS`."""


def related(trunk: str, network: str) -> bool:
    """Tell whether a network, by its name in tables, is of the family of a trunk.

    Examples
    --------
    >>> related("vgg16", "torchvision-vgg11_bn"), related("vgg16", "resnet20")
    (True, False)
    """
    return TRUNKS[trunk].family in network.lower()
