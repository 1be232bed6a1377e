"""Which method computes the updates of clients, and for how many of them at once.

`plan_updates` chooses from the network, the client, the kind of device and, for a GPU, its memory: timing the methods
at run time would make results depend on the load of the machine. It takes the first of `METHODS` that agrees with plain
autograd for two clients, one with noise and one with a smooth image, in the updates and in their derivatives.
"""

from __future__ import annotations

import copy
import functools
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from semsim.attacks.clients import ClientSettings
from semsim.attacks.gradients import METHODS, ClientUpdates, UpdatePlan, can_be_captured
from semsim.attacks.outer_products import written_out
from semsim.errors import SemsimError
from semsim.targets.calls import eval_mode, layers_with_parameters, recorded_calls, sample_inputs, unlike_inputs
from semsim.targets.device import memory_of
from semsim.targets.models import Target, count_parameters
from semsim.targets.own_networks import network_label

log = logging.getLogger(__name__)


# Bytes of layer outputs and gradients in one pass. On a CPU a pass that leaves the cache is slower than two that stay
# in it (benchmarks/attack_engine.py: ConvNet-64 and ResNet20-4 are fastest at one or two images, LeNet at 64); a GPU
# is fastest with large passes. Kept for two backward passes, they take six times as much.
PASS_BYTES = {"cpu": 32 * 2**20, "cuda": 4 * 2**30}
SHARE_OF_GPU = 1 / 12
"""Largest `PASS_BYTES` as a fraction of a GPU's memory, so that a pass fills at most half of it."""
FEW_LINEAR_WEIGHTS = 2**17
"""Up to so many weights of linear layers, plain autograd is fastest for a single client on a CPU.

The bookkeeping of the other methods takes 5 to 15 % of a small network's step, and there is nobody to share it with.
With more weights, keeping the gradients of linear layers as factors pays: an MLP takes a quarter of the time.
"""
TOLERANCE = 1e-4
"""Largest relative deviation of a method from plain autograd."""


