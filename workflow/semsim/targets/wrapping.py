"""Any network as a target model."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import nn

from semsim.errors import SemsimError
from semsim.targets.calls import eval_mode, recorded_calls, sample_inputs, unlike_inputs
from semsim.targets.models import Target
from semsim.targets.normalisation import use_plain_normalisation

log = logging.getLogger(__name__)


class WrappedTarget(Target):
    """A target model made of a network that has no `body` and `head`.

    Parameters
    ----------
    network, mean, std, spec
        As for `semsim.targets.models.Target`.
    last : str or None
        The name of the layer whose input is the feature vector.
    """

    def __init__(self, network: nn.Module, mean: torch.Tensor, std: torch.Tensor, spec: dict, last: str | None):
        super().__init__(network, mean, std, spec)
        self.last = last

    @property
    def last_layer(self) -> nn.Module | None:
        """The layer that turns features into logits, if it is known."""
        return None if self.last is None else self.network.get_submodule(self.last)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the input of the last layer, [N, D], for images [N, 3, S, S] in [0, 1]."""
        if self.last is None:
            raise SemsimError(
                f"{_name(self.network)} does not end in a linear layer, so its features are not known. "
                "Name the layer that takes them as input with `last`."
            )
        with recorded_calls([self.last_layer]) as calls:
            self(images)
        return calls[-1].given.flatten(1)


def wrap_network(
    network: nn.Module,
    image_size: int,
    classes: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    last: str | None = None,
) -> WrappedTarget:
    """Make a target model of any network that classifies images.

    Parameters
    ----------
    network : torch.nn.Module
        Takes images [N, 3, `image_size`, `image_size`] and gives logits [N, `classes`]. It becomes part of the target,
        and its mode (training or eval) and device do not change. Its LayerNorm and InstanceNorm layers are replaced by
        those of `semsim.targets.normalisation`, which compute the same.
    image_size : int
        In pixels.
    classes : int, optional
        Number of logits. By default, it is detected.
    mean, std : sequence of 3 floats, optional
        Normalisation that the network expects: images in [0, 1] are passed to it as ``(images - mean) / std``. By
        default, they are not normalised.
    last : str, optional
        The name of the layer that maps features to logits. By default, the linear layer that outputs the logits.

    Raises
    ------
    SemsimError
        If the network does not return such logits, has no trainable parameters, modifies its input in place, draws
        random numbers in eval mode, keeps state between calls, or lets the images of a batch influence each other; or
        if `mean`, `std` or `last` are not valid.

    Examples
    --------
    >>> target = wrap_network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)), image_size=8, classes=5)
    >>> target.last, sorted(target.traits)
    ('1', ['first_linear', 'last_bias'])
    """
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        network = network.module
    turned = use_plain_normalisation(network)
    if turned:
        log.warning(
            "%s: %s computed in plain arithmetic, because PyTorch's implementation has an incorrect second derivative"
            " under vmap.",
            _name(network),
            f"layer {turned[0]} is" if len(turned) == 1 else f"{len(turned)} layers ({turned[0]}, ...) are",
        )
    placed = next((each for each in network.parameters() if each.requires_grad), None)
    if placed is None:
        raise SemsimError(f"{_name(network)} has no trainable parameters, so there is no gradient to share.")
    normalisation = [
        _per_channel(default if values is None else values, what).to(placed)
        for what, values, default in (("mean", mean, (0, 0, 0)), ("std", std, (1, 1, 1)))
    ]
    spec = {"architecture": _name(network), "classes": classes, "image_size": image_size}
    target = WrappedTarget(network, *normalisation, spec, last)
    with eval_mode(network), torch.no_grad():
        _check(target)
        target.last = _find_last(target) if last is None else _check_last(target)
    return target


def _per_channel(values, what):
    """Return the mean or std of three channels, [3, 1, 1]."""
    try:
        tensor = torch.as_tensor(values, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):  # whatever holds no numbers
        tensor = torch.empty(0)
    if tensor.numel() != 3 or not tensor.isfinite().all():
        raise SemsimError(f"{what} must be three finite numbers, one per channel, but is {values!r}.")
    if what == "std" and not (tensor > 0).all():
        raise SemsimError(f"std must be positive, because images are divided by it, but is {values!r}.")
    if (tensor > 1).any():
        raise SemsimError(f"{what} must be for images in [0, 1], but is {values!r}. Divide it by 255.")
    return tensor.reshape(3, 1, 1)


def _name(network):
    return type(network).__name__


