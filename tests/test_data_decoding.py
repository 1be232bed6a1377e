"""Image files of every kind come out as the RGB image that a person would see."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from semsim.data.decoding import decode_square
from semsim.errors import SemsimError

SIZE = 16


def decoded(image, suffix="PNG", size=SIZE, **options):
    """Decode an image after writing it as a file."""
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return decode_square(file.getvalue(), size, "mine.png")


def corners(pixels):
    """The colours at the four corners: upper left, upper right, lower left, lower right."""
    return [tuple(int(value) for value in pixels[:, row, column]) for row in (0, -1) for column in (0, -1)]


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def quarters():
    """Red, green / blue, white: every rotation and flip of it looks different."""
    pixels = np.empty((SIZE, SIZE, 3), dtype=np.uint8)
    half = SIZE // 2
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half], pixels[half:, half:] = RED, GREEN, BLUE, WHITE
    return Image.fromarray(pixels)


def test_right_size_stays_exactly_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    assert np.array_equal(decoded(Image.fromarray(pixels)), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", ["BMP", "GIF", "PNG", "PPM", "TIFF", "WEBP"])
def test_formats(quarters, suffix):
    options = {"lossless": True} if suffix == "WEBP" else {}
    assert corners(decoded(quarters, suffix, **options)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"])
def test_modes(mode):
    image = Image.new("RGB", (SIZE, SIZE), "white").convert(mode)
    suffix = "TIFF" if mode in ("PA", "RGBX") else "PNG"
    assert corners(decoded(image, suffix)) == [WHITE] * 4


def test_grey_has_three_equal_channels():
    pixels = decoded(Image.new("L", (SIZE, SIZE), 77))
    assert pixels.shape == (3, SIZE, SIZE) and np.all(pixels == 77)


@pytest.mark.parametrize("suffix", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_keeps_its_range(suffix):
    ramp = np.linspace(0, 65535, SIZE * SIZE).reshape(SIZE, SIZE).astype(np.uint16)
    pixels = decoded(Image.fromarray(ramp), suffix)
    assert np.abs(pixels[0] - ramp / 257).max() <= 0.51


def test_16_bit_colour():
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + struct.pack(">3H", 65535, 32896, 0) * SIZE
    header = struct.pack(">2I5B", SIZE, SIZE, 16, 2, 0, 0, 0)
    file = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * SIZE)) + chunk(b"IEND", b"")
    )
    assert corners(decode_square(file, SIZE, "mine.png")) == [(255, 128, 0)] * 4


@pytest.mark.parametrize(
    "pixels",
    [np.full((4, 4), 0.5, np.float32), np.full((4, 4), 70_000, np.int32), np.full((4, 4), 200, np.int32)],
)
def test_grey_of_unknown_range_is_an_error(pixels):
    with pytest.raises(SemsimError, match="mine.png: .* 8 or 16 bits"):
        decoded(Image.fromarray(pixels), "TIFF")


def test_transparency_is_shown_on_white():
    image = Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, SIZE, SIZE // 2))
    image.paste((0, 0, 255, 128), (SIZE // 2, SIZE // 2, SIZE, SIZE))
    assert corners(decoded(image)) == [WHITE, WHITE, RED, (127, 127, 255)]


def test_transparent_palette_entry():
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([0, 0, 0, *BLUE])
    image.paste(1, (0, 0, SIZE, SIZE // 2))
    assert corners(decoded(image, transparency=0)) == [BLUE, BLUE, WHITE, WHITE]
    assert corners(decoded(image, "GIF", transparency=0)) == [BLUE, BLUE, WHITE, WHITE]


def test_cmyk():
    for colour in (RED, GREEN, BLUE, WHITE):
        image = Image.new("RGB", (SIZE, SIZE), colour).convert("CMYK")
        for suffix in ("JPEG", "TIFF"):
            assert np.abs(decoded(image, suffix)[:, 0, 0].astype(int) - colour).max() < 8


@pytest.mark.parametrize(
    "orientation, expected",
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),  # the camera was turned: show it turned by 90 degrees clockwise
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_exif_rotation(quarters, orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(quarters, "JPEG", exif=exif, quality=100, subsampling=0)
    assert np.abs(np.array(corners(pixels)) - np.array(expected)).max() < 12


def test_first_frame_of_an_animation(quarters):
    frames = [Image.new("RGB", quarters.size, colour) for colour in (RED, BLUE)]
    for suffix, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        animation = decoded(quarters, suffix, save_all=True, append_images=frames, **options)
        assert corners(animation) == [RED, GREEN, BLUE, WHITE]


def test_centre_is_cut_out_of_odd_sizes():
    pixels = np.zeros((31, 93, 3), dtype=np.uint8)
    pixels[:, 31:62] = 200
    assert np.all(decoded(Image.fromarray(pixels), size=31) == 200)
    assert np.all(decoded(Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90), size=31) == 200)


def test_reducing_averages_over_all_pixels():
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(decoded(Image.fromarray(board), size=16).astype(int) - 127.5).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3)])
def test_tiny_images(shape):
    assert np.all(decoded(Image.new("RGB", shape, RED)) == np.reshape(RED, (3, 1, 1)))


def test_large_jpeg_is_as_good_as_a_lossless_file(quarters):
    photograph = quarters.resize((1000, 700), Image.Resampling.BICUBIC)
    difference = decoded(photograph, "JPEG", quality=95, subsampling=0).astype(int) - decoded(photograph)
    assert np.abs(difference).max() < 12


@pytest.mark.parametrize("suffix", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_file(suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, suffix)
    content = file.getvalue()[: int(share * len(file.getvalue()))]
    with pytest.raises(SemsimError, match=r"mine.png: .*(image|remove it)"):
        decode_square(content, SIZE, "mine.png")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_not_an_image(content):
    with pytest.raises(SemsimError, match="mine.png: .* remove it"):
        decode_square(content, SIZE, "mine.png")


def test_more_pixels_than_are_safe(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for side in (12, 40):  # Pillow warns of the first and refuses the second
        with pytest.raises(SemsimError, match="mine.png: more than 100 pixels"):
            decoded(Image.new("RGB", (side, side)))
