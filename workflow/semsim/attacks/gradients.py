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

`semsim.attacks.planning` chooses among them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from semsim.attacks.batchnorm import normalising_by_client
from semsim.attacks.clients import ClientSettings
from semsim.attacks.outer_products import OuterProduct, outer_product
from semsim.targets.calls import batchnorm_layers, layers_with_parameters, recorded_calls, sees_maps
from semsim.targets.models import Target

METHODS = ("captured", "copied", "vectorised", "looped")
"""From the fastest to the one that is always correct."""


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
        self.layers = dict.fromkeys(layers_with_parameters(self.network))  # as a set that keeps its order
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
        method = (self.plan.alone if len(inputs) == 1 else None) or self.plan.method
        compute = {
            "captured": self._captured,
            "copied": self._copied,
            "vectorised": self._vectorised,
            "looped": self._looped,
        }[method]
        with sdpa_kernel(SDPBackend.MATH):  # the only attention kernel that can be differentiated twice
            return compute(inputs, labels)

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


def can_be_captured(network: nn.Module) -> bool:
    """Tell whether every parameter is trained and belongs to a layer whose gradient `ClientUpdates` can capture."""

    def known(layer):
        if isinstance(layer, nn.Conv2d):
            return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return isinstance(layer, nn.Linear | nn.BatchNorm2d)

    trained = all(parameter.requires_grad for parameter in network.parameters())
    return trained and all(known(layer) for layer in layers_with_parameters(network))
