"""The architectures by name. Reading them needs no PyTorch; building one does."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from semsim.errors import SemsimError
from semsim.text import listed, suggestion


@dataclass(frozen=True)
class Architecture:
    """How to build a network, and its properties.

    Attributes
    ----------
    build : callable
        Takes the side of images, the number of classes and, if it can be chosen, the width; returns a network.
    about : str
        Description in the manual.
    traits : frozenset of str
        Those of `semsim.targets.traits.TARGET` that it has.
    default_width : int or None
        None if the width cannot be chosen.
    smallest_image, multiple_of : int
        Supported image sizes, in pixels.
    """

    build: Callable
    about: str
    traits: frozenset
    default_width: int | None = None
    smallest_image: int = 1
    multiple_of: int = 1


def _built_by(module, name):
    """Return the builder of that name in a module of networks, which needs PyTorch, without importing it yet."""

    def build(*arguments, **settings):
        return getattr(import_module(f"semsim.targets.{module}"), name)(*arguments, **settings)

    return build


PLAIN, NORMED = frozenset({"last_bias"}), frozenset({"last_bias", "batchnorm"})
ARCHITECTURES = {
    "lenet": Architecture(_built_by("networks", "lenet"), "DLG's network: three convolutions with sigmoids", PLAIN),
    "convnet": Architecture(
        _built_by("networks", "convnet"),
        "eight convolutions with BatchNorm, the paper's ConvNet",
        NORMED,
        default_width=64,
        smallest_image=9,
    ),
    "convnet3": Architecture(
        _built_by("networks", "convnet3"),
        "three convolutions with BatchNorm and mean-pooling; fast",
        NORMED,
        default_width=32,
        smallest_image=8,
    ),
    "resnet20": Architecture(
        _built_by("torchvision_networks", "resnet20"), "the paper's ResNet20-4", NORMED, default_width=4
    ),
    "resnet18": Architecture(
        _built_by("torchvision_networks", "resnet18"), "ResNet18 with a stem for small images", NORMED
    ),
    "vit": Architecture(
        _built_by("torchvision_networks", "vit"),
        "a small vision transformer, 6 layers of 192 channels",
        PLAIN,
        multiple_of=8,
    ),
    "mlp": Architecture(
        _built_by("networks", "mlp"),
        "a perceptron with two hidden layers",
        PLAIN | {"first_linear"},
        default_width=1024,
    ),
    "vgg3": Architecture(
        _built_by("networks", "vgg3"),
        "three convolutions with BatchNorm and max-pooling; fast",
        NORMED,
        default_width=32,
        smallest_image=8,
    ),
    "resnet6": Architecture(
        _built_by("torchvision_networks", "resnet6"),
        "two residual blocks; fast",
        NORMED,
        default_width=32,
        smallest_image=8,
    ),
    "squeezenet": Architecture(
        _built_by("networks", "squeezenet"), "three fire modules; fast", NORMED, default_width=32, smallest_image=8
    ),
    "vgg6": Architecture(
        _built_by("networks", "vgg6"), "three pairs of convolutions", NORMED, default_width=16, smallest_image=8
    ),
    "densenet": Architecture(
        _built_by("networks", "densenet"), "two dense blocks; fast", NORMED, default_width=16, smallest_image=8
    ),
    "inception": Architecture(
        _built_by("networks", "inception"), "three Inception modules; fast", NORMED, default_width=16, smallest_image=8
    ),
    "mobilenet": Architecture(
        _built_by("networks", "mobilenet"),
        "three separable convolutions; fast",
        NORMED,
        default_width=32,
        smallest_image=8,
    ),
}


WIDEST = 10_000
"""The largest width, far beyond any network that fits into memory."""


def check_architecture(name: str, image_size: int | None = None, width: int | None = None) -> None:
    """Raise an error if a network cannot be built.

    Parameters
    ----------
    name : str
    image_size, width : int, optional
        By default, not checked.

    Raises
    ------
    SemsimError
        If the architecture is unknown, or does not support the image size or the width.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise SemsimError(
            f"architecture '{name}' is not known. Choose one of {known}.{suggestion(name, ARCHITECTURES)}"
        )
    chosen = ARCHITECTURES[name]
    if width is not None and chosen.default_width is None:
        others = listed([other for other, each in ARCHITECTURES.items() if each.default_width is not None])
        raise SemsimError(f"{name} has no width to set (only {others} have). Remove 'width: {width}'.")
    if width is not None and width < 1:
        raise SemsimError(f"width of {name} is {width}. It must be a whole number of at least 1.")
    if width is not None and width > WIDEST:
        raise SemsimError(f"width of {name} is {width:,}. It can be {WIDEST:,} at most.")
    if image_size is not None and image_size < chosen.smallest_image:
        least = chosen.smallest_image
        raise SemsimError(f"{name} needs images of at least {least} pixels, but image_size is {image_size}.")
    if image_size is not None and image_size % chosen.multiple_of:
        step = chosen.multiple_of
        raise SemsimError(f"{name} needs an image_size that is a multiple of {step}, but it is {image_size}.")


def check_network(name: str, pretrained: bool, image_size: int, width: int | None) -> None:
    """Raise `SemsimError` as `check_architecture` does or, of a pretrained network, if a width is set."""
    if not pretrained:
        check_architecture(name, image_size, width)
    elif width:
        raise SemsimError(f"{name} is pretrained, so its width is fixed. Leave out `width`.")
