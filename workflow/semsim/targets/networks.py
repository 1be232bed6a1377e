"""Networks of plain layers: those of the literature on gradient inversion, and small ones that train fast on a CPU.

Every network has a body, which maps normalised images [N, 3, S, S] to features [N, D], and a head, the last linear
layer. No layer works in place, because attacks read activations, and in eval mode each output depends on its own image
only.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn


def assemble(body: nn.Module, features: int, classes: int) -> nn.Sequential:
    """Return a network from its body and a new linear head of `features` inputs and `classes` outputs."""
    return nn.Sequential(OrderedDict(body=body, head=nn.Linear(features, classes)))


def lenet(image_size: int, classes: int) -> nn.Sequential:
    """Return the network of the DLG attack: three 5x5 convolutions of 12 channels with sigmoids.

    The convolutions start as Glorot and Bengio advise for sigmoids, with a gain of 4. That is close to the uniform
    [-0.5, 0.5] of the DLG code, but suits all image sizes. PyTorch's default is four to seven times narrower: the
    gradient vanishes in three such layers with sigmoids, and the network neither learns nor leaks.

    References
    ----------
    Zhu, Liu, Han: Deep Leakage from Gradients. NeurIPS 2019.
    Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010.
    """
    layers, channels = [], 3
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(channels, 12, kernel_size=5, padding=2, stride=stride), nn.Sigmoid()]
        channels = 12
    side = -(-image_size // 4)  # each stride of 2 halves, rounded up
    network = assemble(nn.Sequential(*layers, nn.Flatten()), 12 * side**2, classes)
    for layer in (*network.body, network.head):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight, gain=4 if isinstance(layer, nn.Conv2d) else 1)
            nn.init.zeros_(layer.bias)
    return network


def convnet(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return the ConvNet of the gradient-inversion literature: eight 3x3 convolutions with BatchNorm, two max-pools.

    Parameters
    ----------
    width : int
        Channels of the first convolution; the later ones have two and four times as many.

    References
    ----------
    Geiping, Bauermeister, Dröge, Moeller: Inverting Gradients. NeurIPS 2020.
    """
    side = image_size // 3 // 3
    plan = (1, 2, 2, 4, 4, 4, nn.MaxPool2d(3), 4, 4, nn.MaxPool2d(3))
    return assemble(_convolutions(plan, width), 4 * width * side**2, classes)


