"""Files from strangers: nothing in them may run, crash, hang or fill the memory."""

import bz2
import io
import lzma
import os
import pickle
import pickletools
import stat
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from semsim.data import prepare_dataset
from semsim.data.decoding import decode_rgb
from semsim.data.sources import TarArchive, open_source
from semsim.errors import SemsimError

READ_ALL = """
import resource, sys
from pathlib import Path
from semsim.errors import SemsimError
from semsim.io.pickles import load_arrays, load_builtins

if sys.platform == "linux":
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 64 * 2**20, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
read = refused = 0
for path in Path(sys.argv[1]).iterdir():
    for load in (load_builtins, lambda path: load_arrays(path.open("rb"), path)):
        try:
            load(path)
            read += 1
        except SemsimError:
            refused += 1
print(read, refused)
"""
"""Whatever else is raised ends it, even a lack of memory."""


def mutants(number):
    """Pickles with a few bytes exchanged, inserted, repeated or cut out; many are still read in part."""
    random = np.random.default_rng(1)
    table = {"a": np.arange(30, dtype=np.uint8).reshape(5, 6), "b": [1, 2.5, "c", (None, True)], "d": {"e": {1, 2}}}
    seeds = [pickle.dumps(table, protocol) for protocol in (3, 4)]
    seeds += [pickle.dumps({**table, "a": 3, "d": None}, protocol) for protocol in range(5)]
    instructions = [code.code.encode("latin-1") for code in pickletools.opcodes]
    for _ in range(number):
        content = bytearray(seeds[random.integers(len(seeds))])
        for _ in range(random.integers(1, 3)):
            start, length = random.integers(len(content)), random.integers(1, 9)
            new = [
                random.bytes(length),
                b"".join(random.choice(instructions, length)),
                bytes(content[start : start + length]) * random.integers(2, 100),
                b"\xff\xff\xff\x7f",
                b"",
            ][random.integers(5)]
            content[start : start + random.integers(0, length + 1)] = new
        yield bytes(content)


