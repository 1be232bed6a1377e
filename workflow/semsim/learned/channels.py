"""Comparison of images by the features of a pretrained network that stays as it is: how much channels count is learned.

The distance is that of LPIPS: at each place of each stage, features are scaled to length 1; their squared differences
are averaged over places, and added up with a weight for each channel. All weights are equal before anything is learned.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from semsim.errors import SemsimError
from semsim.pretrained.trunk import Trunk
from semsim.pretrained.weights import NETWORKS, PretrainedError
from semsim.text import quoted

if TYPE_CHECKING:
    from semsim.learned.pairs import LabelledPairs, MeasuredPairs

SIDE = 128
"""Pixels to which images are brought: the weights of channels hold at one scale only. Networks trained on ImageNet see
little in smaller images, and larger ones would only show finer detail than recognition needs."""
AT_ONCE = 16
"""Images that the network sees at a time; more do not fit into a processor's cache."""
PACE = 30.0
"""How much faster weights change than the parameters of networks, for which the rates of recipes are meant. Saved ones
depend on it."""


class WeightedChannels(nn.Module):
    """A distance in the features of a frozen network, with a weight for each channel.

    The network is no submodule: it neither learns nor is it saved, so the only parameters are those of the weights.

    Parameters
    ----------
    network : str
        One of `semsim.learned.backbones.PRETRAINED`.
    trunk : str, optional
        The SHA-256 of the network's weights, as `semsim.pretrained.trunk.Trunk` has it, for which those of the channels
        were learned.
    pretrained : path-like, optional
        Where to look first for the network's weights, as for `semsim.pretrained.weights.find_weights`.

    Attributes
    ----------
    logits : torch.nn.Parameter
        [channels], 0 at the start. Weight decay draws them back to it.
    size : int
        Length of an embedding.
    start_counts : bool
        True: where training does not help on the validation set, the start is kept.

    Raises
    ------
    semsim.pretrained.weights.PretrainedError
        If the network's weights are missing, or others.

    References
    ----------
    Zhang, Isola, Efros, Shechtman, Wang: The unreasonable effectiveness of deep features as a perceptual metric. CVPR
    2018, equation 1.
    """

    start_counts = True

    def __init__(self, network: str, trunk: str | None = None, pretrained: str | os.PathLike | None = None) -> None:
        super().__init__()
        if trunk is not None and not isinstance(trunk, str):
            raise SemsimError(f"trunk must be a SHA-256, but is {quoted(trunk)}")
        with torch.device("cpu"):  # it has its weights even where this module's are still to come
            self._trunk = (Trunk(network, pretrained),)
        if trunk is not None and trunk != self.trunk.sha256:
            raise PretrainedError(
                f"the weights of {NETWORKS[network].label} that are found here are not those from which this metric"
                " learned. Move them away, and run semsim fetch."
            )
        self.size = self.trunk.channels[-1]
        self.logits = nn.Parameter(torch.zeros(sum(self.trunk.channels)))

    @property
    def trunk(self) -> Trunk:
        """The frozen network."""
        return self._trunk[0]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, besides the network, that build it again."""
        return {"trunk": self.trunk.sha256}

    @property
    def weights(self) -> Tensor:
        """The weight of each channel, [channels], above 0; in the mean over channels, one in as many as stages."""
        return torch.softmax(PACE * self.logits, dim=0) * (len(self.logits) / len(self.trunk.channels))

    def _apply(self, change: Callable, recurse: bool = True) -> Self:
        """Take the network along to another device or type; its layout stays the one in which it is fast."""
        self.trunk._apply(change, recurse).to(memory_format=torch.channels_last)
        return super()._apply(change, recurse)

    def features(self, images: Tensor) -> Tensor:
        """Return the last features, averaged over places, [N, D], of images [N, 3, H, W] in [0, 1]."""
        return torch.cat([_pooled(self._look(part)) for part in images.split(AT_ONCE)])

    def embed(self, images: Tensor) -> Tensor:
        """Return these features scaled to length 1."""
        return functional.normalize(self.features(images), dim=1)

    def compare(self, originals: Tensor, reconstructions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances of pairs of images, [N], and the embeddings of the originals, [N, D]."""
        differences, pooled = [], []
        for one, other in zip(originals.split(AT_ONCE), reconstructions.split(AT_ONCE), strict=True):
            seen = self._look(one)
            differences.append(_differences(seen, self._look(other)))
            pooled.append(_pooled(seen))
        return self.weigh(torch.cat(differences)), functional.normalize(torch.cat(pooled), dim=1)

    def weigh(self, differences: Tensor) -> Tensor:
        """Return the distances [N] of pairs of which the differences [N, channels] are known."""
        return torch.linalg.vector_norm(self.weights.sqrt() * differences, dim=1)

    @torch.no_grad()
    def differences(self, originals: Tensor, reconstructions: Tensor, own: Tensor) -> Tensor:
        """Return how far images are apart in each channel.

        Parameters
        ----------
        originals : torch.Tensor
            [M, 3, H, W] in [0, 1]; the network sees each of them once.
        reconstructions : torch.Tensor
            [N, 3, H, W] in [0, 1].
        own : torch.Tensor
            int64 [N], the original of each reconstruction.

        Returns
        -------
        torch.Tensor
            [N, channels], the root mean squares over places of differences of features of length 1.
        """
        return _differences([each[own] for each in self._look(originals)], self._look(reconstructions))

    def prepare(self, pairs: "LabelledPairs") -> "MeasuredPairs":
        """Return what it learns from: the differences of the pairs, which learning does not change."""
        from semsim.learned.pairs import ORIGINAL, MeasuredPairs
        from semsim.progress import progress_bar

        device, found = self.logits.device, np.empty((len(pairs), len(self.logits)), dtype=np.float32)
        order = pairs.table.reset_index(drop=True).sort_values(ORIGINAL, kind="stable").index.to_numpy()
        with progress_bar(len(pairs), "features", unit="pair") as bar:
            for start in range(0, len(order), AT_ONCE):
                rows = order[start : start + AT_ONCE]
                originals, own = np.unique(pairs.references[rows], axis=0, return_inverse=True)
                images = (torch.from_numpy(each).to(device) / 255 for each in (originals, pairs.reconstructions[rows]))
                found[rows] = self.differences(*images, torch.from_numpy(own.ravel()).to(device)).cpu().numpy()
                bar.update(len(rows))
        return MeasuredPairs(found, pairs.table)

    def _look(self, images):
        """Return the features of images at all stages."""
        if images.shape[2:] != (SIDE, SIDE):
            images = functional.interpolate(images, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
        return self.trunk(images)


def _differences(ones, others):
    """Return the root mean squared differences of features, [N, channels], each scaled to length 1 over channels."""
    found = []
    for one, other in zip(ones, others, strict=True):
        difference = functional.normalize(one, dim=1) - functional.normalize(other, dim=1)
        found.append(torch.linalg.vector_norm(difference, dim=(2, 3)) / difference[0, 0].numel() ** 0.5)
    return torch.cat(found, dim=1)


def _pooled(features):
    """Return the features of the last stage, averaged over places."""
    return features[-1].mean((2, 3))