def convnet3(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a ConvNet with a fortieth of the operations: three 3x3 convolutions with BatchNorm and mean-pooling.

    For studies that must finish in minutes: `convnet` runs most of its eight convolutions at high resolution, and takes
    minutes per epoch on a CPU. It is the ConvNet of dataset condensation, with BatchNorm. Mean-pooling keeps more of an
    image than max-pooling, so that some reconstructions are clear, even from such a small network.

    Parameters
    ----------
    width : int
        Channels of the first convolution; the second has twice and the third four times as many.

    References
    ----------
    Zhao, Mopuri, Bilen: Dataset Condensation with Gradient Matching. ICLR 2021.
    """
    return _three_convolutions(image_size, classes, width, nn.AvgPool2d(2))


def _three_convolutions(image_size, classes, width, pool):
    """Return a network of three 3x3 convolutions of `width`, twice and four times as many channels, each pooled."""
    side = pooled_side(image_size)
    return assemble(_convolutions((1, pool, 2, pool, 4, pool), width), 4 * width * side**2, classes)


def _convolutions(plan, width):
    """Return a body by its plan: pooling layers, and multiples of `width` as channels of convolutions."""
    layers, channels = [], 3
    for step in plan:
        if isinstance(step, nn.Module):
            layers.append(step)
        else:
            layers += convolution(channels, step * width)
            channels = step * width
    return nn.Sequential(*layers, nn.Flatten())


def convolution(inputs: int, outputs: int, kernel_size: int = 3, **settings: Any) -> list[nn.Module]:
    """Return a convolution that keeps the side (at stride 1), BatchNorm and ReLU, as a list of layers."""
    padding = (kernel_size - 1) // 2
    convolved = nn.Conv2d(inputs, outputs, kernel_size, padding=padding, **settings)
    return [convolved, nn.BatchNorm2d(outputs), nn.ReLU()]


def halving_stem(outputs: int) -> list[nn.Module]:
    """Return the first layers of networks that halve the resolution at once, for a quarter of the operations."""
    return convolution(3, outputs, kernel_size=4, stride=2)


def pooled_side(image_size: int) -> int:
    """Return the side of an image after three halvings."""
    return image_size // 2 // 2 // 2


def vgg3(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a VGG of three 3x3 convolutions with BatchNorm, each before a max-pool.

    Parameters
    ----------
    width : int
        Channels of the first convolution; the second has twice and the third four times as many.

    References
    ----------
    Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015.
    """
    return _three_convolutions(image_size, classes, width, nn.MaxPool2d(2))


def vgg6(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a VGG of six 3x3 convolutions with BatchNorm, in pairs before a max-pool.

    Parameters
    ----------
    width : int
        Channels of the first two convolutions; the next two have twice and the last two four times as many.

    References
    ----------
    Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015.
    """
    pool = nn.MaxPool2d(2)
    plan = (1, 1, pool, 2, 2, pool, 4, 4, pool)
    return assemble(_convolutions(plan, width), 4 * width * pooled_side(image_size) ** 2, classes)


class _Fire(nn.Module):
    """SqueezeNet's fire module, with BatchNorm: squeeze to few channels, then expand by 1x1 and 3x3 convolutions."""

    def __init__(self, inputs, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Sequential(*convolution(inputs, squeezed, kernel_size=1))
        self.expand1 = nn.Sequential(*convolution(squeezed, expanded, kernel_size=1))
        self.expand3 = nn.Sequential(*convolution(squeezed, expanded))

    def forward(self, x):
        squeezed = self.squeeze(x)
        return torch.cat([self.expand1(squeezed), self.expand3(squeezed)], dim=1)


def squeezenet(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a SqueezeNet for small images: a stem that halves, and three fire modules with BatchNorm.

    Parameters
    ----------
    width : int
        Squeezed channels of the first two fire modules.

    References
    ----------
    Iandola et al.: SqueezeNet. arXiv 1602.07360, 2016.
    """
    side = pooled_side(image_size)
    layers = [*halving_stem(2 * width), _Fire(2 * width, width, 2 * width), nn.MaxPool2d(2)]
    layers += [_Fire(4 * width, width, 4 * width), nn.MaxPool2d(2), _Fire(8 * width, 2 * width, 4 * width)]
    return assemble(nn.Sequential(*layers, nn.Flatten()), 8 * width * side**2, classes)


class _Beside(nn.Module):
    """Branches whose outputs are put beside each other; one without layers passes the input on."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*layers) for layers in branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def densenet(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a DenseNet for small images: a stem that halves, and two blocks of four layers that all see each other.

    Parameters
    ----------
    width : int
        Channels that each layer adds; the stem and the transition between the blocks have twice as many.

    References
    ----------
    Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks. CVPR 2017.
    """
    stem, block = 2 * width, 6 * width
    layers = [*halving_stem(stem), *_dense_block(stem, width)]
    layers += [*convolution(block, stem, kernel_size=1), nn.AvgPool2d(2), *_dense_block(stem, width), nn.AvgPool2d(2)]
    return assemble(nn.Sequential(*layers, nn.Flatten()), block * pooled_side(image_size) ** 2, classes)


def _dense_block(inputs, growth, count=4):
    """Return layers that each add `growth` channels to their input, as a list."""
    return [_Beside([], convolution(inputs + place * growth, growth)) for place in range(count)]


def inception(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return an Inception network for small images: a stem that halves, and three modules of four branches.

    Parameters
    ----------
    width : int
        Channels of each branch of the first module; the others have twice as many.

    References
    ----------
    Szegedy et al.: Going Deeper with Convolutions. CVPR 2015. Two 3x3 convolutions stand for one of 5x5, as in
    Szegedy et al.: Rethinking the Inception Architecture for Computer Vision. CVPR 2016.
    """
    layers = [*halving_stem(2 * width), _inception_module(2 * width, width), nn.MaxPool2d(2)]
    layers += [_inception_module(4 * width, 2 * width), nn.MaxPool2d(2), _inception_module(8 * width, 2 * width)]
    return assemble(nn.Sequential(*layers, nn.Flatten()), 8 * width * pooled_side(image_size) ** 2, classes)


def _inception_module(inputs, each):
    """Return four branches of `each` channels: of 1x1, 3x3 and 5x5 pixels, and after pooling."""
    return _Beside(
        convolution(inputs, each, kernel_size=1),
        [*convolution(inputs, each, kernel_size=1), *convolution(each, each)],
        [*convolution(inputs, each, kernel_size=1), *convolution(each, each), *convolution(each, each)],
        [nn.AvgPool2d(3, stride=1, padding=1), *convolution(inputs, each, kernel_size=1)],
    )


def mobilenet(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a MobileNet for small images: a stem that halves, and three separable convolutions.

    Parameters
    ----------
    width : int
        Channels of the stem; the separable convolutions have two, four and four times as many.

    References
    ----------
    Howard et al.: MobileNets. arXiv 1704.04861, 2017.
    """
    side = pooled_side(image_size)
    layers = [*halving_stem(width), *_separable(width, 2 * width), nn.MaxPool2d(2)]
    layers += [*_separable(2 * width, 4 * width), *_separable(4 * width, 4 * width), nn.MaxPool2d(2)]
    return assemble(nn.Sequential(*layers, nn.Flatten()), 4 * width * side**2, classes)


def _separable(inputs, outputs):
    """Return a depthwise and a pointwise convolution, as a list of layers."""
    return [*convolution(inputs, inputs, groups=inputs), *convolution(inputs, outputs, kernel_size=1)]


def mlp(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a perceptron with two hidden layers of `width` units.

    Its first layer is fully connected and has a bias, so that its gradient reveals the input in closed form.
    """
    body = nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * image_size**2, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
    )
    return assemble(body, width, classes)
