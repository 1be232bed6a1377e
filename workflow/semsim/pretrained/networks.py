"""Public networks that some metrics need: loaded from disk, never downloaded."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import lpips

ALEXNET = "alexnet-owt-7be5be79.pth"
"""The trunk of LPIPS: the file that torchvision downloads (the heads come with the package lpips)."""
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
"""The features of FID and KID: the file that torch-fidelity and torchmetrics download."""
LPIPS_SMALLEST_IMAGE = 31
"""Pixels on each side that AlexNet's layers need."""


def find_weights(name: str, folder: str | os.PathLike | None = None) -> Path | None:
    """Return the path of a weights file, or None if it does not exist.

    Parameters
    ----------
    name : str
        `ALEXNET` or `INCEPTION`.
    folder : path-like, optional
        Where to look; by default torch hub's folder of checkpoints.

    Raises
    ------
    SemsimError
        If the given folder does not exist.
    """
    import torch

    if folder is not None and not Path(folder).is_dir():
        raise SemsimError(
            f"{folder}: no such folder of pretrained weights. Correct its name where it is set, or leave it out."
        )
    path = Path(folder or Path(torch.hub.get_dir()) / "checkpoints") / name
    return path if path.is_file() else None


def load_lpips(path: str | os.PathLike) -> lpips.LPIPS:
    """Return LPIPS with a pretrained AlexNet trunk from a file.

    Parameters
    ----------
    path : path-like
        torchvision's AlexNet weights, `ALEXNET`.

    Returns
    -------
    lpips.LPIPS
        On the CPU, in eval mode; takes images in [0, 1] with ``normalize=True``.

    Raises
    ------
    SemsimError
        If the file is damaged or holds something else.
    """
    network = random_lpips(seed=0)
    weights = _read_state(path)
    # lpips splits AlexNet's `features` into slices that keep the layers' numbers: slice2.3.weight is features.3.weight.
    names = {own: f"features.{own.partition('.')[2]}" for own in network.net.state_dict()}
    try:
        network.net.load_state_dict({own: weights[theirs] for own, theirs in names.items()})
    except (KeyError, RuntimeError) as error:
        raise _unsuitable(path, "torchvision's AlexNet", error) from None
    return network


def random_lpips(seed: int) -> lpips.LPIPS:
    """Return the LPIPS network with a random trunk, for use where the pretrained weights are not available.

    Parameters
    ----------
    seed : int
        Seed of the trunk; PyTorch's global random state is left unchanged.
    """
    import torch

    from semsim.compat import import_torchvision

    import_torchvision()
    import lpips

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=UserWarning, module="torchvision"
        )  # about how lpips asks for no weights
        torch.manual_seed(seed)
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)


def load_inception(path: str | os.PathLike) -> Callable:
    """Return the Inception network of FID and KID.

    Parameters
    ----------
    path : path-like
        torch-fidelity's weights, `INCEPTION`.

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

    _read_state(path)  # torch-fidelity unpickles anything; this refuses everything but tensors
    try:
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(path))
    except (RuntimeError, TypeError) as error:
        raise _unsuitable(path, "torch-fidelity's Inception network", error) from None


def _read_state(path):
    """Return the tensors of a PyTorch weights file."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise _unsuitable(path, "a PyTorch checkpoint", error) from None
    if not isinstance(state, dict):
        raise _unsuitable(path, "a PyTorch checkpoint", f"it holds a {type(state).__name__}")
    return state


def _unsuitable(path, expected, reason):
    """Return the error for a weights file that is not what its name says."""
    first_line = str(reason).strip().partition("\n")[0]
    return SemsimError(f"{path}: damaged or not the weights of {expected} ({first_line}). Download it again.")
