"""Networks with random weights, in place of the pretrained ones."""

import torch
from torch import nn

from semsim.compat import import_torchvision
from semsim.pretrained.efficientnet import EfficientNetLite
from semsim.pretrained.networks import SCALES
from semsim.pretrained.weights import NETWORKS


def random_trunk(name):
    """Return the convolutional layers of AlexNet or VGG16 with random weights, always the same."""
    with torch.device("meta"):  # without their classifiers, whose initialisation takes seconds
        layers = getattr(import_torchvision().models, name)().features
    layers.to_empty(device="cpu")
    return _randomise(layers, 3)


def random_efficientnet(name, seed=3):
    """Return an EfficientNet-Lite with random weights, always the same for a seed."""
    with torch.device("meta"):
        network = EfficientNetLite(*SCALES[name])
    return _randomise(network.to_empty(device="cpu"), seed)


def write_trunk(name, folder, seed=3):
    """Write such weights to a file of the name that their publisher gives it, and return its path."""
    path = folder / NETWORKS[name].file
    if name in SCALES:
        state = random_efficientnet(name, seed).state_dict()
    else:
        state = {f"features.{key}": values for key, values in random_trunk(name).state_dict().items()}
    torch.save(state, path)
    return path


def _randomise(network, seed):
    """Draw the weights of a network so that what it sees neither dies away nor explodes; return it in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, mean=1, std=0.1, generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
            layer.reset_running_stats()
    return network.eval()
