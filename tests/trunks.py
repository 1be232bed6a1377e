"""Networks with random weights, in place of the pretrained ones."""

import torch
from torch import nn

from semsim.compat import import_torchvision
from semsim.pretrained.weights import NETWORKS


def random_trunk(name):
    """Return the convolutional layers of AlexNet or VGG16 with random weights, always the same."""
    with torch.device("meta"):  # without their classifiers, whose initialisation takes seconds
        layers = getattr(import_torchvision().models, name)().features
    layers.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(3)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
    return layers.eval()


def write_trunk(name, folder):
    """Write such weights to a file of the name that torchvision gives it, and return its path."""
    path = folder / NETWORKS[name].file
    torch.save({f"features.{key}": values for key, values in random_trunk(name).state_dict().items()}, path)
    return path
