"""Gradients of many images at once, each on its own, as the attack on each image needs them.

A target model's gradient for N images is usually one sum. Here it is N gradients, and each can be differentiated again
by its own image. There are two ways:

captured
    One forward and one backward pass of the whole batch with shared weights, which record what goes into every layer
    and what comes back to it. Each image's weight gradient is the product of the two. For networks of `Conv2d`,
    `Linear` and `BatchNorm2d` in eval mode.
vectorised
    ``torch.func.vmap`` over ``torch.func.grad``. For everything else (attention), at the price of turning every
    convolution, shared weights or not, into a grouped one.

Which one, and how many images in one pass, is fixed by `plan_gradients` from the network and the kind of device alone:
a race at run time would make results depend on what else the machine does.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from semsim.attacks.outer_products import OuterProduct
from semsim.errors import SemsimError
from semsim.targets.models import count_parameters

# Bytes of layer outputs and gradients in one pass. On a CPU a pass that leaves the cache is slower than two that stay
# in it (benchmarks/attack_engine.py: ConvNet-64 and ResNet20-4 are fastest at one or two images, LeNet at 64); a GPU
# wants all it can get.
PASS_BYTES = {"cpu": 32 * 2**20, "cuda": 4 * 2**30}


@dataclass(frozen=True)
class GradientPlan:
    """How the gradients of one network are computed on one kind of device.

    Attributes
    ----------
    method : {"captured", "vectorised"}
    convolution : {"grouped", "unfolded"}
        How the captured method multiplies what went into a convolution with what came back: as one grouped convolution
        (oneDNN's are fast), or as unfolded patches in one batched matrix product (made for GPUs).
    images_per_pass : int
    """

    method: str
    convolution: str
    images_per_pass: int


def plan_gradients(target, device):
    """Return the fastest known plan for a target model on a device; see `benchmarks/attack_engine.py`.

    Raises
    ------
    SemsimError
        If the network has a layer whose second derivatives PyTorch gets wrong.
    """
    _refuse_wrong_derivatives(target.network)
    device_type = torch.device(device).type
    image_bytes = 4 * (count_activations(target) + count_parameters(target))
    return GradientPlan(
        method="captured" if _can_be_captured(target.network) else "vectorised",
        convolution="grouped" if device_type == "cpu" else "unfolded",
        images_per_pass=max(1, PASS_BYTES[device_type] // image_bytes),
    )


def count_activations(target):
    """Return how many numbers the layers with weights put out for one image."""
    sizes = []
    layers = _layers_with_parameters(target.network)
    hooks = [layer.register_forward_hook(lambda _, __, output: sizes.append(_numel(output))) for layer in layers]
    side = target.spec["image_size"]
    try:
        with torch.no_grad():
            target.network(torch.zeros(1, 3, side, side).to(target.mean))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes)


class PerImageGradients:
    """The gradient of the cross-entropy by every parameter, for each image of a batch.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode.
    plan : GradientPlan
    """

    def __init__(self, target, plan):
        self.network = target.network
        self.plan = plan

    def __call__(self, inputs, labels):
        """Compute the gradients, differentiably in `inputs` and `labels`.

        Parameters
        ----------
        inputs : torch.Tensor, shape [N, 3, S, S]
            Normalised images.
        labels : torch.Tensor, shape [N] (int64) or [N, classes] (probabilities)

        Returns
        -------
        gradients : list of torch.Tensor, each [N, *shape], or OuterProduct
            In the order of ``target.network.parameters()``; captured weights of linear layers stay factored.
        batchnorm_inputs : list of (torch.nn.BatchNorm2d, torch.Tensor [N, C, H, W])
        """
        if self.plan.method == "captured":
            return self._captured(inputs, labels)
        return self._vectorised(inputs, labels), []

    def _captured(self, inputs, labels):
        records = []
        layers = _layers_with_parameters(self.network)
        hooks = [layer.register_forward_hook(lambda *call: records.append(call)) for layer in layers]
        try:
            logits = self.network(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        outputs = [output for _, _, output in records]
        output_gradients = torch.autograd.grad(loss, outputs, create_graph=True)
        by_parameter, batchnorm_inputs = {}, []
        for (layer, (layer_input,), _), output_gradient in zip(records, output_gradients, strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                batchnorm_inputs.append((layer, layer_input))
            by_parameter.update(self._layer_gradients(layer, layer_input, output_gradient))
        return [by_parameter[parameter] for parameter in self.network.parameters()], batchnorm_inputs

    def _layer_gradients(self, layer, layer_input, output_gradient):
        """Yield (parameter, its gradient for each image) of one layer."""
        if isinstance(layer, nn.Linear):
            yield layer.weight, OuterProduct(output_gradient, layer_input)
            bias_gradient = output_gradient
        elif isinstance(layer, nn.BatchNorm2d):
            # The sum over positions of the normalised input times what comes back, without making the former.
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
        parameters = {name: parameter.detach() for name, parameter in self.network.named_parameters()}
        buffers = dict(self.network.named_buffers())

        def loss(parameters, image, label):
            logits = functional_call(self.network, (parameters, buffers), (image[None],))
            return functional.cross_entropy(logits, label[None], reduction="sum")

        return list(vmap(grad(loss), in_dims=(None, 0, 0))(parameters, inputs, labels).values())


def _grouped(convolution, layer_input, output_gradient):
    """Return weight gradients [N, out, in, k, k] as the weight gradient of one convolution with N groups."""
    images, channels_in = layer_input.shape[:2]
    channels_out = output_gradient.shape[1]
    weight_shape = (images * channels_out, channels_in, *convolution.kernel_size)
    _, gradient, _ = torch.ops.aten.convolution_backward(
        output_gradient.reshape(1, images * channels_out, *output_gradient.shape[2:]),
        layer_input.reshape(1, images * channels_in, *layer_input.shape[2:]),
        layer_input.new_empty(1).expand(weight_shape),  # only its shape is looked at
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


def _layers_with_parameters(network):
    return [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]


def _can_be_captured(network):
    """Tell whether every parameter belongs to a layer whose gradient `_layer_gradients` knows."""

    def known(layer):
        if isinstance(layer, nn.Conv2d):
            return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return isinstance(layer, nn.Linear | nn.BatchNorm2d)

    layers = _layers_with_parameters(network)
    attention = any(isinstance(module, nn.MultiheadAttention) for module in network.modules())
    return not attention and all(known(layer) for layer in layers)


def _refuse_wrong_derivatives(network):
    """Raise for layers that would make attacks quietly wrong (see `semsim.targets.torchvision_networks.LayerNorm`)."""
    for name, module in network.named_modules():
        if type(module) is nn.LayerNorm or isinstance(module, nn.InstanceNorm2d):
            raise SemsimError(
                f"layer {name}: PyTorch's {type(module).__name__} has a wrong second derivative under vmap, so "
                "attacks on this network would be wrong. Use semsim.targets.torchvision_networks.LayerNorm instead."
            )


def _numel(output):
    """Return the size of a layer's output; attention layers give a tuple whose first part it is."""
    return (output[0] if isinstance(output, tuple) else output).numel()
