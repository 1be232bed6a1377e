"""From the bytes of an image file to an RGB image, whatever the file's kind of pixels."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from semsim.errors import SemsimError

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
"""Names that end so, in lower or upper case, are taken for images; all others are left alone."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may find in them."""


def decode_square(content, image_size, where):
    """Decode an image file as `decode_rgb` does, cut out its central square and bring it to the study's size.

    Resizing is bicubic and antialiased; a square of the right size stays exactly as it is.

    Parameters
    ----------
    content : bytes
        The whole file.
    image_size : int
        Side of the result in pixels.
    where : str
        The file's name for messages.

    Returns
    -------
    numpy.ndarray
        uint8, shape (3, image_size, image_size), RGB.

    Raises
    ------
    SemsimError
        As `decode_rgb` does.
    """
    square = ImageOps.fit(decode_rgb(content, image_size, where), (image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(square).transpose(2, 0, 1).copy()


def decode_rgb(content, side, where):
    """Decode an image file.

    Rotation by EXIF is carried out. Transparent pixels are shown on white, as on a page. 16-bit grey keeps its range.
    CMYK is converted without its colour profile. Of an animation or a document the first frame is taken.

    Parameters
    ----------
    content : bytes
        The whole file.
    side : int
        How many pixels are needed on a side: a JPEG file may come out smaller than it is, but with twice as many.
    where : str
        The file's name for messages.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    SemsimError
        If the file is damaged, no image, too large to be decoded safely, or has pixels of unknown range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        # A JPEG file can be decoded at a half, a quarter or an eighth: much faster, and still twice the size needed.
        image.draft(None, (2 * side, 2 * side))
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image), where)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise SemsimError(
            f"{where}: more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be an attack on the memory. "
            "Make the image smaller or take it away."
        ) from None
    except UnidentifiedImageError:
        raise SemsimError(
            f"{where}: not an image, in spite of its name. Replace it, take it away, or give it another suffix."
        ) from None
    except (SemsimError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders meet a damaged file with OSError, SyntaxError, ValueError, struct.error and more.
        raise SemsimError(
            f"{where}: a damaged or truncated image ({error}). Replace it or take it away, then run again."
        ) from None


def _to_rgb(image, where):
    """Convert an image of any mode to RGB."""
    if image.mode == "F":
        raise SemsimError(
            f"{where}: floating-point pixels, of which nobody knows the range. Save the image with 8 or 16 bits."
        )
    if image.mode.startswith("I"):
        image = _grey_16_bit_to_8(image, where)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _grey_16_bit_to_8(image, where):
    """Bring integer grey from 0 ... 65535 to 0 ... 255 (Pillow's own conversion cuts off everything above 255)."""
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise SemsimError(f"{where}: grey values outside 0 to 65535. Save the image with 8 or 16 bits.")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))
