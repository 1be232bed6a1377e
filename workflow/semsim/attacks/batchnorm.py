"""BatchNorm layers as clients use them in train mode: normalising by the statistics of the client's own batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import lazy_loader

from semsim.errors import SemsimError

torch = lazy_loader.load("torch")


def statistics_of(given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and the biased variance of each channel over each client's batch, both [N, C].

    Parameters
    ----------
    given : torch.Tensor, shape [N, B, C, *positions]
        What a BatchNorm layer is given by N clients.
    """
    over = (1, *range(3, given.ndim))
    variance, mean = torch.var_mean(given, dim=over, correction=0)
    return mean, variance


@contextmanager
def normalising_by_client(layers: Iterable[torch.nn.Module], clients: int) -> Iterator[dict]:
    """Let BatchNorm layers normalise by the statistics of each client's batch; running ones stay as they are.

    Within the block, the first dimension of what a layer is given is that of the images of all clients, one client
    after the other. The statistics by which each layer last normalised are in the dict (`statistics_of`).

    PyTorch's own layers know no clients; in plain arithmetic they can also be differentiated twice under vmap.
    """
    statistics = {}
    for layer in layers:
        layer.forward = partial(_normalised, layer, clients, statistics)
    try:
        yield statistics
    finally:
        for layer in layers:
            del layer.forward


def _normalised(layer, clients, statistics, given):
    """Return what a BatchNorm layer in train mode puts out, with the statistics of each client."""
    by_client = given.unflatten(0, (clients, -1))
    if by_client[0, :, 0].numel() == 1:
        raise SemsimError(
            f"a BatchNorm layer of {layer.num_features} channels is given one value for each channel, which in train"
            " mode it cannot normalise. Choose a larger batch, or BatchNorm in eval mode."
        )
    mean, variance = statistics[layer] = statistics_of(by_client)
    scale = torch.rsqrt(variance + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight
    expanded = (slice(None), None, slice(None), *[None] * (by_client.ndim - 3))
    normalised = (by_client - mean[expanded]) * scale[expanded]
    if layer.bias is not None:
        normalised = normalised + layer.bias[expanded[2:]]
    return normalised.flatten(0, 1)
