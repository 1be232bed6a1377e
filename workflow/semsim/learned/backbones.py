"""The backbones of SemSim by name, which are known without PyTorch."""

from semsim.targets.architectures import ARCHITECTURES

PRETRAINED = ("efficientnet_lite0",)
"""Networks of `semsim.pretrained.weights.NETWORKS`, which stay as they are; how much each channel counts is learned."""
BACKBONES = (*ARCHITECTURES, *PRETRAINED)
