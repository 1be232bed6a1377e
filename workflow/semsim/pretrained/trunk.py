"""A pretrained network that only looks: its features at each of its resolutions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from semsim.pretrained.networks import load_layers
from semsim.pretrained.weights import LITE, require_weights

if TYPE_CHECKING:
    import os


class Trunk(nn.Module):
    """The frozen layers of an EfficientNet-Lite, without its classifier.

    Parameters
    ----------
    name : str
        The network, one of `semsim.pretrained.networks.SCALES`.
    folder : path-like, optional
        Where to look first for its weights, as for `semsim.pretrained.weights.find_weights`.

    Attributes
    ----------
    channels : list of int
        Those of each stage, a part of equal resolution.
    sha256 : str
        Of the weights as numbers, whichever file holds them.

    Raises
    ------
    SemsimError
        If the weights are missing or damaged.
    """

    def __init__(self, name: str, folder: str | os.PathLike | None = None):
        super().__init__()
        layers = load_layers(name, require_weights(name, folder))
        self.sha256 = _digest(layers)
        self.stages = _folded(layers).to(memory_format=torch.channels_last)
        self.channels = [_width(stage) for stage in self.stages]
        for buffer, values in zip(("mean", "deviation"), LITE, strict=True):
            self.register_buffer(buffer, torch.tensor(values)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the last features of each stage, [N, C, H, W], of images [N, 3, S, S] in [0, 1]."""
        values, features = (images - self.mean) / self.deviation, []
        values = values.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            values = stage(values)
            features.append(values)
        return features


def _digest(layers):
    """Return the SHA-256 of weights; BatchNorm's counts of batches, which not every file has, are left out."""
    fingerprint = hashlib.sha256()
    for name, values in sorted(layers.state_dict().items()):
        if values.is_floating_point():
            fingerprint.update(f"{name} {list(values.shape)}".encode())
            fingerprint.update(values.float().numpy().tobytes())
    return fingerprint.hexdigest()


def _folded(layers):
    """Fold every normalisation into the convolution before it, which halves the time."""
    for module in list(layers.modules()):
        children = list(module.named_children())
        for (name, one), (next_name, other) in zip(children, children[1:], strict=False):
            if isinstance(one, nn.Conv2d) and isinstance(other, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(one, other))
                setattr(module, next_name, nn.Identity())
    return layers


def _width(stage):
    """Return the channels that a stage ends with."""
    return [module.out_channels for module in stage.modules() if isinstance(module, nn.Conv2d)][-1]
