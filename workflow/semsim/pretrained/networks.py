"""The networks trained by others, built with weights that are on disk; nothing is downloaded here."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import distribution
from typing import TYPE_CHECKING, NamedTuple

from semsim.errors import SemsimError
from semsim.io.checkpoints import read_checkpoint
from semsim.pretrained.weights import NETWORKS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import lpips
    import torch

    from semsim.pretrained.dists import DISTS
    from semsim.pretrained.efficientnet import EfficientNetLite

OF_LPIPS = {"alexnet": "alex", "vgg16": "vgg"}
"""What the package lpips calls the trunks."""
SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}
"""Width and depth of EfficientNet-Lite."""
ADVICE = "Move it away, and run semsim fetch."


def load_lpips(path: str | os.PathLike, trunk: str = "alexnet") -> lpips.LPIPS:
    """Return LPIPS with pretrained weights in its trunk.

    Parameters
    ----------
    path : path-like
        The trunk's weights; the heads come with the package lpips.
    trunk : {"alexnet", "vgg16"}

    Returns
    -------
    lpips.LPIPS
        On the CPU, in eval mode; takes images in [0, 1] with ``normalize=True``.

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    import torch

    lpips, name = _import_lpips(), OF_LPIPS[trunk]
    with torch.device("meta"), _quiet():  # the weights are those of files: random ones would take seconds
        network = lpips.LPIPS(net=name, pretrained=False, pnet_rand=True, verbose=False)
    network.scaling_layer = lpips.ScalingLayer()
    weights = read_checkpoint(path, ADVICE)
    heads = read_checkpoint(distribution("lpips").locate_file(f"lpips/weights/v0.1/{name}.pth"))
    # lpips splits a trunk's `features` into slices that keep the layers' numbers: slice2.3.weight is features.3.weight.
    names = {own: f"features.{own.partition('.')[2]}" for own in network.net.state_dict()}
    try:
        network.net.load_state_dict({own: weights[theirs] for own, theirs in names.items()}, assign=True)
    except (KeyError, RuntimeError) as error:
        raise _unsuitable(path, f"torchvision's {trunk}", error) from None
    network.load_state_dict(heads, strict=False, assign=True)
    return network.requires_grad_(False)


def load_lpips_vgg(path: str | os.PathLike) -> lpips.LPIPS:
    """Return LPIPS on VGG16, as `load_lpips` does."""
    return load_lpips(path, "vgg16")


def random_lpips(seed: int) -> lpips.LPIPS:
    """Return the LPIPS network with a random AlexNet trunk, for where the pretrained weights are not available.

    Parameters
    ----------
    seed : int
        Seed of the trunk; PyTorch's global random state is left unchanged.
    """
    import torch

    lpips = _import_lpips()
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(seed)
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)


