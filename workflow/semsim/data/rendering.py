"""Everyday symbols and letters on photographs, rendered from fonts and pictures that other packages contain.

Nothing is downloaded: the fonts are matplotlib's DejaVu family, the photographs come with scikit-image's wheel (all
free to use). Every image has its own seed, so it does not depend on how many others are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from semsim.data.dataset import SPLITS, Split
from semsim.data.splits import class_turns
from semsim.progress import progress_bar
from semsim.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semsim.data.request import Request


@dataclass(frozen=True)
class Alphabet:
    """What is drawn: one character per class name, and the largest rotation either way, in degrees."""

    characters: dict[str, str]
    largest_angle: float


# Neither a cat nor a cup, because scikit-image's photographs show those.
GLYPHS = Alphabet(
    {
        "aeroplane": "\N{AIRPLANE}",
        "anchor": "\N{ANCHOR}",
        "cloud": "\N{CLOUD}",
        "clover": "\N{SHAMROCK}",
        "crown": "\N{BLACK CHESS QUEEN}",
        "envelope": "\N{ENVELOPE}",
        "flag": "\N{BLACK FLAG}",
        "flower": "\N{BLACK FLORETTE}",
        "hand": "\N{BLACK RIGHT POINTING INDEX}",
        "heart": "\N{BLACK HEART SUIT}",
        "horse": "\N{BLACK CHESS KNIGHT}",
        "lightning": "\N{HIGH VOLTAGE SIGN}",
        "monkey": "\N{MONKEY FACE}",
        "music": "\N{BEAMED EIGHTH NOTES}",
        "pencil": "\N{PENCIL}",
        "scissors": "\N{BLACK SCISSORS}",
        "skull": "\N{SKULL AND CROSSBONES}",
        "smiley": "\N{BLACK SMILING FACE}",
        "snowflake": "\N{SNOWFLAKE}",
        "star": "\N{BLACK STAR}",
        "sun": "\N{BLACK SUN WITH RAYS}",
        "telephone": "\N{BLACK TELEPHONE}",
        "tower": "\N{BLACK CHESS ROOK}",
        "umbrella": "\N{UMBRELLA}",
    },
    largest_angle=30,
)
LETTERS = Alphabet({letter: letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, largest_angle=12)

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)
CROP_SHARE = (0.1, 0.3)
"""Side of a background, as a share of its photograph's shorter side."""
SYMBOL_SHARE = (0.6, 0.95)
"""Longer side of the rotated symbol, as a share of the image's side."""
CONTRAST = 2.5
"""Minimum contrast of the colour with the background under the symbol (WCAG 2.2: from 1 to 21; 3 for large text)."""
SUPERSAMPLING = 3
"""Symbols are rotated and placed on a canvas this many times larger than the image, then downsampled by averaging."""


def render(alphabet: Alphabet, request: Request) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Draw the three splits.

    Parameters
    ----------
    alphabet : Alphabet
    request : semsim.data.request.Request

    Returns
    -------
    classes : tuple of str
    splits : dict of str to Split
        The source of an image names the font cut and the photograph. Every image has its own seed.
    """
    classes = request.first_classes(alphabet.characters)
    return classes, {split: _render_split(alphabet, classes, split, request) for split in SPLITS}


def _render_split(alphabet, classes, split, request):
    """Draw one split, with the classes taking turns."""
    number, size = request.counts[split], request.image_size
    labels = np.empty(number, dtype=np.int64)
    images = np.empty((number, 3, size, size), dtype=np.uint8)
    sources = []
    drawn = islice(draw_in_turns(alphabet, classes, size, request.seed, request.name, split), number)
    with progress_bar(number, f"{request.name}: drawing {split}", unit="image") as bar:
        for index, (image, label, source) in enumerate(drawn):
            images[index], labels[index] = image, label
            sources.append(source)
            bar.update()
    return Split(images, labels, sources)


def draw_in_turns(
    alphabet: Alphabet, classes: tuple[str, ...], image_size: int, *seed_key: int | str
) -> Iterator[tuple[np.ndarray, int, str]]:
    """Draw images without end, with the classes taking turns.

    Parameters
    ----------
    alphabet : Alphabet
    classes : tuple of str
    image_size : int
        Side in pixels.
    *seed_key : int or str
        As for `semsim.seeds.seed_for`; the number of an image follows.

    Yields
    ------
    pixels : numpy.ndarray
        uint8, shape (3, image_size, image_size), RGB.
    label : int
        Position in `classes`.
    source : str
        The font cut and the photograph.
    """
    turns = class_turns(range(len(classes)), *seed_key)
    for index in count():
        label = turns[index % len(turns)]
        random = np.random.default_rng(seed_for(*seed_key, index))
        pixels, source = draw(alphabet.characters[classes[label]], alphabet.largest_angle, image_size, random)
        yield pixels, label, source


def draw(character: str, largest_angle: float, image_size: int, random: np.random.Generator) -> tuple[np.ndarray, str]:
    """Draw one character with random font cut, colour, angle, size and position on a random crop of a photograph.

    Parameters
    ----------
    character : str
        A character that a DejaVu font contains.
    largest_angle : float
        It is rotated by up to this many degrees either way.
    image_size : int
        Side in pixels.
    random : numpy.random.Generator

    Returns
    -------
    pixels : numpy.ndarray
        uint8, shape (3, image_size, image_size), RGB.
    source : str
        The font cut and the photograph.
    """
    cuts = font_cuts(character)
    cut = cuts[random.integers(len(cuts))]
    photograph = PHOTOGRAPHS[random.integers(len(PHOTOGRAPHS))]
    background = _crop(_photograph(photograph), image_size, random)
    angle = math.radians(random.uniform(-largest_angle, largest_angle))
    cover = _place(_mask(cut, character, SUPERSAMPLING * image_size), image_size, angle, random)[:, :, np.newaxis]
    colour = _colour_against(background[cover[:, :, 0] > 0], random)
    pixels = background + cover * (colour - background)
    return np.rint(255 * pixels).astype(np.uint8).transpose(2, 0, 1), f"{cut} on {photograph}"


@cache
def font_cuts(character: str) -> tuple[str, ...]:
    """Return the names of the DejaVu cuts that contain `character`, as a sorted tuple of str."""
    return tuple(cut for cut, characters in _character_maps().items() if ord(character) in characters)


@cache
def _character_maps():
    """Return the code points that each DejaVu cut can draw."""
    from matplotlib.ft2font import FT2Font  # slow to import, and not needed by stages that only read images

    fonts = sorted(files("matplotlib").joinpath("mpl-data/fonts/ttf").glob("DejaVu*.ttf"))
    return {font.stem: frozenset(FT2Font(str(font)).get_charmap()) for font in fonts}


@cache
def _photograph(name):
    """Return a photograph from scikit-image's wheel (never from its download) as an RGB image."""
    with files("skimage").joinpath("data", name).open("rb") as file:
        return Image.open(file).convert("RGB")


