"""Normalisation layers in plain arithmetic, for networks that are attacked.

PyTorch's layers have an incorrect second derivative with respect to their input under `torch.func.vmap` (seen in 2.13:
the gradient of LayerNorm's weight treats the mean and the variance as constants), and attacks need that derivative.
"""

from __future__ import annotations

import torch
from torch import nn


class LayerNorm(nn.LayerNorm):
    """Layer normalisation in plain arithmetic."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [*, *normalized_shape], normalised over the last dimensions."""
        dimensions = tuple(range(-len(self.normalized_shape), 0))
        variance, mean = torch.var_mean(x, dim=dimensions, keepdim=True, correction=0)
        return _scaled((x - mean) * torch.rsqrt(variance + self.eps), self.weight, self.bias)


class _InstanceNorm:
    """Instance normalisation in plain arithmetic; in training mode, PyTorch's, which updates running statistics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [N, C, *positions], each channel of each image normalised over its positions."""
        if self.training:
            return super().forward(x)
        per_channel = (-1, *[1] * (x.ndim - 2))
        if self.track_running_stats:
            mean, variance = self.running_mean.view(per_channel), self.running_var.view(per_channel)
        else:
            variance, mean = torch.var_mean(x, dim=tuple(range(2, x.ndim)), keepdim=True, correction=0)
        scale, shift = (each if each is None else each.view(per_channel) for each in (self.weight, self.bias))
        return _scaled((x - mean) * torch.rsqrt(variance + self.eps), scale, shift)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """Instance normalisation of [N, C, L]."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """Instance normalisation of [N, C, H, W]."""


def _scaled(normalised, scale, shift):
    scaled = normalised if scale is None else normalised * scale
    return scaled if shift is None else scaled + shift


PLAIN = {nn.LayerNorm: LayerNorm, nn.InstanceNorm1d: InstanceNorm1d, nn.InstanceNorm2d: InstanceNorm2d}
"""The layers by those that they replace, with the same weights."""


def use_plain_normalisation(network: nn.Module) -> list[str]:
    """Replace the normalisation layers of a network by those of `PLAIN`, in place; return the replaced names."""
    turned = [name for name, module in network.named_modules() if type(module) in PLAIN]
    for name in turned:
        module = network.get_submodule(name)
        module.__class__ = PLAIN[type(module)]  # keeps weights, hooks and other references to the module
    return turned
