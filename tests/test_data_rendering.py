"""Symbols and letters on photographs."""

import math
import socket

import numpy as np
import pytest

from semsim.data import prepare_dataset, rendering
from semsim.data.rendering import CONTRAST, GLYPHS, LETTERS, PHOTOGRAPHS, SUPERSAMPLING, draw, font_cuts

SYMBOLS = sorted(GLYPHS.characters.values())


def cover(character, size=32, seed=0, angle=0.0):
    """How a character covers an image, and with which mask."""
    mask = rendering._mask(font_cuts(character)[0], character, SUPERSAMPLING * size)
    return rendering._place(mask, size, angle, np.random.default_rng(seed)), mask


def test_only_cuts_that_have_the_character():
    assert "DejaVuSerif" in font_cuts("A") and len(font_cuts("A")) > 10
    assert font_cuts(GLYPHS.characters["umbrella"]) and "DejaVuSerif" not in font_cuts(GLYPHS.characters["umbrella"])


@pytest.mark.parametrize("alphabet", [GLYPHS, LETTERS])
def test_every_class_looks_different(alphabet):
    shapes = []
    for character in alphabet.characters.values():
        assert font_cuts(character)
        mask = np.asarray(rendering._mask(font_cuts(character)[0], character, 64).resize((64, 64))) > 127
        assert 0.05 < mask.mean() < (1.0 if character == "I" else 0.95)  # neither missing nor a box
        shapes.append(mask)
    differences = [np.mean(one != other) for k, one in enumerate(shapes) for other in shapes[:k]]
    assert min(differences) > 0.03


@pytest.mark.parametrize("seed", range(5))
def test_symbols_lie_wholly_inside(seed):
    for character in SYMBOLS:
        angle = math.radians(30 * (-1) ** seed)
        placed, mask = cover(character, 48, seed, angle)
        area = np.asarray(mask, dtype=float).sum() / 255
        # Nothing is cut off: the ink has the area that its size says.
        width = mask.width * math.cos(angle) + mask.height * abs(math.sin(angle))
        height = mask.width * abs(math.sin(angle)) + mask.height * math.cos(angle)
        scale = math.sqrt(placed.sum() / area)
        assert 0.6 * 48 * 0.98 <= scale * max(width, height) <= 0.95 * 48 * 1.02


def test_turned_the_way_the_angle_says():
    upright, _ = cover("I", 64, seed=3)
    turned, _ = cover("I", 64, seed=3, angle=math.radians(90))
    assert np.ptp(np.flatnonzero(upright.max(axis=1))) > np.ptp(np.flatnonzero(upright.max(axis=0)))
    assert np.ptp(np.flatnonzero(turned.max(axis=1))) < np.ptp(np.flatnonzero(turned.max(axis=0)))


@pytest.mark.parametrize("grey", [0.0, 0.2, 0.46, 0.7, 1.0])
def test_colours_stand_out(grey):
    random = np.random.default_rng(0)
    background = np.full((50, 3), grey)
    for _ in range(50):
        colour = rendering._colour_against(background, random)
        contrast = rendering._contrast(rendering._luminance(colour), rendering._luminance(background[0]))
        assert contrast >= CONTRAST and colour.min() >= 0 and colour.max() <= 1


def test_contrast_of_black_and_white_is_21():
    assert rendering._contrast(rendering._luminance(np.zeros(3)), rendering._luminance(np.ones(3))) == pytest.approx(21)


def test_drawings_differ_in_everything():
    random = np.random.default_rng(0)
    drawings = [draw(GLYPHS.characters["anchor"], 30, 32, random) for _ in range(60)]
    assert len({pixels.tobytes() for pixels, _ in drawings}) == 60
    cuts, photographs = zip(*(source.split(" on ") for _, source in drawings), strict=True)
    assert set(cuts) == set(font_cuts(GLYPHS.characters["anchor"]))
    assert set(photographs) == set(PHOTOGRAPHS)


def test_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    rendering._photograph.cache_clear()
    for name in PHOTOGRAPHS:
        assert rendering._photograph(name).mode == "RGB"
    prepare_dataset("letters", {"kind": "letters", "train": 8, "originals": 2, "public": 2}, 32, seed=3)
