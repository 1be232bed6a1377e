"""What makes an attack's steps fast on a GPU: CUDA graphs, and products in TF32.

A step on a small network is a thousand kernels, and most of them are done before the CPU has launched the next.
Recorded as a CUDA graph they are launched at once, which is two to six times as fast for LeNet, ConvNet3 or a small ViT
(benchmarks/attack_variants.py).
"""

import functools
import logging
import warnings
from contextlib import contextmanager

import torch

log = logging.getLogger(__name__)

WARM_UPS = 3  # before a recording PyTorch wants to have set up its libraries


class Recording:
    """The kernels that a function of one tensor launches: recorded in the first call, and replayed ever after.

    The function must do the same in each call, and must be the same one. It is handed over with each call and not kept,
    so that a recording which is part of an object is freed with it, and the GPU's memory with the recording. A function
    that cannot be recorded, because it waits for the GPU or does not fit into its memory twice, is called plainly.
    """

    def __init__(self):
        self.graph = None
        self.failed = False

    def __call__(self, function, argument):
        """Return what ``function(argument)`` does, a tuple of tensors; `argument` has the same shape in each call."""
        if self.graph is None and not self.failed:
            try:
                self._record(function, argument)
            except RuntimeError as error:  # PyTorch's errors of CUDA and of memory are among them
                self.failed = True
                reason = str(error).partition("\n")[0]
                log.warning(
                    "An attack's steps cannot be recorded as a CUDA graph and take longer without (%s).", reason
                )
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
    """Return the stream to record on; one per device, since cuBLAS keeps memory for every stream that it has met."""
    return torch.cuda.Stream(device)


@contextmanager
def _waiting_is_an_error():
    """Let what waits for the GPU raise RuntimeError: within a recording it would spoil PyTorch's random numbers too."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not everything is detected; the rest fails while recording
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def products_as_convolutions():
    """Let matrix products round to TF32 where convolutions do (``torch.backends.cudnn.allow_tf32``, PyTorch's default).

    Captured gradients of convolutions are matrix products.
    """
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    products.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        products.allow_tf32 = before
