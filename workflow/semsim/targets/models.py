"""Target models: classifiers that normalise their own input, and their weights files."""

import hashlib
import json
from contextlib import contextmanager

import torch
from safetensors.torch import save_file
from torch import nn

from semsim.errors import SemsimError
from semsim.io.tensors import encode_metadata, open_tensors, read_metadata
from semsim.io.whole import written_whole
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.calls import traits_of


class Target(nn.Module):
    """A classifier of RGB images in [0, 1].

    Parameters
    ----------
    network : torch.nn.Sequential
        ``body`` and ``head``; takes normalised images.
    mean, std : torch.Tensor
        Of each channel of the training images, in [0, 1]; shape [3, 1, 1].
    spec : dict
        The arguments of `build_target` (without mean and std) that build this model again.

    Attributes
    ----------
    network, mean, std, spec
        As above; `mean` and `std` are buffers.
    """

    def __init__(self, network, mean, std, spec):
        super().__init__()
        self.network = network
        self.spec = spec
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images):
        """Return the logits [N, classes] of images [N, 3, S, S] in [0, 1]."""
        return self.network(self.normalise(images))

    def features(self, images):
        """Return the penultimate activations [N, D], the input of the last linear layer, of images in [0, 1]."""
        return self.network.body(self.normalise(images))

    @property
    def last_layer(self):
        """The layer that turns features into logits."""
        return self.network.head

    @property
    def traits(self):
        """What attacks may need of it: a frozenset of keys of `semsim.targets.traits.TARGET`."""
        return traits_of(self)

    def trained_parameters(self):
        """Return the parameters whose gradients a client shares, by name."""
        return {name: each for name, each in self.network.named_parameters() if each.requires_grad}

    def place_of(self, parameter):
        """Return the place of a parameter among the `trained_parameters`."""
        return next(place for place, each in enumerate(self.trained_parameters().values()) if each is parameter)

    def normalise(self, images):
        """Return what the network sees of images in [0, 1]."""
        return (images - self.mean) / self.std

    def denormalise(self, inputs):
        """Return the images that the network sees as `inputs`: the inverse of `normalise`."""
        return inputs * self.std + self.mean


def build_target(architecture, classes, image_size, width=None, mean=None, std=None):
    """Build an untrained target model; its weights come from PyTorch's global random numbers.

    Parameters
    ----------
    architecture : str
        A key of `ARCHITECTURES`.
    classes : int
        How many classes it tells apart.
    image_size : int
        The side of its square images, in pixels.
    width : int, optional
        convnet: channels of the first layer (by default 64, as in the paper); convnet3, vgg3, resnet6, squeezenet,
        mobilenet: the same in small (32); resnet20: multiple of 16 channels (4, as in the paper); mlp: hidden units
        (1024). lenet, resnet18 and vit have none.
    mean, std : sequence of 3 floats, optional
        Of each channel of the training images, which are in [0, 1]. Left out, images are not normalised.

    Returns
    -------
    Target
        On the CPU, in training mode.

    Raises
    ------
    SemsimError
        If the architecture is unknown, has no width to choose or does not suit the image size.
    """
    if architecture not in ARCHITECTURES:
        raise SemsimError(f"architecture '{architecture}' is not known. Choose one of {', '.join(ARCHITECTURES)}.")
    chosen = ARCHITECTURES[architecture]
    width_setting = {}
    if chosen.default_width is not None:
        width_setting["width"] = chosen.default_width if width is None else width
        if width_setting["width"] < 1:
            raise SemsimError(f"width of {architecture} is {width}. It must be a whole number of at least 1.")
    elif width is not None:
        with_width = ", ".join(name for name, other in ARCHITECTURES.items() if other.default_width is not None)
        raise SemsimError(f"{architecture} has no width to set (only {with_width} have). Remove 'width: {width}'.")
    spec = {"architecture": architecture, "classes": classes, "image_size": image_size, **width_setting}
    return Target(
        chosen.build(image_size, classes, **width_setting),
        mean=_per_channel((0, 0, 0) if mean is None else mean),
        std=_per_channel((1, 1, 1) if std is None else std),
        spec=spec,
    )


def _per_channel(values):
    """Return three numbers as a float tensor [3, 1, 1]."""
    return torch.as_tensor(values, dtype=torch.float32).reshape(3, 1, 1)


def count_parameters(target):
    """Return the number of trained numbers in a model."""
    return sum(parameter.numel() for parameter in target.parameters())


@contextmanager
def initial_weights(seed):
    """Draw the weights of models built in the block from a seed; PyTorch's global random numbers stay untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def state_on_cpu(module):
    """Return a module's parameters and buffers by name, as they are written to files, which cannot hold shared ones."""
    state, seen = {}, set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        state[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return state


def read_state(path):
    """Return what `state_on_cpu` gave and a safetensors file holds."""
    with open_tensors(path, framework="pt") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a dict)


def save_target(target, path, extra_metadata=None):
    """Write a target model's weights as one safetensors file, whole or not at all.

    Parameters
    ----------
    target : Target
    path : path-like
    extra_metadata : dict, optional
        Anything JSON can hold, kept beside the model's `spec`; `semsim.io.tensors.read_metadata` gives it back.
    """
    state = state_on_cpu(target)
    metadata = {**(extra_metadata or {}), "spec": target.spec, "digest": _digest(target.spec, state)}
    with written_whole(path) as part:
        save_file(state, part, metadata=encode_metadata(metadata))


def load_target(path, device="cpu"):
    """Read a target model written by `save_target`.

    Parameters
    ----------
    path : path-like
    device : torch.device or str

    Returns
    -------
    Target
        In eval mode, with its parameters on `device`.

    Raises
    ------
    SemsimError
        If the file is missing, damaged, or holds something other than a target model.
    """
    spec, digest = (read_metadata(path).get(key) for key in ("spec", "digest"))
    if spec is None:
        raise SemsimError(
            f"{path}: not the weights of a target model (no 'spec' in its header). Train the target again."
        )
    state = read_state(path)
    if _digest(spec, state) != digest:
        raise SemsimError(f"{path}: this is not the model that was saved here. Delete it and train the target again.")
    target = build_target(**spec)
    try:
        target.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SemsimError(
            f"{path}: not the weights of a {spec['architecture']} ({reason}). Delete it and train the target again."
        ) from None
    return target.to(device).eval()


def _digest(spec, state):
    """Return a fingerprint of a model: safetensors files carry none, and flipped bits would pass for weights."""
    fingerprint = hashlib.blake2b(json.dumps(spec, sort_keys=True).encode(), digest_size=16)
    for name in sorted(state):
        fingerprint.update(name.encode())
        fingerprint.update(state[name].numpy().tobytes())
    return fingerprint.hexdigest()
