"""Comparison of images by their embeddings in a network that learns: the SemSim of the paper."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semsim.errors import SemsimError
from semsim.targets.architectures import WIDEST
from semsim.targets.models import Target, build_target
from semsim.text import quoted

if TYPE_CHECKING:
    from semsim.learned.pairs import LabelledPairs

LARGEST_SIZE = 1024
"""Pixels that the backbone sees on each side; all images are brought to its size."""


class Embedding(Target):
    """A network without its classification layer, whose features are compared.

    Parameters
    ----------
    architecture : str
        One of `semsim.targets.models.ARCHITECTURES`; the paper's is resnet18.
    width : int, optional
        The network's width.
    image_size : int
        The side at which it sees images, in pixels; others are resized to it.
    normalised : bool
        Whether embeddings are scaled to length 1, so that a distance lies in [0, 2].
    mean, std : sequence of 3 floats
        Of each channel, for the network's input.

    Attributes
    ----------
    size : int
        Length of an embedding.
    start_counts : bool
        False: what the network is before it learns is never kept, since it may be random.
    """

    start_counts = False

    def __init__(
        self,
        architecture: str,
        width: int | None = None,
        image_size: int = 32,
        normalised: bool = True,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
    ) -> None:
        _check_settings(width, image_size, normalised, mean, std)
        target = build_target(architecture, 1, image_size, width, mean, std)
        super().__init__(target.network, target.mean, target.std, target.spec)
        self.size = self.last_layer.in_features
        self.network.head = nn.Identity()
        self.normalised = normalised
        self._built = width, image_size, list(map(float, mean)), list(map(float, std))

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, besides the architecture, that build it again."""
        width, image_size, mean, std = self._built
        return {"width": width, "image_size": image_size, "normalised": self.normalised, "mean": mean, "std": std}

    def features(self, images: Tensor) -> Tensor:
        """Return the features [N, D] of images [N, 3, H, W] in [0, 1], of any length."""
        size = (self.spec["image_size"],) * 2
        if images.shape[2:] != size:
            images = functional.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
        return super().features(images)

    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings [N, D] of images [N, 3, H, W] in [0, 1]."""
        features = self.features(images)
        return functional.normalize(features, dim=1) if self.normalised else features

    def compare(self, originals: Tensor, reconstructions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances of pairs of images, [N], and the embeddings of the originals, [N, D]."""
        embeddings = self.embed(originals)
        return torch.linalg.vector_norm(embeddings - self.embed(reconstructions), dim=1), embeddings

    def prepare(self, pairs: "LabelledPairs") -> "LabelledPairs":
        """Return what it learns from: the images, as what it sees in them changes while it learns."""
        return pairs


def _check_settings(width, image_size, normalised, mean, std):
    """Refuse settings of another type or range."""
    for name, value, most in (("image_size", image_size, LARGEST_SIZE), ("width", width or 1, WIDEST)):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise SemsimError(f"{name} must be a whole number from 1 to {most:,}, but is {quoted(value)}")
    if not isinstance(normalised, bool):
        raise SemsimError(f"normalised must be true or false, but is {quoted(normalised)}")
    for name, values in {"mean": mean, "std": std}.items():
        if not _are_three_numbers(values) or (name == "std" and min(values) <= 0):
            raise SemsimError(f"{name} must be three finite numbers, those of std above 0, but is {quoted(values)}")


def _are_three_numbers(values):
    try:
        return len(values) == 3 and all(isinstance(value, Real) and math.isfinite(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return False
