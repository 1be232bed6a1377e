"""Per-image gradients of a batch, as the attack on each image needs them.

A target model's gradient for N images is usually one sum. Here there are N gradients, and each can be differentiated
again with respect to its own image. There are four methods:

captured
    One forward and one backward pass of the whole batch with shared weights, which record the inputs of every layer and
    the gradients of its outputs. Each image's weight gradient is the product of the two. For networks of `Conv2d`,
    `Linear` and `BatchNorm2d` in eval mode that call each layer once.
copied
    The same for networks that modify the output of a layer in place (``ReLU(inplace=True)``, ``x += shortcut``): they
    are given copies.
vectorised
    ``torch.func.vmap`` over ``torch.func.grad``. For everything else (attention), at the cost of turning every
    convolution, even with shared weights, into a grouped one.
looped
    Plain autograd, one image at a time: slow, but correct whenever PyTorch is.

`plan_gradients` chooses the method and the number of images per pass from the network, the kind of device and, for a
GPU, its memory: timing the methods at run time would make results depend on the load of the machine. It takes the first
method that agrees with plain autograd on two images, noise and a smooth one, in the gradients and in their
derivatives.
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

from semsim.attacks.outer_products import OuterProduct, written_out
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
TOLERANCE = 1e-4
"""Largest relative deviation of a method from plain autograd."""


@dataclass(frozen=True)
class GradientPlan:
    """How the gradients of one network are computed on one kind of device.

    Attributes
    ----------
    method : {"captured", "copied", "vectorised", "looped"}
    convolution : {"grouped", "unfolded"}
        How the captured method multiplies the inputs of a convolution with the gradients of its outputs: as one grouped
        convolution (fast in oneDNN), or as a batched matrix product of unfolded patches (fast on GPUs).
    images_per_pass : int
    """

    method: str
    convolution: str
    images_per_pass: int


def plan_gradients(target: Target, device: torch.device | str) -> GradientPlan:
    """Return the fastest correct plan for a target model on a device; see `benchmarks/attack_engine.py`.

    Raises
    ------
    SemsimError
        If PyTorch cannot differentiate the network twice.
    """
    device_type = torch.device(device).type
    pass_bytes = PASS_BYTES[device_type]
    if device_type == "cuda":
        pass_bytes = min(pass_bytes, int(SHARE_OF_GPU * torch.cuda.get_device_properties(device).total_memory))
    image_bytes = 4 * (count_activations(target) + count_parameters(target))
    return GradientPlan(
        method=choose_method(target),
        convolution="grouped" if device_type == "cpu" else "unfolded",
        images_per_pass=max(1, pass_bytes // image_bytes),
    )


def choose_method(target: Target) -> str:
    """Return the first of `METHODS` that agrees with plain autograd on two images.

    Compared are the gradients, the inputs of BatchNorm layers, and the derivatives of both with respect to the images.
    This is done on the CPU, so that the choice is the same on every machine, or on the network's device if it cannot be
    copied.
    """
    name = network_label(target.spec["architecture"])
    try:
        reference = _Reference(_on_cpu(target))
    except Exception as error:  # of any kind: this is user code
        reason = " ".join(str(error).split())
        raise SemsimError(f"{name}: PyTorch cannot differentiate this network twice ({reason}).") from error
    wrong = []
    for method in METHODS[:-1]:
        if method in ("captured", "copied") and not _can_be_captured(target.network):
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
        "%s: gradients are computed one image after the other, which is correct but slow (%s).", name, "; ".join(wrong)
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

    def __init__(self, target):
        self.target = target
        self.expected = _derivatives(target, "looped")

    @functools.cached_property
    def in_double_precision(self):
        """Return the same for the target model in double precision."""
        return _Reference(copy.deepcopy(self.target).double())

    def error_of(self, method):
        """Return the largest error of an image's tensor, relative to its norm or, if that is small, to its group's."""
        errors = [0.0]
        for group, expected_group in zip(_derivatives(self.target, method), self.expected, strict=True):
            group_lengths = sum(_per_image(each).square().sum(1) for each in expected_group) ** 0.5
            for ours, theirs in zip(group, expected_group, strict=True):
                if ours.shape != theirs.shape:
                    return float("inf")
                lengths = _per_image(theirs).norm(dim=1) + 1e-3 * group_lengths + torch.finfo(theirs.dtype).tiny
                # Where plain autograd is not finite there is nothing to compare: such attacks diverge.
                errors += (_per_image(ours - theirs).norm(dim=1) / lengths)[lengths.isfinite()].tolist()
        return float("inf") if any(math.isnan(error) for error in errors) else max(errors)


def _per_image(tensor):
    """Return the values of each of the two images as a row; a layer may see parts of images as its batch."""
    return tensor.reshape(2, -1)


def _derivatives(target, method):
    """Return the results of a method for two images: gradients, inputs of BatchNorm, and derivatives of both.

    Each is a list of tensors. The label is the least likely one, because a confident network has no gradient.
    """
    per_image_gradients = PerImageGradients(target, GradientPlan(method, "grouped", 2))
    inputs = unlike_inputs(target).requires_grad_()
    with eval_mode(target.network):
        with torch.no_grad():
            labels = target.network(inputs).argmin(1)
        gradients, batchnorm_inputs = per_image_gradients(inputs, labels)
        parts = [written_out(gradient) for gradient in gradients], [given for _, given in batchnorm_inputs]
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


class PerImageGradients:
    """The gradient of the cross-entropy with respect to every trained parameter, for each image of a batch.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode.
    plan : GradientPlan
    """

    def __init__(self, target: Target, plan: GradientPlan):
        self.network = target.network
        self.plan = plan
        self.parameters = target.trained_parameters()
        self.layers = dict.fromkeys(_layers_with_parameters(self.network))  # as a set that keeps its order
        self.batchnorm_layers = dict.fromkeys(batchnorm_layers(self.network))

    def __call__(
        self, inputs: torch.Tensor, labels: torch.Tensor
    ) -> tuple[list[torch.Tensor | OuterProduct], list[tuple[nn.Module, torch.Tensor]]]:
        """Compute the gradients, differentiably in `inputs` and `labels`.

        Parameters
        ----------
        inputs : torch.Tensor, shape [N, 3, S, S]
            Normalised images.
        labels : torch.Tensor, shape [N] (int64) or [N, classes] (probabilities)

        Returns
        -------
        gradients : list of torch.Tensor, each [N, *shape], or OuterProduct
            In the order of ``target.trained_parameters()``; captured weights of linear layers stay factored.
        batchnorm_inputs : list of (BatchNorm layer, torch.Tensor [N, C, *positions])
            The input of each call of a BatchNorm layer. Inputs with one position per channel are left out, because
            they have no statistics of their own.
        """
        with sdpa_kernel(SDPBackend.MATH):  # the only attention kernel that can be differentiated twice
            gradients, batchnorm_inputs = getattr(self, f"_{self.plan.method}")(inputs, labels)
        return gradients, [(layer, given) for layer, given in batchnorm_inputs if sees_maps(given)]

    def _copied(self, inputs, labels):
        return self._captured(inputs, labels, hand_on_copies=True)

    def _captured(self, inputs, labels, hand_on_copies=False):
        with recorded_calls(self.layers | self.batchnorm_layers, hand_on_copies) as calls:
            logits = self.network(inputs)
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        batchnorm_inputs = [(call.layer, call.given) for call in calls if call.layer in self.batchnorm_layers]
        calls = [call for call in calls if call.layer in self.layers]
        output_gradients = torch.autograd.grad(loss, [call.output for call in calls], create_graph=True)
        by_parameter = {}
        for call, output_gradient in zip(calls, output_gradients, strict=True):
            by_parameter.update(self._layer_gradients(call.layer, call.given, output_gradient))
        return [by_parameter[parameter] for parameter in self.parameters.values()], batchnorm_inputs

    def _layer_gradients(self, layer, layer_input, output_gradient):
        """Yield (parameter, its gradient for each image) of one layer."""
        if isinstance(layer, nn.Linear):
            yield layer.weight, OuterProduct(output_gradient, layer_input)
            bias_gradient = output_gradient
        elif isinstance(layer, nn.BatchNorm2d):
            # The sum over positions of normalised input times output gradient, without computing the normalised input.
            bias_gradient = output_gradient.sum((2, 3))
            product = (output_gradient * layer_input).sum((2, 3)) - layer.running_mean * bias_gradient
            yield layer.weight, product * torch.rsqrt(layer.running_var + layer.eps)
        else:
            product = _grouped if self.plan.convolution == "grouped" else _unfolded
            yield layer.weight, product(layer, layer_input, output_gradient)
            bias_gradient = output_gradient.sum((2, 3))
        if layer.bias is not None:
            yield layer.bias, bias_gradient

    def _vectorised(self, inputs, labels):
        trained = {name: parameter.detach() for name, parameter in self.parameters.items()}
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        # Every place of a parameter once: tied weights have several, a module under two names does not add any.
        places = {place: names[id(tensor)] for place, tensor in _places(self.network) if id(tensor) in names}
        layers = []

        def loss(parameters, image, label):
            replaced = {place: parameters[name] for place, name in places.items()}
            with recorded_calls(self.batchnorm_layers) as calls:
                # Tying by itself, `functional_call` would not put back the parameters of a module with two names.
                logits = functional_call(self.network, replaced, (image[None],), tie_weights=False)
            layers[:] = [call.layer for call in calls]
            return functional.cross_entropy(logits, label[None], reduction="sum"), [call.given[0] for call in calls]

        gradients, given = vmap(grad(loss, has_aux=True), in_dims=(None, 0, 0))(trained, inputs, labels)
        return list(gradients.values()), list(zip(layers, given, strict=True))

    def _looped(self, inputs, labels):
        parameters = list(self.parameters.values())
        gradients, given = [], []
        for image, label in zip(inputs.split(1), labels.split(1), strict=True):
            with recorded_calls(self.batchnorm_layers) as calls:
                logits = self.network(image)
            loss = functional.cross_entropy(logits, label, reduction="sum")
            gradients.append(
                torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
            )
            given.append([call.given for call in calls])
        layers = [call.layer for call in calls]
        joined = [torch.cat(parts) for parts in zip(*given, strict=True)]
        return [torch.stack(parts) for parts in zip(*gradients, strict=True)], list(zip(layers, joined, strict=True))


def _grouped(convolution, layer_input, output_gradient):
    """Return weight gradients [N, out, in, k, k] as the weight gradient of one convolution with N groups."""
    images, channels_in = layer_input.shape[:2]
    channels_out = output_gradient.shape[1]
    weight_shape = (images * channels_out, channels_in, *convolution.kernel_size)
    _, gradient, _ = torch.ops.aten.convolution_backward(
        output_gradient.reshape(1, images * channels_out, *output_gradient.shape[2:]),
        layer_input.reshape(1, images * channels_in, *layer_input.shape[2:]),
        layer_input.new_empty(1).expand(weight_shape),  # only its shape is used
        None,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        False,
        [0, 0],
        images,
        [False, True, False],
    )
    return gradient.view(images, channels_out, channels_in, *convolution.kernel_size)


def _unfolded(convolution, layer_input, output_gradient):
    """Return weight gradients [N, out, in, k, k] as a batched matrix product with the input's patches."""
    patches = functional.unfold(
        layer_input, convolution.kernel_size, convolution.dilation, convolution.padding, convolution.stride
    )
    gradient = torch.bmm(output_gradient.flatten(2), patches.transpose(1, 2))
    return gradient.unflatten(2, (layer_input.shape[1], *convolution.kernel_size))


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