def test_no_mutated_pickle_crashes_or_takes_memory(tmp_path):
    for number, content in enumerate(mutants(1000)):
        (tmp_path / str(number)).write_bytes(content)
    done = subprocess.run([sys.executable, "-c", READ_ALL, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == 2000 and min(read, refused) > 100, "if none or all are read, little is shown"


def picture(seed=0, kind="PNG"):
    """A small picture as a file."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def read(path, **counts):
    settings = {"kind": "folder", "path": str(path), "train": 4, "originals": 2, "public": 2, **counts}
    return prepare_dataset("mine", settings, 16, seed=1)


def image_folder(folder, images=5):
    for number in range(2 * images):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return folder


def test_links_that_loop_do_not_keep_a_data_set_from_being_read(tmp_path, capsys):
    folder = image_folder(tmp_path / "d")
    (folder / "a" / "l").symlink_to(folder)
    (folder / "b" / "l").symlink_to(folder)
    assert read(folder, train=6).classes == ("a", "b")
    assert f"skipped a/l (the same folder as {folder}), b/l (the same folder as {folder})" in capsys.readouterr().err


def test_a_class_may_be_a_link(tmp_path):
    folder = image_folder(tmp_path / "d")
    (folder / "b").rename(tmp_path / "elsewhere")
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    assert read(folder, train=6).classes == ("a", "b")


def test_what_is_no_file_is_not_waited_for(tmp_path, capsys):
    folder = image_folder(tmp_path / "d")
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "a" / "zero.png").symlink_to("/dev/zero")
    (folder / "b" / "gone.png").symlink_to("nowhere")
    assert all(len(split) for split in read(folder, train=6).splits.values())
    told = capsys.readouterr().err
    assert all(name in told for name in ("a/pipe.png (a pipe", "a/zero.png (a pipe", "b/gone.png (a broken link"))


def test_a_huge_file_is_refused_unread(tmp_path):
    folder = image_folder(tmp_path / "d")
    os.truncate(folder / "a" / "0.png", 20 * 2**30)  # sparse
    with pytest.raises(SemsimError, match=r"0\.png: 21,474,836,480 bytes, more than 268,435,456"):
        read(folder, train=6)


@pytest.mark.parametrize("name", ["mine.zip", "mine"])
def test_a_data_set_that_is_a_pipe_or_a_device(tmp_path, name):
    os.mkfifo(tmp_path / name)
    for path in (tmp_path / name, "/dev/zero"):
        with pytest.raises(SemsimError, match="a folder, pipe, socket or device, not a file"):
            read(path)


def archived(path, kind=zipfile.ZIP_DEFLATED, **contents):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}/0.png", content)
    return path


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_that_grows_beyond_its_size_is_cut_off(tmp_path, kind):
    """It says that it has 1,000 bytes, and unpacks to 100 million."""
    path = archived(tmp_path / "mine.zip", kind, a=b"\0" * 1000)
    code = {zipfile.ZIP_DEFLATED: zlib.compressobj(9, wbits=-15), zipfile.ZIP_BZIP2: bz2.BZ2Compressor()}.get(kind)
    code = code or lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "preset": 0}])
    bomb = b"".join(code.compress(bytes(10**7)) for _ in range(10)) + code.flush()
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("a/0.png")
    content = path.read_bytes()
    start = 30 + len("a/0.png")
    head = content[start : start + 9] if kind == zipfile.ZIP_LZMA else b""  # LZMA's settings
    packed = head + bomb
    sizes, new = struct.pack("<II", entry.compress_size, 1000), struct.pack("<II", len(packed), 1000)
    directory = content[start + entry.compress_size :]
    end = directory.index(b"PK\5\6")
    directory = directory[: end + 16] + struct.pack("<I", start + len(packed)) + directory[end + 20 :]
    path.write_bytes(content[:start].replace(sizes, new) + packed + directory.replace(sizes, new))
    tracemalloc.start()
    with pytest.raises(SemsimError, match="cannot be unpacked|not an image"), open_source(path) as source:
        decode_rgb(source.read("a/0.png"), 8, "x")
    assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png"])
def test_names_of_a_tar_file_that_lead_out(tmp_path, name):
    path = tmp_path / "mine.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(SemsimError, match="points outside the archive"):
        TarArchive(path, lambda: path.open("rb")).names()


def test_links_devices_and_holes_of_a_tar_file(tmp_path):
    path = tmp_path / "mine.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo(f"a/{kind.decode()}.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        hole = tarfile.TarInfo("a/hole.png")  # 20 GB of nothing
        hole.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(20 * 2**30)}
        hole.size = 512
        archive.addfile(hole, io.BytesIO(b"0\n".ljust(512, b"\0")))
    source = TarArchive(path, lambda: path.open("rb"))
    assert source.names() == ["a/hole.png"]
    with pytest.raises(SemsimError, match="a/hole.png: 21,474,836,480 bytes, too large"):
        list(source.contents(["a/hole.png"]))


def test_a_link_in_a_zip_file_is_no_picture(tmp_path):
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(8):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", picture(number))
        link = zipfile.ZipInfo("a/0.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with warnings.catch_warnings(action="ignore"):  # about the name that comes twice
            archive.writestr(link, "/etc/passwd")
    with pytest.raises(SemsimError, match=r"a/0\.png: not an image"):
        read(path)


def mutated(content, random):
    content = bytearray(content)
    for _ in range(random.integers(1, 5)):
        start, length = random.integers(len(content)), random.integers(1, 5)
        content[start : start + length] = [random.bytes(length), b"\xff" * length, b"\0" * length, b""][
            random.integers(4)
        ]
    return bytes(content)


def test_mutated_archives_are_refused_in_words(tmp_path):
    random, path = np.random.default_rng(1), tmp_path / "x"
    contents = {f"{name}/{number}": picture(number) for number, name in enumerate("abc")}
    seeds = [
        archived(path, kind, **contents).read_bytes()
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    ]
    refused = 0
    for number in range(400):
        path.write_bytes(mutated(seeds[number % 4], random))
        try:
            with open_source(path) as source:
                list(source.contents([name for name in source.names() if not name.endswith("/")]))
        except SemsimError:
            refused += 1
    assert 200 < refused < 400


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_mutated_tar_files_are_refused_in_words(tmp_path, mode):
    random, path = np.random.default_rng(1), tmp_path / "x"
    with tarfile.open(path, mode) as archive:
        for number in range(3):
            entry, content = tarfile.TarInfo(f"a/{number}.png"), picture(number)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    seed, refused = path.read_bytes(), 0
    for _ in range(150):
        path.write_bytes(mutated(seed[:2000], random))
        source = TarArchive(path, lambda: path.open("rb"))
        try:
            list(source.contents(source.names()))
        except SemsimError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_mutated_pictures_are_refused_in_words(kind):
    random, seed, refused = np.random.default_rng(1), picture(1, kind), 0
    for _ in range(150):
        try:
            with warnings.catch_warnings(action="ignore"):  # of Pillow
                decode_rgb(mutated(seed, random), 8, "x")
        except SemsimError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("kind, depth", [(2, 8), (2, 16), (0, 16), (6, 16)])
def test_a_picture_that_unpacks_to_gigabytes_is_refused_unread(kind, depth):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">2I5B", 100_000, 100_000, depth, kind, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    with pytest.raises(SemsimError, match="x: more than 89,478,485 pixels"):
        decode_rgb(content + chunk(b"IEND", b""), 8, "x")
