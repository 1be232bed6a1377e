"""The updates of many clients at once, as the attack on each client needs them.

A target model's gradient for the images of N clients is usually one sum. Here there are N updates, and each can be
differentiated again with respect to its client's images. There are four methods:

captured
    One forward and one backward pass of all images with shared weights, which record the inputs of every layer and the
    gradients of its outputs. Each client's weight gradient is the product of the two, summed over its images. For
    networks of `Conv2d`, `Linear` and `BatchNorm2d` that call each layer once, and clients that take one step.
copied
    The same for networks that modify the output of a layer in place (``ReLU(inplace=True)``, ``x += shortcut``): they
    are given copies.
vectorised
    ``torch.func.vmap`` over ``torch.func.grad``. For everything else (attention, several local steps), at the cost of
    turning every convolution, even with shared weights, into a grouped one.
looped
    Plain autograd, one client at a time: slow, but correct whenever PyTorch is. For a pass of a single client, it is
    usually the fastest on a CPU.

`plan_updates` chooses the method and the number of clients per pass from the network, the client, the kind of device
and, for a GPU, its memory: timing the methods at run time would make results depend on the load of the machine. It
takes the first method that agrees with plain autograd for two clients, one with noise and one with a smooth image, in
the updates and in their derivatives.
"""

from __future__ import annotations

import copy
import functools
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from semsim.attacks.batchnorm import normalising_by_client
from semsim.attacks.clients import ClientSettings
from semsim.attacks.outer_products import OuterProduct, outer_product, written_out
from semsim.errors import SemsimError
from semsim.targets.calls import batchnorm_layers, eval_mode, recorded_calls, sample_inputs, sees_maps, unlike_inputs
from semsim.targets.models import Target, count_parameters
from semsim.targets.own_networks import network_label

log = logging.getLogger(__name__)

# Bytes of layer outputs and gradients in one pass. On a CPU a pass that leaves the cache is slower than two that stay
# in it (benchmarks/attack_engine.py: ConvNet-64 and ResNet20-4 are fastest at one or two images, LeNet at 64); a GPU
# is fastest with large passes. Kept for two backward passes, they take six times as much.
PASS_BYTES = {"cpu": 32 * 2**20, "cuda": 4 * 2**30}
SHARE_OF_GPU = 1 / 12
"""Largest `PASS_BYTES` as a fraction of a GPU's memory, so that a pass fills at most half of it."""

METHODS = ("captured", "copied", "vectorised", "looped")
"""From the fastest to the one that is always correct."""
FEW_LINEAR_WEIGHTS = 2**17
"""Up to so many weights of linear layers, plain autograd is fastest for a single client on a CPU.

The bookkeeping of the other methods takes 5 to 15 % of a small network's step, and there is nobody to share it with.
With more weights, keeping the gradients of linear layers as factors pays: an MLP takes a quarter of the time.
"""
TOLERANCE = 1e-4
"""Largest relative deviation of a method from plain autograd."""


@dataclass(frozen=True)
class UpdatePlan:
    """How the updates of a kind of client are computed for one network on one kind of device.

    Attributes
    ----------
    client : ClientSettings
    method : {"captured", "copied", "vectorised", "looped"}
    convolution : {"grouped", "unfolded"}
        How the captured method multiplies the inputs of a convolution with the gradients of its outputs: as one grouped
        convolution (fast in oneDNN), or as a batched matrix product of unfolded patches (fast on GPUs).
    clients_per_pass : int
    alone : {None, "looped"}
        The method for a pass of a single client; None is `method`.
    """

    client: ClientSettings
    method: str
    convolution: str
    clients_per_pass: int
    alone: str | None = None


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
        pass_bytes = min(pass_bytes, int(SHARE_OF_GPU * torch.cuda.get_device_properties(device).total_memory))
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
        if method in ("captured", "copied") and (client.local_steps > 1 or not _can_be_captured(target.network)):
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
    with torch.no_grad(), eval_mode(target.network), recorded_calls(_layers_with_parameters(target.network)) as calls:
        target.network(torch.zeros_like(sample_inputs(target, 1)))
    return sum(_numel(call.output) for call in calls)


