"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 in place of swish, for small devices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

if TYPE_CHECKING:
    import torch

STEM, LAST, CLASSES = 32, 1280, 1000
"""Channels of the first and of the last convolution, and classes of ImageNet."""


class Stage(NamedTuple):
    """Blocks of equal width; the first may halve the resolution."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
"""Of Lite0; the others are wider and deeper."""


class Convolution(nn.Conv2d):
    """A convolution padded as in TensorFlow: where the padding is odd, by one more at the bottom and on the right."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return [N, C, ceil(H / stride), ceil(W / stride)]."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        down, across = (max(0, (math.ceil(side / stride) - 1) * stride + kernel - side) for side in values.shape[2:])
        if down == across == kernel - 1:  # without a padded copy
            return nn.functional.conv2d(values, self.weight, self.bias, stride, kernel // 2, 1, self.groups)
        padded = nn.functional.pad(values, (across // 2, across - across // 2, down // 2, down - down // 2))
        return nn.functional.conv2d(padded, self.weight, self.bias, stride, 0, 1, self.groups)


class Block(nn.Module):
    """An inverted bottleneck: expand, filter each channel, project, and add the input where shapes agree."""

    def __init__(self, channels: int, stage: Stage, stride: int):
        super().__init__()
        inside = channels * stage.expansion
        if stage.expansion > 1:
            self.expand_conv, self.bn0 = _convolution(channels, inside, 1)
        self.depthwise_conv, self.bn1 = _convolution(inside, inside, stage.kernel, stride, inside)
        self.project_conv, self.bn2 = _convolution(inside, stage.channels, 1)
        self.adds = stride == 1 and channels == stage.channels
        self.expands = stage.expansion > 1

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the block's output, [N, C', H', W']."""
        inside = nn.functional.relu6(self.bn0(self.expand_conv(values)), inplace=True) if self.expands else values
        inside = nn.functional.relu6(self.bn1(self.depthwise_conv(inside)), inplace=True)
        outside = self.bn2(self.project_conv(inside))
        return outside + values if self.adds else outside


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite with the classes of ImageNet. Layers have the names of the published weights, less underscores.

    Parameters
    ----------
    width, depth : float
        Multiples of Lite0's: (1, 1) is Lite0, (1.1, 1.2) is Lite2.

    References
    ----------
    Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019. Lite:
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0):
        super().__init__()
        self.conv_stem, self.bn0 = _convolution(3, STEM, 3, 2)
        blocks, channels = [], STEM
        for place, stage in enumerate(STAGES):
            at_an_end = place in (0, len(STAGES) - 1)
            count = stage.blocks if at_an_end else math.ceil(depth * stage.blocks)
            stage = stage._replace(channels=_rounded(width * stage.channels))
            for number in range(count):
                blocks.append(Block(channels, stage, 1 if number else stage.stride))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = _convolution(channels, LAST, 1)
        self.fc = nn.Linear(LAST, CLASSES)

    def stages(self) -> list[nn.Sequential]:
        """Return the layers before the pooling, divided where the resolution halves."""
        parts = [[self.conv_stem, self.bn0, nn.ReLU6(inplace=True)]]
        for block in self.blocks:
            if block.depthwise_conv.stride[0] > 1:
                parts.append([])
            parts[-1].append(block)
        parts[-1] += [self.conv_head, self.bn1, nn.ReLU6(inplace=True)]
        return [nn.Sequential(*part) for part in parts]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, 1000] of normalised images [N, 3, H, W]."""
        for stage in self.stages():
            images = stage(images)
        return self.fc(images.mean((2, 3)))


def _convolution(inside, outside, kernel, stride=1, groups=1):
    """Return a convolution, and the normalisation of its output."""
    return Convolution(inside, outside, kernel, stride, groups=groups, bias=False), nn.BatchNorm2d(outside, 1e-3, 0.01)


def _rounded(channels, multiple=8):
    """Return the nearest number of channels that is a multiple, but no less than nine tenths."""
    nearest = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return nearest if nearest >= 0.9 * channels else nearest + multiple
