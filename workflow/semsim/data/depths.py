"""Pixels of any depth as 8 bits per channel: values are rounded, once, and a transparent colour has the file's depth.

Pillow keeps the upper byte of 16-bit colour, compares 16-bit colours after that, and takes 12-bit grey for 16-bit grey.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

PHOTOMETRIC, BITS, PLANES = 262, 258, 284
"""Tags of TIFF: what grey values mean, bits per sample, and whether channels lie apart."""
ORDERS = {"B": "BL", "L": "LB", "N": "LB" if sys.byteorder == "little" else "BL"}
"""Byte orders for which Pillow, which keeps the upper byte, returns the upper and the lower one, by the real order."""


def decode_8_bits(opened: Callable[[], Image.Image], where: str | os.PathLike) -> Image.Image:
    """Decode an image, rotate it as its EXIF data say, and bring it to 8 bits per channel.

    Parameters
    ----------
    opened : callable
        Opens the image file anew with Pillow at each call.
    where : str or path-like
        The file's name in messages.

    Returns
    -------
    PIL.Image.Image
        Of any mode with 8 bits per channel. A transparent colour has become an alpha channel, and 16-bit colours with
        an alpha channel are in front of white.

    Raises
    ------
    SemsimError
        If pixels have an unknown range, or Pillow cannot return all their bits.
    """
    image = opened()
    mode, rawmode, key = image.mode, _rawmode(image), _transparent_colour(image)
    if mode == "F":
        raise SemsimError(f"{where}: floating-point pixels of unknown range. Save the image with 8 or 16 bits.")
    if mode == "I" and image.format == "TIFF":
        raise SemsimError(f"{where}: integers with 32 bits or a sign, of unknown range. Save it with 8 or 16 bits.")
    if mode.startswith("I"):
        samples, top = _grey(image, rawmode, where)
    elif ";16" in rawmode and mode in ("RGB", "RGBA", "CMYK"):
        samples, top = _colour(opened, rawmode, where), 65535
    else:
        image = _upright(image)
        if key is None:
            return image
        samples, top = np.asarray(image).reshape(*image.size[::-1], -1), 255
    pixels = _rounded(samples, top)
    if key is not None:
        opaque = (samples != key).any(axis=2, keepdims=True)
        pixels = np.concatenate([pixels, np.where(opaque, np.uint8(255), np.uint8(0))], axis=2)
    mode = "CMYK" if mode == "CMYK" else ("L", "LA", "RGB", "RGBA")[pixels.shape[2] - 1]
    return Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())


def _rounded(samples, top):
    """Bring values from 0 ... top to 0 ... 255."""
    table = (np.arange(top + 1) * 255 + top // 2) // top
    return table.astype(np.uint8)[samples]


def _upright(image):
    image.load()
    return ImageOps.exif_transpose(image)


def _rawmode(image):
    """Return Pillow's name for the layout of pixels in a file, or "" for formats that always have 8 bits."""
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return ""
    arguments = image.tile[0].args
    rawmode = arguments if isinstance(arguments, str) else arguments[0]
    if image.format == "TIFF" and rawmode in ("R", "C") and image.tag_v2.get(BITS, (8,))[0] == 16:
        return f"{image.mode};16{'L' if image.tag_v2.prefix == b'II' else 'B'}"  # each channel has a tile of its own
    return rawmode


def _transparent_colour(image):
    """Take the colour that counts as transparent from a grey or RGB image in a PNG file; None if it has none.

    It has the file's depth there, of which a decoder uses as many bits as a channel has.
    """
    if image.format != "PNG" or image.mode not in ("L", "I;16", "RGB"):
        return None
    key = image.info.pop("transparency", None)
    if key is None:
        return None
    depth = int((_rawmode(image).partition(";")[2] or "8").rstrip("B"))
    top = 2**depth - 1
    return (np.atleast_1d(key) & top) * (255 // top if depth < 8 else 1)


def _grey(image, rawmode, where):
    """Return grey values, integers [H, W, 1], and the largest possible one."""
    inverted = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0
    top = 4095 if rawmode == "I;12" else 65535
    samples = np.asarray(_upright(image))[..., None]
    if samples.min() < 0 or samples.max() > top:
        raise SemsimError(f"{where}: grey values outside 0 to 65535. Save the image with 8 or 16 bits.")
    return top - samples if inverted else samples, top


def _colour(opened, rawmode, where):
    """Return colours, uint16 [H, W, C], from two decodings: one for the upper bytes, one for the lower."""
    if rawmode == "LA;16B":  # four bytes a pixel, like another layout
        four = _bytes(opened, "RGBA")
        return _on_white(_joined(four[..., 0::2], four[..., 1::2]))
    image = opened()
    if image.format == "TIFF" and image.tile[0].codec_name == "libtiff" and image.tag_v2.get(PLANES) == 2:
        raise SemsimError(f"{where}: compressed planes of 16 bits. Save the image without compression or as PNG.")
    layout, order = rawmode.replace("a", "A")[:-1], rawmode[-1]  # with "a", Pillow would divide bytes by opacity
    samples = _joined(*(_bytes(opened, layout + each) for each in ORDERS[order]))
    return _on_white(samples, multiplied="a" in rawmode) if "A;" in layout else samples


def _joined(upper, lower):
    """Return the values, uint16, of their upper and lower bytes."""
    samples = upper.astype(np.uint16)
    samples <<= 8
    samples |= lower
    return samples


def _on_white(samples, multiplied=False):
    """Show 16-bit colours in front of white; the last channel is their opacity, by which they may be multiplied."""
    shown = samples[..., :-1].copy()
    for row, pixels in enumerate(samples):
        colours, alpha = np.split(pixels.astype(np.uint32), [-1], axis=1)
        if not multiplied:
            colours = (colours * alpha + 32767) // 65535  # below 2**32
        shown[row] = np.minimum(colours + (65535 - alpha), 65535)
    return shown


def _bytes(opened, rawmode):
    """Decode an image as if its pixels had another layout; uint8 [H, W, C]."""
    image = opened()
    image.tile = [tile._replace(args=_arguments(tile.args, rawmode)) for tile in image.tile]
    return np.asarray(_upright(image))


def _arguments(arguments, rawmode):
    """Return the arguments of a decoder with another layout; that of a single channel keeps the channel's letter."""
    if isinstance(arguments, str):
        return rawmode
    letter, *others = arguments
    return (letter + rawmode[rawmode.index(";") :] if len(letter) == 1 else rawmode, *others)