@cache
def _mask(cut, character, side):
    """Return a character without margins, antialiased, its longer side about `side` pixels, as an "L" image."""
    path = files("matplotlib").joinpath(f"mpl-data/fonts/ttf/{cut}.ttf")
    # Basic layout: complex text layout needs a library that not every build of Pillow has, and results may differ.
    font = ImageFont.truetype(str(path), side, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = font.getbbox(character)
    font = font.font_variant(size=side * side / max(right - left, bottom - top))
    left, top, right, bottom = font.getbbox(character)
    mask = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), character, fill=255, font=font)
    return mask


def _crop(photograph, image_size, random):
    """Return a random square of a photograph, float32 in [0, 1], shape (image_size, image_size, 3)."""
    width, height = photograph.size
    side = random.uniform(*CROP_SHARE) * min(width, height)
    left, top = random.uniform(0, width - side), random.uniform(0, height - side)
    crop = photograph.resize((image_size, image_size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.asarray(crop, dtype=np.float32) / 255


def _place(mask, image_size, angle, random):
    """Rotate a mask and place it fully inside an image; return its coverage of each pixel, float32 in [0, 1]."""
    canvas = SUPERSAMPLING * image_size
    cosine, sine = math.cos(angle), math.sin(angle)
    # The bounding box of the rotated mask, and the scale that gives it its random size.
    width = mask.width * abs(cosine) + mask.height * abs(sine)
    height = mask.width * abs(sine) + mask.height * abs(cosine)
    scale = random.uniform(*SYMBOL_SHARE) * canvas / max(width, height)
    room_x, room_y = (canvas - scale * width) / 2, (canvas - scale * height) / 2
    x, y = canvas / 2 + random.uniform(-room_x, room_x), canvas / 2 + random.uniform(-room_y, room_y)
    # Pillow expects the map from the canvas to the mask: move the centre to the origin, rotate back, unscale.
    a, b = cosine / scale, sine / scale
    shift_x, shift_y = mask.width / 2 - a * x - b * y, mask.height / 2 + b * x - a * y
    turned = mask.transform(
        (canvas, canvas), Image.Transform.AFFINE, (a, b, shift_x, -b, a, shift_y), Image.Resampling.BILINEAR
    )
    return np.asarray(turned.reduce(SUPERSAMPLING), dtype=np.float32) / 255


def _colour_against(pixels, random, tries=16):
    """Return a random colour that contrasts with RGB `pixels` in [0, 1], shape (n, 3): the first good or the best."""
    hue, saturation, value = random.uniform([[0], [0.4], [0.1]], [[1], [1], [1]], (3, tries))
    pure = np.clip(np.abs((6 * hue + np.array([[0], [4], [2]])) % 6 - 3) - 1, 0, 1)
    colours = (value * (1 - saturation * (1 - pure))).T
    # Most of the background lies between these two luminances.
    under = np.sort(_luminance(pixels))
    dark, light = under[len(under) // 8], under[-1 - len(under) // 8]
    own = _luminance(colours)
    contrasts = np.minimum(_contrast(own, dark), _contrast(own, light))
    good = np.flatnonzero(contrasts >= CONTRAST)
    return colours[good[0] if good.size else np.argmax(contrasts)]


def _luminance(colours):
    """Return the relative luminance in [0, 1] of sRGB colours in [0, 1], over the last axis (with a gamma of 2.2)."""
    return np.power(colours, 2.2) @ np.array([0.2126, 0.7152, 0.0722])


def _contrast(one, other):
    """Return the contrast ratio of two luminances, from 1 (none) to 21."""
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)