def plan_updates(target: Target, client: ClientSettings, device: torch.device | str) -> UpdatePlan:
    """Return the fastest correct plan for the updates of clients; see `benchmarks/attack_engine.py`.

    Raises
    ------
    SemsimError
        If PyTorch cannot differentiate the network twice, or the client cannot compute its update.
    """
    device_type = torch.device(device).type
    pass_bytes = PASS_BYTES[device_type]
    if device_type == "cuda":
        pass_bytes = min(pass_bytes, int(SHARE_OF_GPU * memory_of(torch.device(device))))
    client_bytes = 4 * client.local_steps * (client.batch * count_activations(target) + count_parameters(target))
    method = choose_method(target, client)
    factored = method in ("captured", "copied") and _linear_weights(target.network) > FEW_LINEAR_WEIGHTS
    return UpdatePlan(
        client=client,
        method=method,
        convolution="grouped" if device_type == "cpu" else "unfolded",
        clients_per_pass=max(1, pass_bytes // client_bytes),
        alone="looped" if device_type == "cpu" and not factored else None,
    )


def choose_method(target: Target, client: ClientSettings) -> str:
    """Return the first of `METHODS` that agrees with plain autograd for two clients.

    Compared are the updates, the inputs of BatchNorm layers, and the derivatives of both with respect to the images.
    This is done on the CPU, so that the choice is the same on every machine, or on the network's device if it cannot be
    copied.
    """
    name = network_label(target.spec["architecture"])
    try:
        reference = _Reference(_on_cpu(target), client)
    except SemsimError as error:
        raise SemsimError(f"{name}: {error}") from None
    except Exception as error:  # of any kind: this is user code
        reason = " ".join(str(error).split())
        raise SemsimError(f"{name}: PyTorch cannot differentiate this network twice ({reason}).") from error
    wrong = []
    for method in METHODS[:-1]:
        if method in ("captured", "copied") and (client.local_steps > 1 or not can_be_captured(target.network)):
            continue
        try:
            # In single precision, rounding can flip a unit at the kink of a ReLU; double precision resolves this.
            with left_as_it_was(reference.target.network):
                error = reference.error_of(method)
            if error > TOLERANCE:
                error = reference.in_double_precision.error_of(method)
        except Exception as reason:
            wrong.append(f"{method}: {' '.join(str(reason).split())[:120]}")
            continue
        if error <= TOLERANCE:
            return method
        wrong.append(f"{method}: wrong by {error:.2g}")
    log.warning(
        "%s: updates are computed one client after the other, which is correct but slow (%s).", name, "; ".join(wrong)
    )
    return "looped"


def _on_cpu(target):
    """Return a target model on the CPU, or as it is if its copy does not work there."""
    if target.mean.device.type == "cpu":
        return target
    try:
        copied = copy.deepcopy(target).cpu()
        with eval_mode(copied.network), torch.no_grad():
            copied.network(sample_inputs(copied, 1))
    except Exception:  # of any kind: this is user code, and it is checked where it is
        return target
    return copied


class _Reference:
    """The results of plain autograd for a target model, to compare with."""

    def __init__(self, target, client):
        self.target, self.client = target, client
        self.expected = _derivatives(target, client, "looped")

    @functools.cached_property
    def in_double_precision(self):
        """Return the same for the target model in double precision."""
        return _Reference(copy.deepcopy(self.target).double(), self.client)

    def error_of(self, method):
        """Return the largest error of a client's tensor, relative to its norm or, if that is small, to its group's."""
        errors = [0.0]
        for group, expected_group in zip(_derivatives(self.target, self.client, method), self.expected, strict=True):
            group_lengths = sum(_per_client(each).square().sum(1) for each in expected_group) ** 0.5
            for ours, theirs in zip(group, expected_group, strict=True):
                if ours.shape != theirs.shape:
                    return float("inf")
                lengths = _per_client(theirs).norm(dim=1) + 1e-3 * group_lengths + torch.finfo(theirs.dtype).tiny
                # Where plain autograd is not finite there is nothing to compare: such attacks diverge.
                errors += (_per_client(ours - theirs).norm(dim=1) / lengths)[lengths.isfinite()].tolist()
        return float("inf") if any(math.isnan(error) for error in errors) else max(errors)


def _per_client(tensor):
    """Return the values of each of the two clients as a row."""
    return tensor.reshape(2, -1)


def _derivatives(target, client, method):
    """Return the results of a method for two clients: updates, inputs of BatchNorm, and derivatives of both.

    Each is a list of tensors. The labels are the least likely ones, because a confident network has no gradient.
    """
    client_updates = ClientUpdates(target, UpdatePlan(client, method, "grouped", 2))
    inputs = unlike_inputs(target)[:, None]
    if client.batch > 1:
        inputs = torch.cat([inputs, inputs.flip(-1)], 1)  # each has an image, and the mirror image of that
    inputs = inputs.requires_grad_()
    with eval_mode(target.network):
        with torch.no_grad():
            labels = target.network(inputs.flatten(0, 1)).argmin(1).view(2, -1)
        updates, batchnorm_inputs = client_updates(inputs, labels)
        parts = [written_out(update) for update in updates], [given for _, given in batchnorm_inputs]
        generator = torch.Generator().manual_seed(1)
        derivatives = []
        for part in parts:
            weights = [torch.randn(each.shape, generator=generator, dtype=torch.float64).to(each) for each in part]
            total = sum((each * weight).sum() for each, weight in zip(part, weights, strict=True))
            if part:
                derivatives.append(torch.autograd.grad(total, inputs, retain_graph=True)[0])
    return [[each.detach() for each in group] for group in (*parts, derivatives)]


def count_activations(target: Target) -> int:
    """Return the number of activations of the layers with weights for one image."""
    with torch.no_grad(), eval_mode(target.network), recorded_calls(layers_with_parameters(target.network)) as calls:
        target.network(torch.zeros_like(sample_inputs(target, 1)))
    return sum(_numel(call.output) for call in calls)


@contextmanager
def left_as_it_was(network: nn.Module) -> Iterator[None]:
    """Make sure that what is done within the block leaves the network's parameters and buffers as they are.

    Raises
    ------
    RuntimeError
        If one is another tensor afterwards, or has other values. The network has been put right by then.
    """
    before = [
        (store, name, tensor, tensor.detach().clone())
        for module in network.modules()
        for store in (module._parameters, module._buffers)
        for name, tensor in store.items()
        if tensor is not None
    ]
    try:
        yield
    finally:
        changed = []
        for store, name, tensor, values in before:
            same_tensor, store[name] = store.get(name) is tensor, tensor
            # Compared as bytes, so that NaN equals itself.
            same_values = torch.equal(*(each.reshape(-1).view(torch.uint8) for each in (tensor.detach(), values)))
            if not same_values:
                with torch.no_grad():
                    tensor.copy_(values)
            if not (same_tensor and same_values):
                changed.append(name)
        if changed:
            raise RuntimeError(f"changes {', '.join(dict.fromkeys(changed))} of the network")


def _linear_weights(network):
    """Return the number of weights of a network's linear layers."""
    return sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))


def _numel(output):
    """Return the size of a layer's output; attention layers give a tuple whose first part it is."""
    first = output[0] if isinstance(output, tuple) and output else output
    return first.numel() if isinstance(first, torch.Tensor) else 0
