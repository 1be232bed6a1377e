"""Image operations, and policies of them applied to images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from semsim.compat import import_torchvision
from semsim.targets.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence

# Operations with two directions; the direction is drawn for each image.
TWO_WAY = {"shear_y", "translate_x", "translate_y", "rotate", "colour", "contrast", "brightness", "sharpness"}


def apply_policies(images: torch.Tensor, policies: Sequence[Sequence[int]], generator: torch.Generator) -> torch.Tensor:
    """Transform each image by one of the policies, drawn at random.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    policies : sequence of sequence of int
        As `parse_policies` returns them.
    generator : torch.Generator
        Of the CPU; it draws the policy of each image and the direction of each operation.

    Returns
    -------
    torch.Tensor
        uint8 [N, 3, S, S].
    """
    drawn = torch.randint(len(policies), (len(images),), generator=generator)
    signs = 2 * torch.randint(2, (max(map(len, policies)), len(images)), generator=generator) - 1
    images = images.clone()
    for number, policy in enumerate(policies):
        for step, index in enumerate(policy):
            operation, magnitude = POLICIES[index]
            for sign in (-1, 1) if operation in TWO_WAY else (1,):
                chosen = drawn == number
                if operation in TWO_WAY:
                    chosen &= signs[step] == sign
                if chosen.any():
                    where = chosen.nonzero().squeeze(1).to(images.device)
                    images[where] = transform(images[where], operation, sign * magnitude / 9)
    return images


def transform(images: torch.Tensor, operation: str, amount: float) -> torch.Tensor:
    """Apply one operation to all images alike.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    operation : str
        As named in `POLICIES`.
    amount : float
        From 0 (weakest) to 1 (strongest); negative for the other direction, if there is one. The
        strongest are: shear by 0.3; translation by 150/331 of the side; rotation by 30 degrees; colour, contrast,
        brightness and sharpness by factors of 1.5 and 0.5; 4 bits left of 8 (posterize); a threshold of 0 instead of
        256 (solarize). The other operations have no strength.

    Returns
    -------
    torch.Tensor
        uint8 [N, 3, S, S]. Areas that enter the image are black, or grey after a rotation.
    """
    functional = _functional()
    match operation:
        case "shear_y":  # about the upper left corner
            degrees = math.degrees(math.atan(0.3 * amount))
            bilinear = functional.InterpolationMode.BILINEAR
            return functional.affine(images, 0, [0, 0], 1, [0, degrees], interpolation=bilinear, center=[0, 0])
        case "translate_x":
            return _shift(images, round(150 / 331 * amount * images.shape[3]), axis=3)
        case "translate_y":
            return _shift(images, round(150 / 331 * amount * images.shape[2]), axis=2)
        case "rotate":
            return functional.rotate(images, 30 * amount, fill=128)
        case "colour":
            return functional.adjust_saturation(images, 1 + 0.5 * amount)
        case "contrast":
            return functional.adjust_contrast(images, 1 + 0.5 * amount)
        case "brightness":
            return functional.adjust_brightness(images, 1 + 0.5 * amount)
        case "sharpness":
            return functional.adjust_sharpness(images, 1 + 0.5 * amount)
        case "posterize":
            return functional.posterize(images, round(8 - 4 * amount))
        case "solarize":
            return torch.where(images >= 256 - 256 * amount, 255 - images, images)
        case "autocontrast":
            return functional.autocontrast(images)
        case "equalize":
            return functional.equalize(images)
        case "invert":
            return functional.invert(images)
    raise ValueError(f"no operation '{operation}'")


def _shift(images, pixels, axis):
    """Move images along an axis by whole pixels."""
    moved = images.roll(pixels, axis)
    entered = moved[(slice(None),) * axis + (slice(pixels) if pixels >= 0 else slice(pixels, None),)]
    entered.zero_()
    return moved


def _functional():
    """Return torchvision's functional transforms, imported when first needed."""
    import_torchvision()
    from torchvision.transforms.v2 import functional

    return functional
