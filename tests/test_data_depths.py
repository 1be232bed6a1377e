"""Pixels of every depth: PNG files of all kinds against the values that were put in, TIFF files from another writer."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile

from semsim.data.decoding import decode_rgb
from semsim.errors import SemsimError

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By PNG's number of a colour type."""
PNG_KINDS = [
    *((kind, depth) for kind, depths in ((0, (1, 2, 4, 8, 16)), (3, (1, 2, 4, 8))) for depth in depths),
    *((kind, depth) for kind in (2, 4, 6) for depth in (8, 16)),
]
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column and steps of the passes of an interlaced PNG file."""
SHAPE = (13, 11)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def scanlines(samples, depth):
    """Rows of samples, packed; they are filtered in turn not at all and by their left neighbours (Sub)."""
    lines = b""
    for number, row in enumerate(samples if samples.size else ()):
        if depth < 8:
            bits = (row.reshape(-1, 1) >> np.arange(depth)[::-1]) & 1
            packed = np.packbits(bits.ravel())
        else:
            packed = np.frombuffer(row.astype(f">u{depth // 8}").tobytes(), np.uint8)
        left = max(1, samples.shape[2] * depth // 8)
        filtered = packed - np.concatenate([np.zeros(left, np.uint8), packed[:-left]]) if number % 2 else packed
        lines += bytes([number % 2]) + filtered.tobytes()
    return lines


def png(samples, kind, depth, interlaced=False, **chunks):
    """Write samples, integers [H, W, C], as a PNG file."""
    height, width, _ = samples.shape
    parts = [samples[row::down, column::right] for row, column, down, right in PASSES] if interlaced else [samples]
    pixels = zlib.compress(b"".join(scanlines(part, depth) for part in parts))
    header = struct.pack(">2I5B", width, height, depth, kind, 0, 0, interlaced)
    chunks = b"".join(chunk(name.encode(), content) for name, content in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def rgb(content):
    return np.asarray(decode_rgb(content, 1024, "mine")).astype(int)


def shown(samples, depth, alpha=None):
    """What is seen of grey or RGB samples in front of white, in 0 ... 255, not rounded."""
    values = np.broadcast_to(samples, (*samples.shape[:2], 3)) / (2**depth - 1)
    alpha = 1 if alpha is None else alpha[..., None]
    return 255 * (values * alpha + 1 - alpha)


def sampled(channels, depth, seed=1):
    return np.random.default_rng([seed, channels, depth]).integers(0, 2**depth, (*SHAPE, channels))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind, depth", [each for each in PNG_KINDS if each[0] != 3])
def test_png_of_every_kind(kind, depth, interlaced):
    samples = sampled(CHANNELS[kind], depth)
    colours, alpha = (samples[..., :-1], samples[..., -1] / (2**depth - 1)) if kind in (4, 6) else (samples, None)
    found, expected = rgb(png(samples, kind, depth, interlaced)), shown(colours, depth, alpha)
    # Of 8 bits, Pillow rounds colours and opacity once more.
    assert np.abs(found - expected).max() <= (1.01 if alpha is not None and depth == 8 else 0.51)


@pytest.mark.parametrize("key_bits", ["exact", "with unused bits"])
@pytest.mark.parametrize("kind, depth", [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)])
def test_a_transparent_colour_is_white_and_no_other(kind, depth, key_bits):
    samples = sampled(CHANNELS[kind], depth)
    near, key = samples[3, 4].copy(), samples[3, 4]
    near[-1] ^= 1  # differs in the last bit, of 16 as well
    samples[0, 0], samples[5:7] = near, key
    unused = 2**depth if key_bits == "with unused bits" and depth in (2, 4, 8) else 0
    content = png(samples, kind, depth, tRNS=(key + unused).astype(">u2").tobytes())
    alpha = (samples != key).any(axis=2).astype(float)
    found, expected = rgb(content), shown(samples, depth, alpha)
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    assert (found[5:7] == 255).all() and alpha[0, 0] == 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("alphas", [None, [0], [255, 0], [0, 100]])
def test_palettes(depth, alphas):
    indices = sampled(1, depth)
    palette = np.random.default_rng(depth).integers(0, 256, (2**depth, 3))
    opacity = np.full(2**depth, 255)
    opacity[: len(alphas or ())] = alphas or ()
    chunks = {"PLTE": palette.astype(np.uint8).tobytes()} | ({"tRNS": bytes(alphas)} if alphas else {})
    expected = shown(palette[indices[..., 0]], 8, opacity[indices[..., 0]] / 255)
    assert np.abs(rgb(png(indices, 3, depth, **chunks)) - expected).max() <= 1.01


def test_a_grey_of_16_bits_that_is_transparent_in_87_bytes():
    content = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000008000000081000000000b1f43d140000000274524e5303e8f36ff4b1000000104944415478"
        "9c63607e810a19064600007fc93ac1fe1214400000000049454e44ae426082"
    )
    assert len(content) == 87 and (rgb(content) == 255).all()


@pytest.mark.parametrize("kind", [0, 2, 4, 6])
def test_8_bits_saved_with_16_come_out_as_they_were(kind):
    samples = sampled(CHANNELS[kind], 8)
    assert np.array_equal(rgb(png(samples * 257, kind, 16)), rgb(png(samples, kind, 8)))


def test_a_16_bit_image_is_rotated_as_its_exif_data_say():
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    samples = sampled(3, 16)
    turned = rgb(png(samples, 2, 16, eXIf=exif))
    assert np.array_equal(turned, np.rot90(rgb(png(samples, 2, 16)), -1)) and turned.shape[:2] == SHAPE[::-1]


def tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples.astype(np.uint16), **options)
    return file.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}, {"tile": (16, 16)}, {"rowsperstrip": 3}]
)
def test_tiff_with_16_bit_colour(byteorder, options):
    samples = sampled(3, 16)
    stored = samples.transpose(2, 0, 1) if "planarconfig" in options else samples
    found = rgb(tiff(stored, photometric="rgb", byteorder=byteorder, **options))
    assert np.abs(found - shown(samples, 16)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_tiff_with_16_bit_colour_and_another_channel(byteorder, compression, extra):
    samples = sampled(4, 16)
    alpha = samples[..., 3] / 65535
    if extra == "assocalpha":
        samples[..., :3] = samples[..., :3] * alpha[..., None]
        expected = 255 * (samples[..., :3] / 65535 + 1 - alpha[..., None])
    else:
        expected = shown(samples[..., :3], 16, None if extra == "unspecified" else alpha)
    content = tiff(samples, photometric="rgb", extrasamples=[extra], byteorder=byteorder, compression=compression)
    assert np.abs(rgb(content) - expected).max() <= 0.51


def test_tiff_with_16_bit_cmyk_is_that_with_8_bits():
    samples = sampled(4, 8)
    file = io.BytesIO()
    tifffile.imwrite(file, samples.astype(np.uint8), photometric="separated")
    assert np.array_equal(rgb(tiff(samples * 257, photometric="separated")), rgb(file.getvalue()))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_with_grey_whose_zero_is_white(byteorder):
    samples = sampled(1, 16)
    content = tiff(samples[..., 0], photometric="miniswhite", byteorder=byteorder)
    if byteorder == ">":  # Pillow does not know it
        with pytest.raises(SemsimError, match="mine: a damaged TIFF file or an unknown kind of pixels. Save it as PNG"):
            rgb(content)
    else:
        assert np.abs(rgb(content) - shown(65535 - samples, 16)).max() <= 0.5 + 1e-9


def test_tiff_with_12_bit_grey():
    samples = np.random.default_rng(1).integers(0, 4096, (8, 8, 1))
    content = bytearray(tiff(samples[:, :6, 0], photometric="minisblack", byteorder="<"))
    wide = (samples.reshape(-1, 1) >> np.arange(12)[::-1]) & 1  # 8 samples of 12 bits take the place of 6 of 16
    content[-96:] = np.packbits(wide.ravel()).tobytes()
    for tag, old, new in ((256, 6, 8), (258, 16, 12)):
        place = next(at for kind in (3, 4) if (at := content.find(struct.pack("<HHII", tag, kind, 1, old))) >= 0)
        content[place + 8 : place + 12] = struct.pack("<I", new)
    assert np.abs(rgb(bytes(content)) - shown(samples, 12)).max() <= 0.5 + 1e-9


def test_compressed_planes_of_16_bits_are_refused(tmp_path):
    content = tiff(sampled(3, 16).transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib")
    with pytest.raises(SemsimError, match="mine: compressed planes of 16 bits. Save the image without compression"):
        rgb(content)


@pytest.mark.parametrize("maximum", [1000, 65535])
@pytest.mark.parametrize("magic", [b"P5", b"P6"])
def test_netpbm_files_of_two_bytes_a_value(magic, maximum):
    channels = 1 if magic == b"P5" else 3
    samples = np.random.default_rng(1).integers(0, maximum + 1, (*SHAPE, channels))
    header = b"%s %d %d %d\n" % (magic, SHAPE[1], SHAPE[0], maximum)
    expected = 255 * np.broadcast_to(samples, (*SHAPE, 3)) / maximum
    assert np.abs(rgb(header + samples.astype(">u2").tobytes()) - expected).max() <= 0.505


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32])
def test_integers_with_a_sign_or_32_bits_have_no_known_range(kind):
    """Taken for 16 bits, bytes that somebody saved as 32 would be black."""
    file = io.BytesIO()
    tifffile.imwrite(file, sampled(1, 8)[..., 0].astype(kind), photometric="minisblack")
    with pytest.raises(SemsimError, match="mine: integers .* of unknown range. Save it with 8 or 16 bits"):
        rgb(file.getvalue())
