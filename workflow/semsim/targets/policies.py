"""Transformation policies: sequences of image operations that make training images resist reconstruction.

References
----------
Gao, Guo, Zhang, Qiu, Wen, Liu: Privacy-preserving Collaborative Learning with Automatic Transformation Search. CVPR
2021.
"""

import math
import re

import torch

from semsim.compat import import_torchvision
from semsim.errors import SemsimError

# The search space by index: operation and magnitude, 0 to 9. The published list has a probability for each entry as
# well, which the published code does not use: every operation of a policy is always applied.
POLICIES = (
    ("invert", 7),
    ("contrast", 6),
    ("rotate", 2),
    ("translate_x", 9),
    ("sharpness", 1),
    ("sharpness", 3),
    ("shear_y", 2),
    ("translate_y", 2),
    ("autocontrast", 5),
    ("equalize", 2),
    ("shear_y", 5),  # 10
    ("posterize", 5),
    ("colour", 3),
    ("brightness", 5),
    ("sharpness", 9),
    ("brightness", 9),
    ("equalize", 5),
    ("equalize", 1),
    ("contrast", 7),
    ("sharpness", 5),
    ("colour", 5),  # 20
    ("translate_x", 5),
    ("equalize", 7),
    ("autocontrast", 8),
    ("translate_y", 3),
    ("sharpness", 6),
    ("brightness", 6),
    ("colour", 8),
    ("solarize", 0),
    ("invert", 0),
    ("equalize", 0),  # 30
    ("autocontrast", 0),
    ("equalize", 8),
    ("equalize", 4),
    ("colour", 5),
    ("equalize", 5),
    ("autocontrast", 4),
    ("solarize", 4),
    ("brightness", 3),
    ("colour", 0),
    ("solarize", 1),  # 40
    ("autocontrast", 0),
    ("translate_y", 3),
    ("translate_y", 3),
    ("autocontrast", 1),
    ("solarize", 1),
    ("equalize", 5),
    ("invert", 0),
    ("translate_y", 3),
    ("autocontrast", 1),
)

# Operations that go either way; the direction is drawn for each image.
TWO_WAY = {"shear_y", "translate_x", "translate_y", "rotate", "colour", "contrast", "brightness", "sharpness"}


def parse_policies(text):
    """Read policies written as indices joined by ``-``, and joined by ``+`` if there are several.

    Parameters
    ----------
    text : str
        For instance ``"3-1-7"`` or ``"3-1-7+43-18-18"``.

    Returns
    -------
    tuple of tuple of int
        The policies, each a sequence of indices into `POLICIES`.

    Raises
    ------
    SemsimError
        If the text has another form, or an index is out of range.
    """
    if not re.fullmatch(r"\d+(-\d+)*(\+\d+(-\d+)*)*", text):
        raise SemsimError(
            f"augmentation '{text}' is not known. Write none, crop, or policies such as 3-1-7 or 3-1-7+43-18-18: "
            f"indices from 0 to {len(POLICIES) - 1} joined by '-', policies joined by '+'."
        )
    policies = tuple(tuple(int(index) for index in policy.split("-")) for policy in text.split("+"))
    for index in (index for policy in policies for index in policy):
        if index >= len(POLICIES):
            raise SemsimError(
                f"augmentation '{text}' asks for operation {index}, but the operations are 0 to {len(POLICIES) - 1}. "
                "Use these indices, joined by '-' within a policy and by '+' between policies, as in 3-1-7+43-18-18."
            )
    return policies


def apply_policies(images, policies, generator):
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


def transform(images, operation, amount):
    """Apply one operation to all images alike.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    operation : str
        As named in `POLICIES`.
    amount : float
        From 0 (next to nothing) to 1 (as strong as it gets); negative for the other direction, where there is one.
        Strongest are: shear by 0.3; translation by 150/331 of the side; rotation by 30 degrees; colour, contrast,
        brightness and sharpness by factors of 1.5 and 0.5; 4 bits left of 8 (posterize); a threshold of 0 instead of
        256 (solarize). The other operations have no strength.

    Returns
    -------
    torch.Tensor
        uint8 [N, 3, S, S]. What moves into the image is black; grey after a rotation.
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
