"""The architectures by name. Reading them needs no PyTorch; building one does."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Architecture:
    """How to build a network, and its width where that can be chosen (None where it cannot)."""

    build: Callable
    default_width: int | None = None


def _built_by(module, name):
    """Return the builder of that name in a module of networks, which needs PyTorch, without importing it yet."""

    def build(*arguments, **settings):
        return getattr(import_module(f"semsim.targets.{module}"), name)(*arguments, **settings)

    return build


ARCHITECTURES = {
    "lenet": Architecture(_built_by("networks", "lenet")),
    "convnet": Architecture(_built_by("networks", "convnet"), default_width=64),
    "convnet3": Architecture(_built_by("networks", "convnet3"), default_width=32),
    "resnet20": Architecture(_built_by("torchvision_networks", "resnet20"), default_width=4),
    "resnet18": Architecture(_built_by("torchvision_networks", "resnet18")),
    "vit": Architecture(_built_by("torchvision_networks", "vit")),
    "mlp": Architecture(_built_by("networks", "mlp"), default_width=1024),
    "vgg3": Architecture(_built_by("networks", "vgg3"), default_width=32),
    "resnet6": Architecture(_built_by("torchvision_networks", "resnet6"), default_width=32),
    "squeezenet": Architecture(_built_by("networks", "squeezenet"), default_width=32),
    "mobilenet": Architecture(_built_by("networks", "mobilenet"), default_width=32),
}
