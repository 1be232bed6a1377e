"""Networks as people write them, of which each breaks a rule that the project's own keep; for images of 8 pixels."""

import torch
from torch import nn
from torch.nn import functional

CLASSES, SIZE = 5, 8


class Network(nn.Module):
    """Two convolutions and a linear layer, to be bent."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1, stride=2)
        self.classify = nn.Linear(6 * 16, CLASSES)

    def forward(self, x):
        return self.classify(self.second(self.norm(self.first(x)).tanh()).tanh().flatten(1))


class LayerUsedTwice(Network):
    def forward(self, x):
        x = self.second(self.norm(self.first(x)).tanh()).tanh()
        x = functional.interpolate(x, scale_factor=2)
        return self.classify(self.second(x).tanh().flatten(1))


class InPlaceAfterBatchNorm(Network):
    def forward(self, x):
        return self.classify(self.second(self.norm(self.first(x)).relu_()).relu_().flatten(1))


class LinearOnTokens(Network):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(6, 6)

    def forward(self, x):
        tokens = self.second(self.norm(self.first(x)).tanh()).flatten(2).transpose(1, 2)
        return self.classify(self.mix(tokens).tanh().flatten(1))


class TokensInTheBatch(LinearOnTokens):
    def forward(self, x):
        tokens = self.second(self.norm(self.first(x)).tanh()).flatten(2).transpose(1, 2)
        return self.classify(self.mix(tokens.reshape(-1, 6)).tanh().reshape(len(x), -1))


class UnusedLayer(LinearOnTokens):
    def forward(self, x):
        return Network.forward(self, x)


class FunctionalUse(Network):
    def forward(self, x):
        x = functional.conv2d(x, self.first.weight, self.first.bias, padding=1)
        return self.classify(self.second(self.norm(x).tanh()).tanh().flatten(1))


class TiedWeights(Network):
    def __init__(self):
        super().__init__()
        self.third = nn.Conv2d(6, 6, 3, padding=1)
        self.third.weight = self.second.weight

    def forward(self, x):
        return self.classify(self.third(self.second(self.norm(self.first(x)).tanh()).tanh()).tanh().flatten(1))


class Attention(LinearOnTokens):
    def __init__(self):
        super().__init__()
        self.mix = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)

    def forward(self, x):
        tokens = self.second(self.norm(self.first(x)).tanh()).flatten(2).transpose(1, 2)
        return self.classify(self.mix(tokens).flatten(1))


class Normalised(Network):
    """LayerNorm over three dimensions, InstanceNorm with weights and GroupNorm."""

    def __init__(self):
        super().__init__()
        self.norm = nn.Sequential(nn.LayerNorm([6, SIZE, SIZE]), nn.InstanceNorm2d(6, affine=True), nn.GroupNorm(2, 6))
        self.last_norm = nn.LayerNorm(6 * 16, bias=False)

    def forward(self, x):
        return self.classify(self.last_norm(self.second(self.norm(self.first(x)).tanh()).flatten(1)))


class NormalisedByFunction(Network):
    """What cannot be turned into plain arithmetic, since no layer does it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(6, SIZE, SIZE) + 0.5)

    def forward(self, x):
        x = functional.layer_norm(self.first(x), (6, SIZE, SIZE), self.scale)
        return self.classify(self.second(self.norm(x).tanh()).tanh().flatten(1))


class FrozenStem(Network):
    def __init__(self):
        super().__init__()
        self.first.requires_grad_(False)


class WithoutScale(Network):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6, affine=False)


NETWORKS = [
    *(LayerUsedTwice, InPlaceAfterBatchNorm, LinearOnTokens, TokensInTheBatch),
    *(UnusedLayer, FunctionalUse, TiedWeights, Attention, Normalised, NormalisedByFunction, FrozenStem, WithoutScale),
]


def made(kind):
    """Return a network, always the same, in eval mode, whose BatchNorm remembers something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
            if getattr(module, "weight", None) is not None and isinstance(module, nn.LayerNorm | nn.InstanceNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
    return network
