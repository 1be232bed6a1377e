"""The audited model: a network by its name, or from a Python file, with its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from semsim.errors import SemsimError
from semsim.io.folders import require_file
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.models import build_target, initial_weights
from semsim.targets.own_networks import BUILDER, LIBRARIES, check_file
from semsim.text import listed, suggestion

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from semsim.targets.models import Target


def parse_model(text: str) -> str | dict:
    """Return the architecture that a text names, as `semsim.targets.models.build_target` takes it.

    Parameters
    ----------
    text : str
        ``net.py:build``, a Python file and the function or class in it (``build`` if none is named);
        ``torchvision:NAME`` or ``timm:NAME``; or a network of the project.

    Raises
    ------
    SemsimError
        If there is no such network.

    Examples
    --------
    >>> parse_model("torchvision:resnet18"), parse_model("lenet")
    ('torchvision:resnet18', 'lenet')
    """
    file, _, name = (text, "", "") if text.endswith(".py") else text.rpartition(":")
    if file.endswith(".py"):
        name = name or BUILDER
        check_file(file, name)
        return {"file": file, "name": name}
    if text in ARCHITECTURES or text.startswith(LIBRARIES):
        return text
    raise SemsimError(
        f"--model: '{text}' is no network.{suggestion(text, ARCHITECTURES)} Name a file and its function, such as"
        f" net.py:build; a network of a library, such as torchvision:resnet18; or {listed(list(ARCHITECTURES))}."
    )


def require_logits(target: Target, images: torch.Tensor) -> None:
    """Refuse a model that gives probabilities: its gradients are not those that it was trained with.

    Parameters
    ----------
    target : semsim.targets.models.Target
    images : torch.Tensor
        Some images, floating point [N, 3, S, S] in [0, 1].

    Raises
    ------
    SemsimError
    """
    with torch.no_grad():
        outputs = target(images.to(target.mean.device))
    if (outputs >= 0).all() and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0]), atol=1e-4):
        raise SemsimError("--model: it returns probabilities, which sum to 1, not logits. Remove its softmax.")


def build_model(
    text: str,
    classes: int,
    image_size: int,
    weights: str | os.PathLike | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    last: str | None = None,
    seed: int = 1,
) -> Target:
    """Build the model.

    Parameters
    ----------
    text : str
        As for `parse_model`.
    classes, image_size : int
        Number of classes, and the side of images in pixels.
    weights : path-like, optional
        The state dict: a .safetensors file, or one of PyTorch (.pt, .pth, .bin) that holds tensors and nothing else. By
        default, weights are random.
    mean, std : sequence of 3 floats, optional
        Normalisation that the network expects.
    last : str, optional
        The name of its last layer, if that cannot be detected; of networks from a file.
    seed : int
        Of random weights.

    Returns
    -------
    semsim.targets.models.Target
        In eval mode.

    Raises
    ------
    SemsimError
        If there is no such network, or it does not fit the classes, the images or the weights.
    """
    architecture = parse_model(text)
    if last is not None:
        if not isinstance(architecture, dict):
            raise SemsimError(
                f"--last: only for networks from a file; the last layer of {text} is known. Leave it out."
            )
        architecture["last"] = last
    if weights is not None:
        require_file(weights)
    with initial_weights(seed):
        return build_target(architecture, classes, image_size, None, mean, std, weights).eval()
