"""Networks that are not part of the library: from a Python file, from torchvision, or from timm.

Importing this needs no PyTorch; building a network does.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.names import short_name
from semsim.text import suggestion

if TYPE_CHECKING:
    import os

    from torch import nn

TORCHVISION = "torchvision:"
"""Prefix of torchvision architectures, as in ``torchvision:resnet18``."""
TIMM = "timm:"
"""Prefix of those of timm, if that is installed, as in ``timm:resnet18``."""
LIBRARIES = (TORCHVISION, TIMM)
BUILDER = "build"
"""The function or class that is called where none is named."""
LARGEST_FILE = 2**24
"""Bytes of the largest file of code that is read."""
GIVEN = ("classes", "image_size")
"""Arguments that the study sets."""


def network_label(architecture: str | dict) -> str:
    """Return what a network is called in tables and in names of files.

    Parameters
    ----------
    architecture : str or dict
        As for `semsim.targets.models.build_target`.

    Examples
    --------
    >>> network_label("lenet"), network_label("torchvision:vgg11")
    ('lenet', 'torchvision-vgg11')
    >>> network_label({"file": "nets/my_net.py", "name": "build", "arguments": {"depth": 3}})
    'my_net-build-depth-3'
    """
    if isinstance(architecture, str):
        return architecture.replace(":", "-")
    arguments = [f"{name}-{value}" for name, value in architecture.get("arguments", {}).items()]
    label = "-".join([Path(architecture["file"]).stem, architecture.get("name", BUILDER), *arguments])
    return short_name("".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in label))


def file_digest(path: str | os.PathLike) -> str:
    """Return a fingerprint of a file's content.

    Raises
    ------
    SemsimError
        If it cannot be read.
    """
    return hashlib.blake2b(_read(path), digest_size=16).hexdigest()


def _read(path):
    try:
        return read_file(path, LARGEST_FILE)
    except SemsimError as error:
        raise SemsimError(f"{error} Paths are relative to the working directory.") from None


def check_file(path: str | os.PathLike, name: str) -> None:
    """Check without running it that a file is valid Python and defines the builder of the network.

    Raises
    ------
    SemsimError
        If it is not.
    """
    _check_suffix(path)
    try:
        names = _defined(ast.parse(_read(path)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
        raise SemsimError(f"{path}{where}: not valid Python ({getattr(error, 'msg', error)}).") from None
    if name not in names and "*" not in names:
        raise SemsimError(f"{path}: it does not define '{name}'.{suggestion(name, names)}")


def _check_suffix(path):
    if Path(path).suffix != ".py":
        raise SemsimError(f"{path}: not a Python file. Its name must end in .py.")


def check_arguments(arguments: dict) -> None:
    """Refuse arguments of a call that JSON cannot hold, or that are the study's.

    Raises
    ------
    SemsimError
    """
    for name in GIVEN:
        if name in arguments:
            raise SemsimError(f"'{name}' is set by the study and cannot be changed here. Leave it out.")
    _check_plain(arguments)


def _check_plain(value):
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise SemsimError(f"the key {name!r} is not text. Put it in quotes.")
            _check_plain(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_plain(item)
    elif not isinstance(value, str | int | float | None):
        raise SemsimError(
            f"{value!r} is of type {type(value).__name__}. Arguments are text, numbers, true, false, null, and lists"
            " and mappings of these."
        )


def _defined(module):
    """Return the names that a module defines or imports at its top level."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def build_network(architecture: str | dict, classes: int, image_size: int) -> nn.Module:
    """Build a network from torchvision, from timm or from a file.

    Parameters
    ----------
    architecture : str or dict
        ``torchvision:NAME`` or ``timm:NAME``; or ``file``, ``name``, ``arguments`` and, if the file must be unchanged,
        ``digest``.
    classes, image_size : int

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    SemsimError
        If there is no such network, its file has changed, or it cannot be built.
    """
    if isinstance(architecture, str):
        build = _timm_network if architecture.startswith(TIMM) else _torchvision_network
        return build(architecture.partition(":")[2], classes, image_size)
    path, name = architecture["file"], architecture.get("name", BUILDER)
    if architecture.get("digest", digest := file_digest(path)) != digest:
        raise SemsimError(
            f"{path}: this file has changed since the weights were saved. Train the target again, or restore the file."
        )
    build = getattr(_imported(path, digest), name, None)
    if not callable(build):
        raise SemsimError(f"{path}: it does not define a function or class '{name}'.")
    arguments = architecture.get("arguments", {})
    try:
        check_arguments(arguments)
    except SemsimError as error:
        raise SemsimError(f"{path}: the arguments of {name}: {error}") from None
    given = {"classes": classes, "image_size": image_size}
    given = {argument: value for argument, value in given.items() if _takes(build, argument)}
    return _called(build, given | arguments, f"{path}: {name}")


def _takes(build, argument):
    """Tell whether a keyword argument may be passed to a callable."""
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError):  # built into Python
        return False
    return argument in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _torchvision_network(name, classes, image_size):
    from semsim.compat import import_torchvision

    models = import_torchvision().models
    known = models.list_models(models)
    if name not in known:
        raise SemsimError(f"torchvision has no network '{name}' for classifying images.{suggestion(name, known)}")
    arguments = {"num_classes": classes} | ({"image_size": image_size} if name.startswith("vit") else {})
    return _called(models.get_model, {"name": name, "weights": None, **arguments}, f"{TORCHVISION}{name}")


def _timm_network(name, classes, image_size):
    try:
        import timm
    except ModuleNotFoundError:
        raise SemsimError(f"{TIMM}{name} needs the package timm: pip install timm.") from None
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        raise SemsimError(f"timm has no network '{name}'.{suggestion(name, known)}")
    return _called(
        timm.create_model, {"model_name": name, "num_classes": classes, "pretrained": False}, f"{TIMM}{name}"
    )


def _imported(path, digest):
    """Return the module in a file."""
    _check_suffix(path)
    spec = importlib.util.spec_from_file_location(f"network_{digest}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up there what their annotations mean
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise SemsimError(f"{path}: cannot be imported. {_described(error)}") from error
    return module


def _called(build, arguments, what):
    """Return the network that a call builds."""
    from torch import nn

    try:
        network = build(**arguments)
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise SemsimError(f"{what}({given}) failed. {_described(error)}") from error
    if not isinstance(network, nn.Module):
        raise SemsimError(f"{what} returns {type(network).__name__}, not a torch.nn.Module.")
    return network


def _described(error):
    """Return what went wrong in user code, and where."""
    *_, last = traceback.extract_tb(error.__traceback__)
    what = "It ends the program" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    # Arguments that do not fit are found here, not in the file.
    return what if last.name == _called.__name__ else f"{what} ({last.filename}, line {last.lineno})"
