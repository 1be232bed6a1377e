"""Decode the bytes of an image file to an RGB image, whatever its pixel format."""

from __future__ import annotations

import io
import warnings
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from semsim.data.depths import decode_8_bits
from semsim.errors import SemsimError
from semsim.io.folders import read_file

if TYPE_CHECKING:
    import os

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that Pillow may decode."""
SUFFIXES = frozenset(
    (".apng", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm")
    + (".tif", ".tiff", ".webp")
)
"""Files with these suffixes, in lower or upper case, are treated as images; all others are ignored."""
LARGEST_FILE = 256 * 2**20
"""Size limit of an image file in bytes, unpacked if it is in an archive; a larger one may be a decompression bomb."""


def decode_square(content: bytes, image_size: int, where: str) -> np.ndarray:
    """Decode an image file with `decode_rgb`, crop its central square and resize it.

    Resizing is bicubic and antialiased; a square of the right size is left unchanged.

    Parameters
    ----------
    content : bytes
        The whole file.
    image_size : int
        Side of the result in pixels.
    where : str
        The file's name in messages.

    Returns
    -------
    numpy.ndarray
        uint8, shape (3, image_size, image_size), RGB.

    Raises
    ------
    SemsimError
        As for `decode_rgb`.
    """
    square = ImageOps.fit(decode_rgb(content, image_size, where), (image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(square).transpose(2, 0, 1).copy()


def read_rgb(path: str | os.PathLike, side: int) -> Image.Image:
    """Read and decode an image file with `decode_rgb`.

    Parameters
    ----------
    path : path-like
    side : int
        As for `decode_rgb`.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    SemsimError
        As for `semsim.io.folders.read_file` and `decode_rgb`.
    """
    return decode_rgb(read_file(path, LARGEST_FILE), side, path)


def decode_rgb(content: bytes, side: int, where: str) -> Image.Image:
    """Decode an image file.

    EXIF rotation is applied. Transparent pixels are composited on white. Values of more than 8 bits are rounded.
    CMYK is converted without its colour profile. Only the first frame of an animation or document is used.

    Parameters
    ----------
    content : bytes
        The whole file.
    side : int
        Pixels needed on each side: a JPEG file may be decoded at reduced size, but with at least twice as many.
    where : str
        The file's name in messages.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    SemsimError
        If the file is damaged, not an image, too large to be decoded safely, or has pixels of unknown range.
    """
    try:
        return _to_rgb(decode_8_bits(partial(_opened, content, side), where))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise SemsimError(
            f"{where}: more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be a decompression bomb. "
            "Make the image smaller or remove it."
        ) from None
    except UnidentifiedImageError:
        if content.startswith((b"II*\0", b"MM\0*")):
            raise SemsimError(f"{where}: a damaged TIFF file or an unknown kind of pixels. Save it as PNG.") from None
        raise SemsimError(
            f"{where}: not an image, despite its suffix. Replace it, remove it, or change its suffix."
        ) from None
    except (SemsimError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders meet a damaged file with OSError, SyntaxError, ValueError, struct.error and more.
        raise SemsimError(
            f"{where}: a damaged or truncated image ({error}). Replace it or remove it, then run again."
        ) from None


def _opened(content, side):
    """Open an image with Pillow."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    # A JPEG file can be decoded at 1/2, 1/4 or 1/8 of its size: much faster, and still twice the size needed.
    image.draft(None, (2 * side, 2 * side))
    return image


def _to_rgb(image):
    """Convert an image of any mode with 8 bits per channel to RGB."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
