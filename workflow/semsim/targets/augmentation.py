"""Augmentations of images, in training and before their gradient is shared.

Checking their names needs no PyTorch; applying them does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.targets.policies import parse_policies

if TYPE_CHECKING:
    import torch


class Augmentation:
    """Random changes of images, one of the defences.

    Parameters
    ----------
    name : str
        ``none``; ``crop`` (`crop_and_flip`); or transformation policies such as ``3-1-7`` or ``3-1-7+43-18-18``
        (`semsim.targets.policies`), which come after `crop_and_flip`.

    Raises
    ------
    SemsimError
        If the name is none of these.
    """

    def __init__(self, name: str = "none"):
        self.name = str(name)
        self._policies = () if self.name in ("none", "crop") else parse_policies(self.name)

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented copies of images.

        Parameters
        ----------
        images : torch.Tensor
            uint8 [N, 3, S, S], on any device.
        generator : torch.Generator
            Of the CPU. Every image has its own random numbers.

        Returns
        -------
        torch.Tensor
            uint8 [N, 3, S, S], on the same device.
        """
        if self.name == "none":
            return images
        images = crop_and_flip(images, generator)
        if not self._policies:
            return images
        from semsim.targets.operations import apply_policies

        return apply_policies(images, self._policies, generator)


def crop_and_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Crop each image at random from its black-padded copy, and flip it with probability 1/2.

    The padding is an eighth of the side: the 4 pixels of the original study at 32, and in proportion for larger images,
    so that the same fraction of an image can be lost.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    generator : torch.Generator
        Of the CPU.

    Returns
    -------
    torch.Tensor
        uint8 [N, 3, S, S].
    """
    import torch

    count, _, height, width = images.shape
    padding = width // 8
    tops, lefts = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width)) + lefts
    rows = torch.arange(height) + tops
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    sample = torch.arange(count)[:, None, None, None]
    channel = torch.arange(images.shape[1])[:, None, None]
    index = (sample, channel, rows[:, None, :, None], columns[:, None, None, :])
    return padded[tuple(part.to(images.device) for part in index)]
