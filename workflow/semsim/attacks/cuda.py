"""Fast attack steps on a GPU: CUDA graphs, and products in TF32.

A step on a small network is a thousand kernels, most of which finish before the CPU has launched the next one.
Recorded as a CUDA graph, they are launched at once, which is two to six times as fast for LeNet, ConvNet3 or a small
ViT (benchmarks/attack_variants.py).
"""

from __future__ import annotations

import functools
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

WARM_UPS = 3  # PyTorch must have initialised its libraries before a recording


class Recording:
    """The kernels that a function of one tensor launches: recorded in the first call, and replayed in later calls.

    Every call must pass the same function, which must do the same each time. It is not stored, so that a recording that
    belongs to an object is freed with it, along with the GPU's memory. A function that cannot be recorded, because it
    waits for the GPU or does not fit into its memory twice, is called directly.
    """

    def __init__(self):
        self.graph = None
        self.failed = False

    def __call__(self, function, argument):
        """Return ``function(argument)``, a tuple of tensors; `argument` must have the same shape in each call."""
        if self.graph is None and not self.failed:
            try:
                self._record(function, argument)
            except RuntimeError as error:  # includes PyTorch's CUDA and out-of-memory errors
                self.failed = True
                reason = str(error).partition("\n")[0]
                log.warning("An attack's steps cannot be recorded as a CUDA graph, so they are slower (%s).", reason)
        if self.failed:
            return function(argument)
        self.argument.copy_(argument)
        self.graph.replay()
        return tuple(result.clone() for result in self.results)

    def _record(self, function, argument):
        with torch.cuda.device(argument.device):
            given, graph = argument.clone(), torch.cuda.CUDAGraph()
            aside = _side_stream(argument.device)
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS - 1):
                    function(given)
                with _waiting_is_an_error():
                    function(given)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph, stream=aside):
                results = function(given)
        self.argument, self.graph, self.results = given, graph, results


@functools.cache
def _side_stream(device):
    """Return the stream to record on; one per device, because cuBLAS keeps a workspace for every stream."""
    return torch.cuda.Stream(device)


@contextmanager
def _waiting_is_an_error():
    """Make synchronisation with the GPU raise RuntimeError: in a recording it also corrupts PyTorch's RNG state."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about undetected synchronisation, which fails while recording
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def products_as_convolutions() -> Iterator[None]:
    """Let matrix products use TF32 if convolutions do (``torch.backends.cudnn.allow_tf32``, PyTorch's default).

    Captured gradients of convolutions are matrix products.
    """
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    products.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        products.allow_tf32 = before
