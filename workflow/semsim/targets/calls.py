"""Which layers of a network are called for an image, with which inputs, and what that means for attacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class Call(NamedTuple):
    """One call of a layer: the layer, its first input and its output, which need not be tensors in any network."""

    layer: nn.Module
    given: torch.Tensor
    output: torch.Tensor


@contextmanager
def recorded_calls(layers: Iterable[nn.Module], hand_on_copies: bool = False) -> Iterator[list[Call]]:
    """Record the calls of layers within the block, in order.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
    hand_on_copies : bool
        Whether the network continues with copies of these layers' outputs, so that it may change them in place.
    """
    calls = []

    def record(layer, arguments, settings, output):
        given = arguments[0] if arguments else next(iter(settings.values()), None)
        calls.append(Call(layer, given, output))
        return output.clone() if hand_on_copies else None

    hooks = [layer.register_forward_hook(record, with_kwargs=True) for layer in layers]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode within the block, and restore the mode of each module afterwards."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def sample_inputs(target: nn.Module, count: int) -> torch.Tensor:
    """Return fixed noise [count, 3, S, S] as an input of a target's network."""
    side = target.spec["image_size"]
    inputs = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    return inputs.to(target.mean)


def unlike_inputs(target: nn.Module) -> torch.Tensor:
    """Return two inputs [2, 3, S, S] to check a target's network on, always the same: noise, and a smooth image.

    The image is in [0, 1] before it is normalised; a network may behave differently outside that range.
    """
    side = target.spec["image_size"]
    down, across = torch.meshgrid(*[torch.linspace(0, 1, side)] * 2, indexing="ij")
    smooth = torch.stack([0.1 + 0.5 * down + 0.3 * across, 0.9 - 0.6 * down * across, 0.2 + 0.6 * (down - 0.3) ** 2])
    smooth = (smooth.to(target.mean) - target.mean) / target.std
    return torch.cat([sample_inputs(target, 1), smooth[None]])


def batchnorm_layers(network: nn.Module) -> list[nn.Module]:
    """Return the BatchNorm layers with running statistics."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def has_seen_images(network: nn.Module) -> bool:
    """Tell whether any BatchNorm layer has running statistics of data: before training, they are zeros and ones."""
    layers = batchnorm_layers(network)
    return any(layer.running_mean.any() or (layer.running_var != 1).any() for layer in layers)


def layers_with_parameters(network: nn.Module) -> list[nn.Module]:
    """Return the layers that have parameters of their own."""
    return [layer for layer in network.modules() if next(layer.parameters(recurse=False), None) is not None]


def sees_maps(given: torch.Tensor) -> bool:
    """Tell whether a BatchNorm layer's input [N, C, *positions] has positions, and so one image has statistics."""
    return given.ndim > 2


def batchnorm_layers_without_maps(target: nn.Module) -> list[str]:
    """Return the names of the BatchNorm layers that have running statistics but see no feature maps.

    They are never called, or called with features [N, C].
    """
    layers = batchnorm_layers(target.network)
    with eval_mode(target.network), torch.no_grad(), recorded_calls(layers) as calls:
        if layers:
            target.network(sample_inputs(target, 1))
    seen = {call.layer for call in calls if sees_maps(call.given)}
    names = {layer: name for name, layer in target.network.named_modules()}
    return [names[layer] for layer in layers if layer not in seen]


def first_linear(target: nn.Module) -> nn.Linear | None:
    """Return the fully connected layer with a bias whose input is the flattened image, if there is one."""
    linear = [layer for layer in target.network.modules() if isinstance(layer, nn.Linear) and layer.bias is not None]
    inputs, calls = sample_inputs(target, 1), []
    if linear:
        with eval_mode(target.network), torch.no_grad(), recorded_calls(linear) as calls:
            target.network(inputs)
    calls = [call for call in calls if isinstance(call.given, torch.Tensor)]
    layers = [call.layer for call in calls if torch.equal(call.given, inputs.flatten(1))]
    return layers[0] if len(layers) == 1 and [call.layer for call in calls].count(layers[0]) == 1 else None


def gives_logits(target: nn.Module, layer: nn.Module | None) -> bool:
    """Tell whether a layer is linear with a bias, is called once, and outputs the logits, up to a constant."""
    if not isinstance(layer, nn.Linear) or layer.bias is None or not layer.bias.requires_grad:
        return False
    with eval_mode(target.network), torch.no_grad(), recorded_calls([layer]) as calls:
        logits = target.network(sample_inputs(target, 1))
    if len(calls) != 1 or getattr(calls[0].output, "shape", None) != logits.shape:
        return False
    return torch.allclose(calls[0].output.log_softmax(1), logits.log_softmax(1), rtol=1e-4, atol=1e-5)


def traits_of(target: nn.Module) -> frozenset[str]:
    """Return which of `semsim.targets.traits.TARGET` a target model has."""
    found = {
        "first_linear": first_linear(target) is not None,
        "last_bias": gives_logits(target, target.last_layer),
        "batchnorm": len(batchnorm_layers(target.network)) > len(batchnorm_layers_without_maps(target)),
    }
    return frozenset(trait for trait, there in found.items() if there)
