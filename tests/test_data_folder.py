"""Anyone's own images, in a folder or a .zip file."""

import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from semsim.data import prepare_dataset
from semsim.data.folder import list_images
from semsim.data.sources import open_source
from semsim.errors import SemsimError

COUNTS = {"train": 4, "originals": 2, "public": 2}


def picture(*key, size=(20, 17), suffix="PNG"):
    """A small picture that only its key decides."""
    random = np.random.default_rng([len(str(part)) + sum(map(ord, str(part))) * 7 for part in key])
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, suffix)
    return file.getvalue()


def plain(classes=("bird", "cat"), images=5, prefix=""):
    """The files of a data set: <class>/<image>."""
    return {
        f"{prefix}{name}/{number}.png": picture(prefix, name, number) for name in classes for number in range(images)
    }


def parts(prefix="", train=5, test=3):
    """The files of a data set: <split>/<class>/<image>."""
    return plain(images=train, prefix=f"{prefix}train/") | plain(images=test, prefix=f"{prefix}test/")


def as_folder(files, path):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(files, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(path, mirror=None, size=16, seed=1, **settings):
    return prepare_dataset("mine", {"kind": "folder", "path": str(path), **COUNTS, **settings}, size, seed, mirror)


def test_folders_that_differ_in_how_accents_are_stored_are_one_class():
    found = list_images(["Caf\u00e9/1.png", "Cafe\u0301/2.png", "tea/3.png"], "here").images
    assert found == {"Caf\u00e9": ["Caf\u00e9/1.png", "Cafe\u0301/2.png"], "tea": ["tea/3.png"]}


def sources(dataset):
    return {split: images.sources for split, images in dataset.splits.items()}


@pytest.mark.parametrize("files", [plain(), parts()], ids=["plain", "parts"])
def test_folder_and_zip_give_the_same(tmp_path, files):
    one = read(as_folder(files, tmp_path / "mine"))
    other = read(as_zip(files, tmp_path / "mine.zip"))
    assert one.classes == other.classes == ("bird", "cat")
    for split, count in COUNTS.items():
        assert len(one.splits[split]) == count
        assert one.splits[split].sources == other.splits[split].sources
        assert np.array_equal(one.splits[split].images, other.splits[split].images)
        labels = [one.classes.index(source.split("/")[-2]) for source in one.splits[split].sources]
        assert one.splits[split].labels.tolist() == labels
        assert sorted(labels) == sorted([0, 1] * (count // 2))


def test_images_are_the_files_pixels(tmp_path):
    dataset = read(as_folder(plain(), tmp_path / "mine"), size=17)
    split = dataset.splits["originals"]
    for image, source in zip(split.images, split.sources, strict=True):
        pixels = np.asarray(Image.open(tmp_path / "mine" / source))
        assert (
            abs(image.mean() - pixels[1:18].mean()) < 2
        )  # 20 rows, cut to the middle 17 (one and a half off each end)


def test_seed_decides(tmp_path):
    path = as_folder(plain(images=20), tmp_path / "mine")
    assert sources(read(path)) == sources(read(path))
    assert sources(read(path)) != sources(read(path, seed=2))


def test_parts_are_kept_apart(tmp_path):
    dataset = read(as_zip(parts(), tmp_path / "mine.zip"), train=10, originals=4, public=2)
    assert all(source.startswith("train/") for source in dataset.splits["train"].sources)
    assert all(source.startswith("test/") for source in dataset.splits["originals"].sources)
    assert len({source for split in sources(dataset).values() for source in split}) == 16


def test_folder_around_everything(tmp_path):
    dataset = read(as_zip(parts("mine-1.0/data/"), tmp_path / "mine.zip"))
    assert dataset.classes == ("bird", "cat")
    assert dataset.splits["train"].sources[0].startswith("mine-1.0/data/train/")


def test_lone_training_part_is_a_folder_around_everything(tmp_path):
    dataset = read(as_folder(plain(prefix="train/"), tmp_path / "mine"))
    assert dataset.classes == ("bird", "cat")
    assert {len(split) for split in dataset.splits.values()} == {2, 4}


def test_classes_may_be_called_like_splits(tmp_path):
    assert read(as_folder(plain(classes=("bus", "test", "train")), tmp_path / "mine")).classes == (
        "bus",
        "test",
        "train",
    )


def test_first_classes_only(tmp_path):
    files = plain(classes=("ant", "bee", "cow")) | {"cow/x.png": b"never read"}
    dataset = read(as_folder(files, tmp_path / "mine"), classes=2)
    assert dataset.classes == ("ant", "bee")


def test_what_is_no_image_is_left_alone(tmp_path):
    debris = (
        "README.txt",
        "bird/Thumbs.db",
        "bird/.hidden.png",
        ".git/x.png",
        "__MACOSX/bird/._0.png",
        "cat/boxes.json",
    )
    path = as_folder(plain() | dict.fromkeys(debris, b"no image"), tmp_path / "mine")
    assert sources(read(path)) == sources(read(as_folder(plain(), tmp_path / "clean")))


def test_suffixes_in_upper_case_and_names_with_spaces(tmp_path):
    files = {f"{name}/my picture {k}.JPG": picture(name, k, suffix="JPEG") for name in ("a b", "c,d") for k in range(4)}
    assert read(as_zip(files, tmp_path / "my images.ZIP")).classes == ("a b", "c,d")


def test_only_chosen_images_are_decoded(tmp_path):
    files = plain(images=4)
    chosen = {
        source for split in sources(read(as_zip(files, tmp_path / "a.zip"), train=2)).values() for source in split
    }
    files |= {name: b"broken" for name in files if name not in chosen}
    assert len(chosen) == 6
    read(as_zip(files, tmp_path / "b.zip"), train=2)


def test_equal_pixels_are_in_one_split_only(tmp_path, capsys):
    files = parts(train=6, test=4)
    for number in range(4):  # the test part repeats the training part, in another file format
        bitmap = io.BytesIO()
        Image.open(io.BytesIO(files[f"train/cat/{number}.png"])).save(bitmap, "BMP")
        files[f"test/cat/{number}.bmp"] = bitmap.getvalue()
    dataset = read(as_folder(files, tmp_path / "mine"), train=10, originals=8, public=2)
    pixels = [image.tobytes() for split in dataset.splits.values() for image in split.images]
    assert len(set(pixels)) == len(pixels) == 20
    assert "duplicate images left out" in capsys.readouterr().err


def test_too_few_different_images(tmp_path, capsys):
    files = plain(images=5) | {f"cat/{number}.png": picture("same") for number in range(5)}
    assert {len(split) for split in read(as_folder(files, tmp_path / "mine"), train=2).splits.values()} == {2}
    with pytest.raises(
        SemsimError, match="8 images requested for .* only [67] available .[12] to 5 per class in 2 classes"
    ):
        read(tmp_path / "mine")
    assert "duplicate images left out" in capsys.readouterr().err


def test_relative_path_is_looked_up_in_the_mirror_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    as_zip(plain(classes=("here", "there")), tmp_path / "mine.zip")
    assert read("mine.zip").classes == ("here", "there")
    (tmp_path / "mirror").mkdir()
    assert read("mine.zip", mirror=tmp_path / "mirror").classes == ("here", "there")
    as_zip(plain(classes=("in", "mirror")), tmp_path / "mirror" / "mine.zip")
    assert read("mine.zip", mirror=tmp_path / "mirror").classes == ("in", "mirror")


@pytest.mark.parametrize(
    "files, words",
    [
        ({}, ["no images", "<class>/<image>"]),
        ({"bird/0.txt": b""}, ["no images"]),
        ({"0.png": b"", "1.png": b""}, ["'0.png' does not fit"]),
        (plain() | {"cover.png": b""}, ["'cover.png' does not fit"]),
        (plain() | {"cat/more/0.png": b""}, ["'cat/more/0.png' does not fit"]),
        (parts() | plain(prefix="extra/"), ["extra, test, train", "not splits"]),
        (plain(prefix="test/") | plain(prefix="val/"), ["test, val", "with the splits 'train' and"]),
        (plain() | {"dog/notes.txt": b""}, ["class 'dog' has no image"]),
        (parts() | plain(("dog",), prefix="train/"), ["class 'dog' has no image in the held-out part"]),
        (plain(("cat",)), ["1 class,", "between 2"]),
        (plain(images=3), ["8 images requested for", "only 6 available", "3 per class in 2 classes"]),
        (plain(images=4) | {"cat/0.png": b"hello"}, ["cat/0.png: not an image"]),
        (plain(images=4) | {"cat/0.png": picture(1)[:200]}, ["cat/0.png: a damaged"]),
    ],
)
@pytest.mark.parametrize("pack", [as_folder, as_zip])
def test_what_is_wrong_is_said(tmp_path, pack, files, words):
    path = tmp_path / "mine.zip"  # a folder may be called so
    if pack is as_folder:
        path.mkdir()
    pack(files, path)
    with pytest.raises(SemsimError) as error:
        read(path)
    message = str(error.value)
    assert all(word in message for word in words), message
    assert "mine" in message


def test_empty_class_folder(tmp_path):
    (as_folder(plain(), tmp_path / "mine") / "dog").mkdir()
    with pytest.raises(SemsimError, match="class 'dog' has no image. Put some there"):
        read(tmp_path / "mine")
    assert read(tmp_path / "mine", classes=2).classes == ("bird", "cat")


@pytest.mark.parametrize("entry", ["../evil.png", "cat/../../evil.png", "/etc/evil.png", "C:/evil.png", "..\\evil.png"])
def test_zip_entries_that_lead_out(tmp_path, entry):
    path = as_zip(plain() | {entry: b""}, tmp_path / "mine.zip")
    with pytest.raises(SemsimError, match="points outside the archive") as error:
        read(path)
    assert repr(entry)[1:-1].replace("\\\\", "\\") in str(error.value)
    assert os.listdir(tmp_path) == ["mine.zip"]


def test_zip_with_backslashes(tmp_path):
    assert list_images(["set\\cat\\0.png".replace("\\", "/"), "set/dog/0.png"], "mine").images.keys() == {"cat", "dog"}
    files = {name.replace("/", "\\"): content for name, content in plain().items()}
    assert read(as_zip(files, tmp_path / "mine.zip")).classes == ("bird", "cat")


def test_damaged_zip(tmp_path):
    path = as_zip(plain(images=4), tmp_path / "mine.zip")
    content = bytearray(path.read_bytes())
    content[100:140] = bytes(40)  # inside the first image
    path.write_bytes(content)
    with pytest.raises(SemsimError, match="bird/0.png: cannot be unpacked"):
        read(path)
    path.write_bytes(content[:500])
    with pytest.raises(SemsimError, match="neither a folder nor a readable .zip"):
        read(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zip_of_any_kind(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w", kind) as archive:
        archive.writestr("bird/0.png", np.random.default_rng(0).integers(0, 16, 4000, dtype=np.uint8).tobytes())
    content = (tmp_path / "mine.zip").read_bytes()
    start, end = 30 + len("bird/0.png"), content.index(b"PK\x01\x02")
    for place in np.linspace(start + 16, end - 16, 30, dtype=int):  # the ends of LZMA hold bytes that say nothing
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "mine.zip").write_bytes(damaged)
        with (
            pytest.raises(SemsimError, match="bird/0.png: cannot be unpacked"),
            open_source(tmp_path / "mine.zip") as it,
        ):
            it.read("bird/0.png")


def test_zip_entry_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("semsim.data.sources.LARGEST_FILE", 1000)
    with pytest.raises(SemsimError, match="too large for an image file"):
        read(as_zip(plain(), tmp_path / "mine.zip"))


@pytest.mark.parametrize(
    "file, size, parts_given",
    [
        ("cifar100.zip", 32, True),
        ("caltech101.zip", 64, False),
        ("imagenette.zip", 112, True),
        ("celeba.zip", 64, False),
        ("stanford_dogs.zip", 64, False),
    ],
)
def test_real_data(mirror, file, size, parts_given):
    settings = {"kind": "folder", "path": file, "classes": 5, "train": 10, "originals": 5, "public": 5}
    dataset = prepare_dataset(file.removesuffix(".zip"), settings, size, seed=1, mirror=mirror)
    for name, split in dataset.splits.items():
        assert split.images.shape == (settings[name], 3, size, size)
        assert np.bincount(split.labels, minlength=5).tolist() == [settings[name] // 5] * 5
        assert split.images.std(axis=(1, 2, 3)).min() > 5
    if parts_given:
        assert all(source.startswith("train/") for source in dataset.splits["train"].sources)
        assert not any(source.startswith("train/") for source in dataset.splits["originals"].sources)
