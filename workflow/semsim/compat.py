"""torchvision, also where it cannot register its own operators."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from types import ModuleType


@functools.cache
def import_torchvision() -> ModuleType:
    """Return the `torchvision` module, imported on the first call (it takes two seconds).

    Beside a PyTorch without CUDA, torchvision's compiled operators may fail to load, and then its import stops at two
    operators that have no schemas. With these defined the rest works: transforms, network blocks, data sets.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _define_operators()
        import torchvision
    return torchvision


@functools.cache
def _define_operators():
    """Define the schemas. The cache keeps the returned library, whose end would undefine them."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
