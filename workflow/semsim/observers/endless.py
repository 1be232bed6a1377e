"""An endless supply of embedded images, on which the bundled networks are trained.

Glyphs and letters are drawn anew; there are few digits, so each is deformed at random.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from semsim.data.digits import digits_of
from semsim.data.embedded import IMAGE_SIZE, UNDRAWN
from semsim.data.rendering import GLYPHS, LETTERS, draw_in_turns
from semsim.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ALPHABETS = {"glyphs": GLYPHS, "letters": LETTERS}
CLASSES = {name: tuple(sorted(each.characters)) for name, each in ALPHABETS.items()} | {"mnist": tuple("0123456789")}
"""The classes of each kind of embedded images."""

# Of deformed digits, the largest changes either way.
ANGLE, SHEAR, SCALE = math.radians(15), 0.25, 0.15
SHIFT = 2.0  # pixels
BENDING = 1.2  # standard deviation in pixels, at each of the points that are moved
BENT = 5  # points along each side


def embedded_batches(kind: str, learners: str, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of clear images without end, with the classes in turns or at random.

    Parameters
    ----------
    kind : {"glyphs", "letters", "mnist"}
    learners : {"observers", "starts"}
        Who learns from them; nobody else gets the same ones.
    count : int
        Images of a batch.

    Yields
    ------
    images : torch.Tensor
        uint8 [count, 3, 32, 32].
    labels : torch.Tensor
        int64 [count].
    """
    if kind in ALPHABETS:
        drawn = draw_in_turns(ALPHABETS[kind], CLASSES[kind], IMAGE_SIZE, UNDRAWN, kind, learners)
        while True:
            yield _stacked(drawn, count)
    digits, labels = map(torch.from_numpy, digits_of(learners, IMAGE_SIZE))
    generator = torch.Generator().manual_seed(seed_for(UNDRAWN, kind, learners))
    while True:
        rows = torch.randint(len(digits), (count,), generator=generator)
        yield deformed(digits[rows], generator), labels[rows]


def held_out_images(kind: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return clear images from which no network learnt that comes with the package, as `embedded_batches` yields them.

    Parameters
    ----------
    kind : {"glyphs", "letters", "mnist"}
    count : int
        Of digits, at most 3,500: those that studies draw from.
    """
    if kind in ALPHABETS:
        return _stacked(draw_in_turns(ALPHABETS[kind], CLASSES[kind], IMAGE_SIZE, UNDRAWN, kind, "held out"), count)
    digits, labels = map(torch.from_numpy, digits_of(None, IMAGE_SIZE))
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed_for(UNDRAWN, kind, "held out")))
    return digits[order[:count]], labels[order[:count]]


def _stacked(drawn, count):
    images, labels, _ = zip(*islice(drawn, count), strict=True)
    return torch.from_numpy(np.stack(images)), torch.tensor(labels)


def deformed(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shear, scale, shift and bend each image at random, as handwriting varies.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S], on a black background.
    generator : torch.Generator

    Returns
    -------
    torch.Tensor
        uint8 [N, 3, S, S].

    References
    ----------
    Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks. ICDAR 2003.
    """
    number, side = len(images), images.shape[-1]
    angle, shear, wide, high = (2 * torch.rand(4, number, generator=generator) - 1) * torch.tensor(
        [[ANGLE], [SHEAR], [SCALE], [SCALE]]
    )
    shift = (2 * torch.rand(number, 2, 1, generator=generator) - 1) * 2 * SHIFT / side
    turn = torch.stack([angle.cos(), shear - angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    matrix = turn * torch.stack([1 + wide, 1 + high], 1)[:, None]
    grid = functional.affine_grid(torch.cat([matrix, shift], 2), (number, 3, side, side), align_corners=False)
    bends = torch.randn(number, 2, BENT, BENT, generator=generator) * 2 * BENDING / side
    grid = grid + functional.interpolate(bends, (side, side), mode="bicubic", align_corners=True).movedim(1, 3)
    moved = functional.grid_sample(images / 255, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return (moved * 255).round().to(torch.uint8)
