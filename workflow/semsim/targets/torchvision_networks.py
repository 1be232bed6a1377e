"""Networks made of torchvision's blocks. Importing this module imports torchvision."""

from functools import partial

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from semsim.compat import import_torchvision
from semsim.targets.networks import assemble, convolution, halving_stem, pooled_side
from semsim.targets.normalisation import LayerNorm

models = import_torchvision().models


class BasicBlock(models.resnet.BasicBlock):
    """torchvision's residual block, adding and activating out of place."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [N, C', H', W'] for [N, C, H, W]."""
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(residual + shortcut)


def resnet20(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return ResNet20 with 16 x `width` base channels: three stages of three blocks.

    References
    ----------
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, section 4.2. CVPR 2016.
    """
    return _small_image_resnet(blocks=(3, 3, 3), channels=16 * width, classes=classes)


def resnet18(image_size: int, classes: int) -> nn.Sequential:
    """Return ResNet18 (four stages of two blocks, 64 base channels) with a stem for small images."""
    return _small_image_resnet(blocks=(2, 2, 2, 2), channels=64, classes=classes)


def resnet6(image_size: int, classes: int, width: int) -> nn.Sequential:
    """Return a residual network that trains in a minute on a CPU: a stem that halves, two blocks, max-pools.

    Parameters
    ----------
    width : int
        Channels of the stem; the blocks have two and four times as many.
    """
    side = pooled_side(image_size)
    layers = halving_stem(width)
    for inputs in (width, 2 * width):
        layers += [BasicBlock(inputs, 2 * inputs, 1, _shortcut(inputs, 2 * inputs, stride=1)), nn.MaxPool2d(2)]
    return assemble(nn.Sequential(*layers, nn.Flatten()), 4 * width * side**2, classes)


def _small_image_resnet(blocks, channels, classes):
    """Stages of `blocks` residual blocks, each after the first with twice the channels and half the side.

    The stem is a 3x3 convolution of stride 1 without pooling, so that 32x32 images keep their detail.
    """
    layers = convolution(3, channels, bias=False)
    inputs = channels
    for stage, count in enumerate(blocks):
        outputs, stride = channels * 2**stage, 1 if stage == 0 else 2
        layers.append(nn.Sequential(*_stage(inputs, outputs, stride, count)))
        inputs = outputs
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return assemble(body, inputs, classes)


def _stage(inputs, outputs, stride, count):
    """Yield the blocks of one stage; the first changes channels and side, where they change."""
    yield BasicBlock(inputs, outputs, stride, None if stride == 1 else _shortcut(inputs, outputs, stride))
    for _ in range(count - 1):
        yield BasicBlock(outputs, outputs)


def _shortcut(inputs, outputs, stride):
    """Return the shortcut of a block that changes channels or side."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class _VisionTransformer(models.VisionTransformer):
    """torchvision's transformer with the attention kernel that can be differentiated twice, as attacks need."""

    def forward(self, x):
        with sdpa_kernel(SDPBackend.MATH):
            return super().forward(x)


def vit(image_size: int, classes: int) -> nn.Sequential:
    """Return a small vision transformer: 8 x 8 patches (of 4 pixels at 32), 6 layers of 192 channels, no dropout.

    References
    ----------
    Dosovitskiy et al.: An Image is Worth 16x16 Words. ICLR 2021.
    """
    patches, channels = 8, 192
    body = _VisionTransformer(
        image_size=image_size,
        patch_size=image_size // patches,
        num_layers=6,
        num_heads=3,
        hidden_dim=channels,
        mlp_dim=4 * channels,
        norm_layer=partial(LayerNorm, eps=1e-6),
    )
    body.heads = nn.Identity()
    return assemble(body, channels, classes)