def load_dists(path: str | os.PathLike) -> DISTS:
    """Return DISTS with pretrained weights.

    Parameters
    ----------
    path : path-like
        VGG16's weights; what DISTS adds comes with the package torchmetrics.

    Returns
    -------
    semsim.pretrained.dists.DISTS
        On the CPU, in eval mode; takes images in [0, 1].

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    from semsim.pretrained.dists import DISTS

    own = distribution("torchmetrics").locate_file("torchmetrics/functional/image/dists_models/weights.pt")
    return DISTS(load_vgg16(path), **read_checkpoint(own)).eval()


def load_vgg16(path: str | os.PathLike) -> torch.nn.Sequential:
    """Return the layers of VGG16 up to its last pooling, as `load_features` does."""
    return load_features(path, "vgg16")


def load_features(path: str | os.PathLike, name: str) -> torch.nn.Sequential:
    """Return the layers of a network up to its last pooling, torchvision's ``features``.

    Parameters
    ----------
    path : path-like
        Its weights.
    name : {"alexnet", "vgg16"}

    Returns
    -------
    torch.nn.Sequential
        On the CPU, in eval mode; takes images that are normalised as for ImageNet.

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    layers = build_layers(name)
    weights = read_checkpoint(path, ADVICE)
    try:
        layers.load_state_dict({key: weights[f"features.{key}"] for key in layers.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise _unsuitable(path, f"torchvision's {name}", error) from None
    return layers.requires_grad_(False).eval()


def build_layers(name: str) -> torch.nn.Sequential:
    """Return the layers of a network without its classifier; their weights are yet to be set.

    Parameters
    ----------
    name : {"alexnet", "vgg16", "efficientnet_lite0", "efficientnet_lite2"}
    """
    import torch

    from semsim.compat import import_torchvision
    from semsim.pretrained.efficientnet import EfficientNetLite

    with torch.device("meta"):  # to draw random weights would take seconds
        if name in SCALES:
            layers = torch.nn.Sequential(*EfficientNetLite(*SCALES[name]).stages())
        else:
            layers = getattr(import_torchvision().models, name)().features
    return layers.to_empty(device="cpu")


def load_layers(name: str, path: str | os.PathLike) -> torch.nn.Sequential:
    """Return the layers of a network without its classifier, with pretrained weights.

    Parameters
    ----------
    name : {"alexnet", "vgg16", "efficientnet_lite0", "efficientnet_lite2"}
    path : path-like

    Returns
    -------
    torch.nn.Sequential
        On the CPU, in eval mode; of EfficientNet, a layer is a part of equal resolution.

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    import torch

    if name in SCALES:
        return torch.nn.Sequential(*load_efficientnet(path, name).stages())
    return load_features(path, name)


def load_efficientnet(path: str | os.PathLike, name: str) -> EfficientNetLite:
    """Return EfficientNet-Lite with the classes of ImageNet.

    Parameters
    ----------
    path : path-like
        Its weights.
    name : {"efficientnet_lite0", "efficientnet_lite2"}

    Returns
    -------
    semsim.pretrained.efficientnet.EfficientNetLite
        On the CPU, in eval mode; takes images normalised by `semsim.pretrained.weights.LITE`.

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    import torch

    from semsim.pretrained.efficientnet import EfficientNetLite

    with torch.device("meta"):
        network = EfficientNetLite(*SCALES[name])
    weights = {re.sub(r"(^|\.)_", r"\1", key): values for key, values in read_checkpoint(path, ADVICE).items()}
    counts = {key: torch.tensor(0) for key in network.state_dict() if key.endswith("num_batches_tracked")}
    try:
        network.load_state_dict(counts | weights, assign=True)
    except RuntimeError as error:
        raise _unsuitable(path, NETWORKS[name].label, error) from None
    return network.requires_grad_(False).eval()


def load_inception(path: str | os.PathLike) -> Callable:
    """Return the Inception network of FID and KID.

    Parameters
    ----------
    path : path-like
        torch-fidelity's weights.

    Returns
    -------
    callable
        A module on the CPU, in eval mode, from uint8 images [N, 3, H, W] to a tuple of one tensor, features [N, 2048].

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    from semsim.compat import import_torchvision

    import_torchvision()
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    read_checkpoint(path, ADVICE)  # torch-fidelity unpickles anything; this refuses everything but tensors
    try:
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(path))
    except (RuntimeError, TypeError) as error:
        raise _unsuitable(path, "torch-fidelity's Inception network", error) from None


class Resource(NamedTuple):
    """A network that a metric of pairs asks for by parameter name.

    Attributes
    ----------
    weights : str
        The network, one of `semsim.pretrained.weights.NETWORKS`.
    load : callable
        Makes it of the file of weights.
    """

    weights: str
    load: Callable


RESOURCES = {
    "lpips_network": Resource("alexnet", load_lpips),
    "lpips_vgg_network": Resource("vgg16", load_lpips_vgg),
    "dists_network": Resource("vgg16", load_dists),
}
"""By the parameter's name."""
OF_METRICS = tuple(dict.fromkeys([*(resource.weights for resource in RESOURCES.values()), "inception"]))
"""The networks that metrics use."""


def _import_lpips():
    """Return the package lpips, which needs torchvision."""
    from semsim.compat import import_torchvision

    import_torchvision()
    import lpips

    return lpips


def _quiet():
    """Return a context without torchvision's warnings about how lpips asks for no weights."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def _unsuitable(path, expected, reason):
    """Return the error for a weights file that is not what its name says."""
    first_line = str(reason).strip().partition("\n")[0]
    return SemsimError(f"{path}: not the weights of {expected} ({first_line}). {ADVICE}")