def _check(target):
    """Refuse a network whose logits attacks cannot rely on; note how many classes it has, if that is not known."""
    inputs = unlike_inputs(target)
    logits = _called(target.network, inputs)
    _check_logits(target, inputs, logits)
    _check_repeatable(target.network, inputs, logits)
    if not _close(torch.cat([target.network(image) for image in inputs.split(1)]), logits):
        raise SemsimError(
            f"{_name(target.network)} gives an image different logits in a different batch (as BatchNorm without"
            " running statistics does), so the gradient of a single image is undefined. Make its logits independent of"
            " the batch."
        )


def _called(network, inputs):
    """Return what a network makes of its inputs, which it must leave as they are."""
    given = inputs.clone()
    try:
        logits = network(inputs)
    except (Exception, SystemExit) as error:  # of any kind: this is user code
        what = "it ends the program" if isinstance(error, SystemExit) else error
        raise SemsimError(f"{_name(network)} cannot be given images {list(inputs.shape)}: {what}") from None
    if not torch.equal(inputs, given):
        raise SemsimError(
            f"{_name(network)} modifies its input images in place, so their gradient cannot be computed. Set"
            " inplace=False in its first layer, or start its forward with a copy: x = x.clone()."
        )
    return logits


def _check_logits(target, inputs, logits):
    """Refuse what are no logits of two images: of another shape, type or device, or not finite."""
    name, spec = _name(target.network), target.spec
    what = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if spec["classes"] is None and len(what) == 2:
        spec["classes"] = what[1]
    if what != [2, spec["classes"]]:
        wanted = "classes" if spec["classes"] is None else spec["classes"]
        raise SemsimError(
            f"{name} must give logits [N, {wanted}], but for images {list(inputs.shape)} it gives {what}."
        )
    if not logits.is_floating_point():
        raise SemsimError(
            f"{name} must give logits in floating point, but they are {logits.dtype}. "
            "Return the scores before they are rounded or turned into classes."
        )
    if logits.device != inputs.device:
        raise SemsimError(
            f"{name} is given images on {inputs.device} but gives logits on {logits.device}. Keep everything on one"
            " device in its forward."
        )
    if logits.dtype != inputs.dtype:
        raise SemsimError(f"{name} computes in {inputs.dtype} but gives logits in {logits.dtype}. Convert them.")
    if not logits[1].isfinite().all():  # of the smooth image; some networks have none for noise
        raise SemsimError(
            f"{name} gives logits that are NaN or infinite for an image. Check its weights and buffers, such as "
            "running statistics, and the mean and std that it expects."
        )


def _check_repeatable(network, inputs, logits):
    """Refuse a network that does not give the same images the same logits again."""
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random_state = _random_state()
    network(inputs.flip(0))
    again = network(inputs)
    after = network.state_dict()
    if _random_state() != random_state:
        raise SemsimError(
            f"{_name(network)} draws random numbers in eval mode, so its gradients cannot be matched. Disable them in"
            " eval mode."
        )
    if not _close(again, logits) or any(not torch.equal(value, after[key]) for key, value in before.items()):
        raise SemsimError(
            f"{_name(network)} keeps state from one call to the next in eval mode, or has its own random numbers, so"
            " the same images do not always give the same logits. Disable that in eval mode."
        )


def _random_state():
    """Return the state of all of PyTorch's global random numbers, to compare."""
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
    return [state.tolist() for state in states]


def _close(one, other):
    largest = other[other.isfinite()].abs().max().item()
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * largest, equal_nan=True)


def _find_last(target):
    """Return the name of the last linear layer with as many outputs as there are classes, or None."""
    layers = [layer for layer in target.network.modules() if isinstance(layer, nn.Linear)]
    with recorded_calls(layers) as calls:
        logits = target.network(sample_inputs(target, 1))
    found = [call.layer for call in calls if getattr(call.output, "shape", None) == logits.shape]
    names = {layer: name for name, layer in target.network.named_modules()}
    return names[found[-1]] if found else None


def _check_last(target):
    """Return the given name of the last layer, if there is such a layer and it is called."""
    layers = dict(target.network.named_modules())
    calls = []
    if isinstance(target.last, str) and target.last in layers:
        with recorded_calls([layers[target.last]]) as calls:
            target.network(sample_inputs(target, 1))
    if not calls:
        linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
        raise SemsimError(
            f"{_name(target.network)} has no layer '{target.last}' that images go through. "
            f"Its linear layers are {', '.join(linear) or 'none'}."
        )
    return target.last
