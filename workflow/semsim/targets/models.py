"""Target models: classifiers that normalise their own input, and their weights files."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import nn

from semsim.errors import SemsimError
from semsim.io.checkpoints import read_checkpoint
from semsim.io.tensors import encode_metadata, open_tensors, read_metadata
from semsim.io.whole import written_whole
from semsim.targets.architectures import ARCHITECTURES, check_architecture
from semsim.targets.calls import traits_of
from semsim.targets.own_networks import LIBRARIES, build_network, file_digest, network_label

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence


class Target(nn.Module):
    """A classifier of RGB images in [0, 1].

    Parameters
    ----------
    network : torch.nn.Sequential
        ``body`` and ``head``; takes normalised images.
    mean, std : torch.Tensor
        Of each channel of the training images, in [0, 1]; shape [3, 1, 1].
    spec : dict
        The arguments of `build_target` (without mean and std) that build this model again.

    Attributes
    ----------
    network, mean, std, spec
        As above; `mean` and `std` are buffers.
    """

    def __init__(self, network: nn.Module, mean: torch.Tensor, std: torch.Tensor, spec: dict):
        super().__init__()
        self.network = network
        self.spec = spec
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, classes] of images [N, 3, S, S] in [0, 1]."""
        return self.network(self.normalise(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate activations [N, D], the input of the last linear layer, of images in [0, 1]."""
        return self.network.body(self.normalise(images))

    @property
    def last_layer(self) -> nn.Module:
        """The layer that maps features to logits."""
        return self.network.head

    @property
    def traits(self) -> frozenset[str]:
        """Its properties that attacks may need: a frozenset of keys of `semsim.targets.traits.TARGET`."""
        return traits_of(self)

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters whose gradients a client shares, by name."""
        return {name: each for name, each in self.network.named_parameters() if each.requires_grad}

    def place_of(self, parameter: nn.Parameter) -> int:
        """Return the place of a parameter among the `trained_parameters`."""
        return next(place for place, each in enumerate(self.trained_parameters().values()) if each is parameter)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return the network's input for images in [0, 1]."""
        return (images - self.mean) / self.std

    def denormalise(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the images in [0, 1] of network inputs: the inverse of `normalise`."""
        return inputs * self.std + self.mean


def build_target(
    architecture: str | dict,
    classes: int,
    image_size: int,
    width: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    weights: str | os.PathLike | None = None,
) -> Target:
    """Build an untrained target model; its weights come from PyTorch's global random numbers, or from a file.

    Parameters
    ----------
    architecture : str or dict
        A key of `ARCHITECTURES`; or a network of torchvision, of timm or from a Python file, as
        `semsim.targets.own_networks.build_network` takes it.
    classes : int
        Number of classes.
    image_size : int
        The side of its square images, in pixels.
    width : int, optional
        Width of the network, if it can be chosen. By default, that of the architecture.
    mean, std : sequence of 3 floats, optional
        Of each channel of the training images, which are in [0, 1]. By default, images are not normalised.
    weights : path-like, optional
        A file with the state dict of the network: safetensors, or a checkpoint of PyTorch.

    Returns
    -------
    Target
        On the CPU, in training mode.

    Raises
    ------
    SemsimError
        If there is no such network, or it does not fit the image size, the weights or the width.
    """
    mean = _per_channel((0, 0, 0) if mean is None else mean)
    std = _per_channel((1, 1, 1) if std is None else std)
    if isinstance(architecture, dict) or architecture.startswith(LIBRARIES):
        return _own_target(architecture, classes, image_size, mean, std, weights)
    check_architecture(architecture, image_size, width)
    chosen = ARCHITECTURES[architecture]
    width_setting = {"width": width or chosen.default_width} if chosen.default_width else {}
    network = chosen.build(image_size, classes, **width_setting)
    if weights:
        load_weights(network, weights, architecture)
    spec = {"architecture": architecture, "classes": classes, "image_size": image_size, **width_setting}
    return Target(network, mean, std, spec)


def _own_target(architecture, classes, image_size, mean, std, weights):
    """Return a model of a network that is not part of the library."""
    from semsim.targets.wrapping import wrap_network  # which imports this module

    network, label = build_network(architecture, classes, image_size), network_label(architecture)
    if weights:
        load_weights(network, weights, label)
    last = None
    if isinstance(architecture, dict):
        last, architecture = architecture.get("last"), architecture | {"digest": file_digest(architecture["file"])}
    try:
        target = wrap_network(network, image_size, classes, mean.flatten().tolist(), std.flatten().tolist(), last)
    except SemsimError as error:
        raise SemsimError(f"{label}: {error}") from None
    target.spec = {"architecture": architecture, "classes": classes, "image_size": image_size}
    return target.train()


def load_weights(network: nn.Module, path: str | os.PathLike, what: str) -> None:
    """Load the state dict in a file, safetensors or a checkpoint of PyTorch, into a network.

    Raises
    ------
    SemsimError
        If it belongs to another network, or holds anything but tensors.
    """
    state = read_checkpoint(path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SemsimError(f"{path}: not the weights of {what} ({reason}).") from None


def _per_channel(values):
    """Return three numbers as a float tensor [3, 1, 1]."""
    return torch.as_tensor(values, dtype=torch.float32).reshape(3, 1, 1)


def count_parameters(target: nn.Module) -> int:
    """Return the number of parameters of a model."""
    return sum(parameter.numel() for parameter in target.parameters())


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Draw the weights of models built in the block from a seed; PyTorch's global random numbers stay untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def state_on_cpu(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's parameters and buffers by name, for a safetensors file, which cannot hold shared tensors."""
    state, seen = {}, set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        state[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return state


def read_state(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file by name, as `state_on_cpu` returned them."""
    with open_tensors(path, framework="pt") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a dict)


def save_target(target: Target, path: str | os.PathLike, extra_metadata: dict | None = None) -> None:
    """Write a target model's weights as one safetensors file, atomically.

    Parameters
    ----------
    target : Target
    path : path-like
    extra_metadata : dict, optional
        Any JSON-serialisable content, stored with the model's `spec`; `semsim.io.tensors.read_metadata` reads it.
    """
    state = state_on_cpu(target)
    metadata = {**(extra_metadata or {}), "spec": target.spec, "digest": _digest(target.spec, state)}
    with written_whole(path) as part:
        save_file(state, part, metadata=encode_metadata(metadata))


def load_target(
    path: str | os.PathLike, device: torch.device | str = "cpu", build: Callable[..., Target] = build_target
) -> Target:
    """Read a target model written by `save_target`.

    Parameters
    ----------
    path : path-like
    device : torch.device or str
    build : callable
        Takes the model's `spec` as arguments, and returns a model whose weights do not matter.

    Returns
    -------
    Target
        In eval mode, with its parameters on `device`.

    Raises
    ------
    SemsimError
        If the file is missing, damaged, or holds something other than a target model.
    """
    spec, digest = (read_metadata(path).get(key) for key in ("spec", "digest"))
    if not isinstance(spec, dict):
        raise SemsimError(
            f"{path}: not the weights of a target model (no 'spec' in its header). Train the target again."
        )
    state = read_state(path)
    if _digest(spec, state) != digest:
        raise SemsimError(f"{path}: this is not the model that was saved here. Delete it and train the target again.")
    target = build(**spec)
    try:
        target.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        what = network_label(spec["architecture"])
        raise SemsimError(
            f"{path}: not the weights of a {what} ({reason}). Delete it and train the target again."
        ) from None
    return target.to(device).eval()


def _digest(spec, state):
    """Return a fingerprint of a model: safetensors files have no checksum, so corrupted weights would go unnoticed."""
    fingerprint = hashlib.blake2b(json.dumps(spec, sort_keys=True).encode(), digest_size=16)
    for name in sorted(state):
        fingerprint.update(name.encode())
        fingerprint.update(state[name].numpy().tobytes())
    return fingerprint.hexdigest()