class ClientUpdates:
    """The update of each of N clients: the gradient of the mean cross-entropy over its batch, by each parameter.

    After several local steps, it is the sum of the gradients along the way (`semsim.attacks.clients.ClientSettings`).

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode; BatchNorm layers normalise as the plan's client says.
    plan : UpdatePlan
    """

    def __init__(self, target: Target, plan: UpdatePlan):
        self.network = target.network
        self.plan = plan
        self.parameters = target.trained_parameters()
        self.layers = dict.fromkeys(_layers_with_parameters(self.network))  # as a set that keeps its order
        self.batchnorm_layers = dict.fromkeys(batchnorm_layers(self.network))
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        # Every place of a parameter once: tied weights have several, a module under two names does not add any.
        self.places = {place: names[id(tensor)] for place, tensor in _places(self.network) if id(tensor) in names}

    def __call__(
        self, inputs: torch.Tensor, labels: torch.Tensor
    ) -> tuple[list[torch.Tensor | OuterProduct], list[tuple[nn.Module, torch.Tensor]]]:
        """Compute the updates, differentiably in `inputs` and `labels`.

        Parameters
        ----------
        inputs : torch.Tensor, shape [N, B, 3, S, S]
            Normalised images.
        labels : torch.Tensor, shape [N, B] (int64) or [N, B, classes] (probabilities)

        Returns
        -------
        updates : list of torch.Tensor, each [N, *shape], or OuterProduct
            In the order of ``target.trained_parameters()``; captured weights of linear layers stay factored.
        batchnorm_inputs : list of (BatchNorm layer, torch.Tensor [N, B, C, *positions])
            The input of each call of a BatchNorm layer in the first step. Inputs with one position per channel are left
            out, because they have no statistics of their own.
        """
        with sdpa_kernel(SDPBackend.MATH):  # the only attention kernel that can be differentiated twice
            method = self.plan.alone if len(inputs) == 1 else None
            return getattr(self, f"_{method or self.plan.method}")(inputs, labels)

    @contextmanager
    def _watched(self, layers, clients, hand_on_copies=False):
        """Record the calls of layers, in which BatchNorm normalises as each of `clients` does."""
        by_client = self.batchnorm_layers if self.plan.client.batchnorm == "train" else {}
        with (
            normalising_by_client(by_client, clients) as statistics,
            recorded_calls(layers, hand_on_copies) as calls,
        ):
            yield calls, statistics

    def _copied(self, inputs, labels):
        return self._captured(inputs, labels, hand_on_copies=True)

    def _captured(self, inputs, labels, hand_on_copies=False):
        clients, batch = inputs.shape[:2]
        layers = self.layers | self.batchnorm_layers
        with self._watched(layers, clients, hand_on_copies) as (calls, statistics):
            logits = self.network(inputs.flatten(0, 1))
        loss = functional.cross_entropy(logits, labels.flatten(0, 1), reduction="sum") / batch
        batchnorm_inputs = self._batchnorm_inputs(calls, clients)
        calls = [call for call in calls if call.layer in self.layers]
        output_gradients = torch.autograd.grad(loss, [call.output for call in calls], create_graph=True)
        by_parameter = {}
        for call, output_gradient in zip(calls, output_gradients, strict=True):
            given, output_gradient = (each.unflatten(0, (clients, -1)) for each in (call.given, output_gradient))
            by_parameter.update(self._layer_gradients(call.layer, given, output_gradient, statistics))
        return [by_parameter[parameter] for parameter in self.parameters.values()], batchnorm_inputs

    def _layer_gradients(self, layer, layer_input, output_gradient, statistics):
        """Yield (parameter, its gradient for each client) of one layer, for tensors [N, B, ...]."""
        if isinstance(layer, nn.Linear):
            yield layer.weight, outer_product(output_gradient.flatten(1, -2), layer_input.flatten(1, -2))
            bias_gradient = output_gradient.flatten(1, -2).sum(1)
        elif isinstance(layer, nn.BatchNorm2d):
            # The sum over positions of normalised input times output gradient, without computing the normalised input.
            mean, variance = statistics.get(layer, (layer.running_mean, layer.running_var))
            bias_gradient = output_gradient.sum((1, 3, 4))
            product = (output_gradient * layer_input).sum((1, 3, 4)) - mean * bias_gradient
            yield layer.weight, product * torch.rsqrt(variance + layer.eps)
        else:
            product = _grouped if self.plan.convolution == "grouped" else _unfolded
            yield layer.weight, product(layer, layer_input, output_gradient)
            bias_gradient = output_gradient.sum((1, 3, 4))
        if layer.bias is not None:
            yield layer.bias, bias_gradient

    def _vectorised(self, inputs, labels):
        trained = {name: parameter.detach() for name, parameter in self.parameters.items()}
        seen = []

        def update(images, labels):
            def loss(parameters):
                with self._watched(self.batchnorm_layers, 1) as (calls, _):
                    logits = self._logits(images, parameters)
                seen[:] = [call.layer for call in calls if sees_maps(call.given)]
                return functional.cross_entropy(logits, labels), [call.given for call in calls if sees_maps(call.given)]

            return self._along_steps(grad(loss, has_aux=True), trained)

        updates, given = vmap(update)(inputs, labels)
        return list(updates.values()), list(zip(seen, given, strict=True))

    def _looped(self, inputs, labels):
        updates, given = [], []
        for images, batch_labels in zip(inputs, labels, strict=True):

            def gradients(parameters, images=images, batch_labels=batch_labels):
                with self._watched(self.batchnorm_layers, 1) as (calls, _):
                    own = parameters is self.parameters
                    logits = self.network(images) if own else self._logits(images, parameters)
                found = torch.autograd.grad(
                    functional.cross_entropy(logits, batch_labels),
                    list(parameters.values()),
                    create_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                return dict(zip(parameters, found, strict=True)), self._batchnorm_inputs(calls, 1)

            update, batchnorm_inputs = self._along_steps(gradients, self.parameters)
            updates.append(update.values())
            given.append([each for _, each in batchnorm_inputs])
        layers = [layer for layer, _ in batchnorm_inputs]
        joined = [torch.cat(parts) for parts in zip(*given, strict=True)]
        return [_stacked(parts) for parts in zip(*updates, strict=True)], list(zip(layers, joined, strict=True))

    def _along_steps(self, gradients, parameters):
        """Return the sum of the gradients along a client's local steps, by name, and what the first gave besides.

        `gradients` is a function of the parameters, by name, that returns both for one step.
        """
        total, given = gradients(parameters)
        latest = total
        for _ in range(self.plan.client.local_steps - 1):
            parameters = {name: each - self.plan.client.local_rate * latest[name] for name, each in parameters.items()}
            latest, _ = gradients(parameters)
            total = {name: each + latest[name] for name, each in total.items()}
        return total, given

    def _logits(self, images, parameters):
        """Return the network's logits with other values of its parameters."""
        replaced = {place: parameters[name] for place, name in self.places.items()}
        # Tying by itself, `functional_call` would not put back the parameters of a module with two names.
        return functional_call(self.network, replaced, (images,), tie_weights=False)

    def _batchnorm_inputs(self, calls, clients):
        """Return the layers and inputs of the calls of BatchNorm layers, [clients, B, C, *positions]."""
        return [
            (call.layer, call.given.unflatten(0, (clients, -1)))
            for call in calls
            if call.layer in self.batchnorm_layers and sees_maps(call.given)
        ]


def _stacked(tensors):
    """Return tensors as rows of one; a single one is not copied."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(tensors)


def _grouped(convolution, layer_input, output_gradient):
    """Return weight gradients [N, out, in, k, k] as the weight gradient of one convolution with N groups."""
    clients, _, channels_in = layer_input.shape[:3]
    channels_out = output_gradient.shape[2]
    weight_shape = (clients * channels_out, channels_in, *convolution.kernel_size)
    _, gradient, _ = torch.ops.aten.convolution_backward(
        output_gradient.transpose(0, 1).flatten(1, 2),
        layer_input.transpose(0, 1).flatten(1, 2),
        layer_input.new_empty(1).expand(weight_shape),  # only its shape is used
        None,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        False,
        [0, 0],
        clients,
        [False, True, False],
    )
    return gradient.view(clients, channels_out, channels_in, *convolution.kernel_size)


def _unfolded(convolution, layer_input, output_gradient):
    """Return weight gradients [N, out, in, k, k] as a batched matrix product with the input's patches."""
    clients, batch, channels_in = layer_input.shape[:3]
    patches = functional.unfold(
        layer_input.flatten(0, 1),
        convolution.kernel_size,
        convolution.dilation,
        convolution.padding,
        convolution.stride,
    )
    patches = patches.unflatten(0, (clients, batch)).transpose(1, 2).flatten(2)
    gradient = torch.bmm(output_gradient.flatten(3).transpose(1, 2).flatten(2), patches.mT)
    return gradient.unflatten(2, (channels_in, *convolution.kernel_size))


def _places(network):
    """Yield (name, tensor) of every place where a module keeps a parameter or buffer; each module counts once."""
    for prefix, module in network.named_modules():
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield f"{prefix}.{name}" if prefix else name, tensor


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


def _layers_with_parameters(network):
    return [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]


def _linear_weights(network):
    """Return the number of weights of a network's linear layers."""
    return sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))


def _can_be_captured(network):
    """Tell whether every parameter is trained and belongs to a layer whose gradient `_layer_gradients` knows."""

    def known(layer):
        if isinstance(layer, nn.Conv2d):
            return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return isinstance(layer, nn.Linear | nn.BatchNorm2d)

    trained = all(parameter.requires_grad for parameter in network.parameters())
    return trained and all(known(layer) for layer in _layers_with_parameters(network))


def _numel(output):
    """Return the size of a layer's output; attention layers give a tuple whose first part it is."""
    first = output[0] if isinstance(output, tuple) and output else output
    return first.numel() if isinstance(first, torch.Tensor) else 0
