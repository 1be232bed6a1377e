"""The five published data sets: tiny archives laid out like the official ones, and a mirror of real images."""

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from web_site import served

from semsim.data import SPLITS, prepare_dataset, save_dataset
from semsim.data.published import FEWEST_IMAGES, PUBLISHED
from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.io.tensors import read_metadata
from semsim.labels.human_study import clear_originals

SCRIPT = Path(__file__).parents[1] / "workflow" / "scripts" / "prepare_data.py"
SIDE = 32
COUNTS = {"train": 4, "originals": 2, "public": 2}


def pixels(name):
    """The pixels of a picture, which only its name decides."""
    return np.random.default_rng(list(name.encode())).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def picture(name):
    """A picture as an image file without loss; what its name ends with says nothing."""
    file = io.BytesIO()
    Image.fromarray(pixels(name)).save(file, "PNG")
    return file.getvalue()


def pictures(*folders, number=5, suffix=".jpg"):
    names = [f"{folder}/{index:06d}{suffix}" for folder in folders for index in range(1, number + 1)]
    return {name: picture(name) for name in names}


def tar(files, mode="w"):
    """A tar file with an entry for each folder, as `tar` makes it."""
    folders = {str(folder) + "/" for name in files for folder in Path(name).parents if folder != Path()}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in sorted(files.items() | {(folder, None) for folder in folders}):
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))
    return file.getvalue()


def zipped(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, text):
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = save_bytes


def python2_pickle(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def cifar_archive(images, **tables):
    """``cifar-100-python.tar.gz`` with images, uint8 (32, 32, 3) by `<part>/<class>/<file>`; other `tables` replace."""
    classes = sorted({name.split("/")[1] for name in images})
    files = {"meta": {b"fine_label_names": [name.encode() for name in classes], b"coarse_label_names": [b"things"]}}
    for part in ("train", "test"):
        names = [name for name in images if name.startswith(part)]
        files[part] = {
            b"filenames": [name.split("/")[2].encode() for name in names],
            b"batch_label": b"training batch 1 of 1",
            b"fine_labels": [classes.index(name.split("/")[1]) for name in names],
            b"coarse_labels": [0] * len(names),
            b"data": np.array([images[name].transpose(2, 0, 1).reshape(-1) for name in names]),
        }
    files = {f"cifar-100-python/{name}": python2_pickle(table) for name, table in (files | tables).items()}
    return tar(files | {"cifar-100-python/file.txt~": b""}, "w:gz")


def cifar_images(number=5):
    names = [f"{part}/{name}/{name}_s_{index:06d}.png" for part in ("train", "test") for name in ("apple", "bear")
             for index in range(number)]  # fmt: skip
    return {name: pixels(name) for name in names}


def caltech_archive(images):
    debris = {"101_ObjectCategories/BACKGROUND_Google/tmp": b"", "101_ObjectCategories/ant/._000001.jpg": b"debris"}
    background = pictures("101_ObjectCategories/BACKGROUND_Google")
    outer = {
        "caltech-101/101_ObjectCategories.tar.gz": tar(images | background | debris, "w:gz"),
        "caltech-101/Annotations.tar": tar({"Annotations/ant/annotation_0001.mat": b"matlab"}),
        "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz": b"debris",
    }
    return zipped(outer)


def celeba_files(identities):
    """The zip of images and the table of identities, from how many images each identity has."""
    table = [identity for identity, number in identities.items() for _ in range(number)]
    np.random.default_rng(0).shuffle(table)
    lines = [f"{index:06d}.jpg {identity}\n" for index, identity in enumerate(table, start=1)]
    images = {f"img_align_celeba/{index:06d}.jpg": picture(str(index)) for index in range(1, len(table) + 1)}
    return {"img_align_celeba.zip": zipped(images), "identity_CelebA.txt": "".join(lines).encode()}


def official(kind):
    """The files of a tiny data set as it is published, and the names of its classes."""
    if kind == "cifar100":
        return {"cifar-100-python.tar.gz": cifar_archive(cifar_images())}, ("apple", "bear")
    if kind == "caltech101":
        images = pictures("101_ObjectCategories/ant", "101_ObjectCategories/Faces")
        return {"caltech-101.zip": caltech_archive(images)}, ("Faces", "ant")
    if kind == "imagenette":
        folders = [f"imagenette2-320/{part}/{name}" for part in ("train", "val") for name in ("n01", "n02")]
        files = pictures(*folders, suffix=".JPEG") | {"imagenette2-320/noisy_imagenette.csv": b"path,label\n"}
        return {"imagenette2-320.tgz": tar(files, "w:gz")}, ("n01", "n02")
    if kind == "celeba":
        return celeba_files({7: FEWEST_IMAGES, 1234: FEWEST_IMAGES + 1, 12: FEWEST_IMAGES - 1}), ("00007", "01234")
    files = pictures("Images/n01-Chihuahua", "Images/n02-Maltese_dog")
    return {"images.tar": tar(files)}, ("n01-Chihuahua", "n02-Maltese_dog")


@pytest.fixture
def site(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path / "cache"))
    with served() as site:
        yield site


@pytest.fixture
def publish(monkeypatch, site, tmp_path):
    """Put files in place of the published ones: on the site, or where a person would put them."""

    def put(kind, contents):
        files = []
        for file in PUBLISHED[kind].files:
            checksum = "sha256:" + hashlib.sha256(contents[file.name]).hexdigest()
            url, size = file.url and site.url + file.name, len(contents[file.name])
            files.append(replace(file, checksum=checksum, url=url, size=size))
            if file.url:
                site.files[file.name] = contents[file.name]
            else:
                (tmp_path / "cache" / kind).mkdir(parents=True, exist_ok=True)
                (tmp_path / "cache" / kind / file.name).write_bytes(contents[file.name])
        monkeypatch.setitem(PUBLISHED, kind, replace(PUBLISHED[kind], files=tuple(files)))

    return put


def read(kind, mirror=None, size=SIDE, seed=1, numbers=None, **settings):
    return prepare_dataset("mine", {"kind": kind, **COUNTS, **settings}, size, seed, mirror, numbers)


def sources(dataset):
    return {split: images.sources for split, images in dataset.splits.items()}


def assert_equal(one, other):
    assert one.classes == other.classes and sources(one) == sources(other)
    for split in SPLITS:
        assert np.array_equal(one.splits[split].images, other.splits[split].images)
        assert np.array_equal(one.splits[split].labels, other.splits[split].labels)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_official_files_are_read(publish, site, kind):
    files, classes = official(kind)
    publish(kind, files)
    dataset = read(kind)
    assert dataset.classes == classes and dataset.kind == kind
    seen = set()
    for split, images in dataset.splits.items():
        assert np.bincount(images.labels).tolist() == [COUNTS[split] // 2] * 2
        for image, label, source in zip(images.images, images.labels, images.sources, strict=True):
            published = str(int(Path(source).stem)) if kind == "celeba" else source
            assert np.array_equal(image.transpose(1, 2, 0), pixels(published))
            assert source.split("/")[-2] == classes[label]
            seen.add(source)
    assert len(seen) == sum(COUNTS.values())
    assert_equal(dataset, read(kind))
    assert sources(dataset) != sources(read(kind, seed=2))
    assert len(site.asked) == (kind != "celeba")


@pytest.mark.parametrize("kind, training, held_out", [("cifar100", "train", "test"), ("imagenette", "train", "val")])
def test_official_parts_are_kept_apart(publish, kind, training, held_out):
    publish(kind, official(kind)[0])
    dataset = read(kind, train=10, originals=8, public=2)
    assert all(f"{training}/" in source for source in dataset.splits["train"].sources)
    assert all(f"{held_out}/" in source for source in dataset.splits["originals"].sources)


@pytest.mark.parametrize("kind, compression", [("imagenette", "w:gz"), ("stanford_dogs", "w")])
def test_only_chosen_images_are_decoded(publish, kind, compression):
    folders = ("train/a", "train/b", "val/a", "val/b") if kind == "imagenette" else ("Images/a", "Images/b")
    files, [name] = pictures(*folders, number=10), [file.name for file in PUBLISHED[kind].files]
    publish(kind, {name: tar(files, compression)})
    first = read(kind)
    chosen = {source for split in sources(first).values() for source in split}
    Path(os.environ["SEMSIM_CACHE"], kind, name).unlink()
    publish(kind, {name: tar({file: files[file] if file in chosen else b"broken" for file in files}, compression)})
    assert_equal(first, read(kind))


def test_equal_images_of_an_archive_are_in_one_split_only(publish):
    files = pictures("Images/a", "Images/b", number=6)
    files["Images/a/000001.jpg"] = files["Images/b/000006.jpg"]
    publish("stanford_dogs", {"images.tar": tar(files)})
    dataset = read("stanford_dogs", train=5, originals=4, public=2)
    assert len({image.tobytes() for split in dataset.splits.values() for image in split.images}) == 11


def test_a_pickle_that_would_run_something_is_refused_even_if_its_checksum_is_right(publish, tmp_path):
    class Command:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "mark"),)

    archive = cifar_archive(cifar_images(), train={b"data": Command()})
    publish("cifar100", {"cifar-100-python.tar.gz": archive})
    with pytest.raises(SemsimError, match="cifar-100-python/train: names posix.mkdir: unpickling it could run code"):
        read("cifar100")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("kind", PUBLISHED)
def test_damaged_files_are_never_read(publish, site, tmp_path, kind):
    publish(kind, official(kind)[0])
    read(kind)
    for file in PUBLISHED[kind].files:
        path = tmp_path / "cache" / kind / file.name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(SemsimError, match="data set 'mine': .*not the published file, or damaged") as told:
            read(kind)
        assert str(path) in str(told.value) and f"{kind}.zip" in str(told.value)
        path.write_bytes(content)


def test_where_it_is_not_the_message_has_all_ways_on(publish, site, tmp_path):
    publish("caltech101", official("caltech101")[0])
    site.moods = [404]
    with pytest.raises(SemsimError) as told:
        read("caltech101", mirror=tmp_path)
    for words in (
        "data set 'mine'",
        site.url + "caltech-101.zip",
        "404",
        f"put it at {tmp_path / 'cache' / 'caltech101' / 'caltech-101.zip'}",
        "SEMSIM_CACHE",
        "put caltech101.zip, with <class>/<image> inside, into a mirror",
        "https://data.caltech.edu/records/mzrjq-6wc02",
    ):
        assert words in str(told.value)


def test_celeba_says_which_files_a_person_must_get(tmp_path):
    arguments = ["--dataset", "faces", "--image-size", "64", "--seed", "1"]
    arguments += ["--settings", json.dumps({"kind": "celeba", **COUNTS}), "--out", str(tmp_path / "x.safetensors")]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--index", str(tmp_path / "x.csv")],
        env=os.environ | {"SEMSIM_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"error: data set 'faces': {tmp_path / 'cache' / 'celeba' / 'img_align_celeba.zip'}")
    assert "Get img_align_celeba.zip and identity_CelebA.txt from" in done.stderr
    assert "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in done.stderr


def test_the_mirror_wins(publish, site, tmp_path):
    publish("stanford_dogs", official("stanford_dogs")[0])
    (tmp_path / "stanford_dogs.zip").write_bytes(zipped(pictures("beagle", "collie")))
    assert read("stanford_dogs", mirror=tmp_path).classes == ("beagle", "collie")
    assert site.asked == []
    (tmp_path / "stanford_dogs.zip").unlink()
    assert read("stanford_dogs", mirror=tmp_path).classes == ("n01-Chihuahua", "n02-Maltese_dog")


def test_every_kind_is_known_everywhere(house):

    manual = (house / "config" / "README.md").read_text()
    assert all(f"`{kind}`" in manual for kind in PUBLISHED)
    for published in PUBLISHED.values():
        for file in published.files:
            algorithm, digest = file.checksum.split(":")
            assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
            assert file.url is None or (file.url.startswith("https://") and file.size > 10**8)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_real_images_from_the_mirror(mirror, monkeypatch, kind):
    monkeypatch.setenv("SEMSIM_CACHE", os.devnull)  # nothing is downloaded
    size = {"cifar100": 32, "imagenette": 112}.get(kind, 64)
    dataset = read(kind, mirror, size, classes=5, train=40, originals=10, public=20)
    for split, number in {"train": 40, "originals": 10, "public": 20}.items():
        images = dataset.splits[split].images
        assert images.shape == (number, 3, size, size) and images.std(axis=(1, 2, 3)).min() > 5
    folder = prepare_dataset(
        "mine",
        {"kind": "folder", "path": f"{kind}.zip", "classes": 5, "train": 40, "originals": 10, "public": 20},
        size,
        seed=1,
        mirror=mirror,
    )
    assert_equal(dataset, folder)


def test_official_cifar_gives_the_study_that_the_mirror_gives(mirror, publish, tmp_path):
    """The mirror's images, packed as the official archive has them: the same choice of the same pixels."""
    images = {}
    with zipfile.ZipFile(mirror / "cifar100.zip") as archive:
        for name in archive.namelist():
            if name.split("/")[1] in ("apple", "aquarium_fish") and name.endswith(".png"):
                images[name] = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
    publish("cifar100", {"cifar-100-python.tar.gz": cifar_archive(images)})
    counts = {"train": 100, "originals": 20, "public": 50, "classes": 2}
    assert_equal(read("cifar100", **counts), read("cifar100", mirror, **counts))


def test_originals_can_be_asked_for_by_their_numbers_in_the_test_part(publish, tmp_path):
    images = cifar_images()
    order = [f"test/{place}.png" for place in ("apple/apple_s_000004", "apple/apple_s_000000", "bear/bear_s_000003")]
    order.append("test/apple/apple_s_000001.png")
    images = {name: images[name] for name in [*order, *(name for name in images if name not in order)]}
    images[order[2]] = images["train/bear/bear_s_000001.png"] = images[order[0]]  # equal images
    publish("cifar100", {"cifar-100-python.tar.gz": cifar_archive(images)})
    dataset = read("cifar100", numbers=[0, 2, 3, 5], originals=3, train=3, public=2)
    originals = dataset.splits["originals"]
    assert originals.sources == [order[0], *order[2:]] and originals.numbers == (0, 2, 3)  # equal ones stay, too
    elsewhere = [source for split in ("train", "public") for source in dataset.splits[split].sources]
    assert "train/bear/bear_s_000001.png" not in elsewhere and not {*elsewhere} & {*originals.sources}
    path, index = tmp_path / "data.safetensors", tmp_path / "data.csv"
    save_dataset(dataset, path, index)
    assert read_metadata(path)["published_numbers"] == [0, 2, 3]
    with pytest.raises(SemsimError, match="has 10 test images, fewer than the originals' numbers"):
        read("cifar100", numbers=[0, 10])
    with pytest.raises(
        SemsimError, match=r"2 images requested for originals \(those with a published number\), but only 1"
    ):
        read("cifar100", numbers=[0])


@pytest.fixture
def shown(tmp_path):
    """A table of images that people saw: of three originals, by two target models."""
    rows = [(target, number, int(number > 4)) for target in ("a", "b") for number in (7, 0, 3)]
    table = pd.DataFrame(rows, columns=["target", "original", "label"])
    write_table(table, tmp_path / "images.csv")
    return table


def test_the_clear_originals_of_published_labels_are_found_by_their_numbers(publish, shown):
    images = cifar_images()
    publish("cifar100", {"cifar-100-python.tar.gz": cifar_archive(images)})
    numbers, originals = clear_originals(shown)
    tests = [name for name in images if name.startswith("test")]
    assert numbers.tolist() == [0, 3, 7]
    for number, image in zip(numbers, originals, strict=True):
        assert np.array_equal(image.transpose(1, 2, 0), images[tests[number]])
    with pytest.raises(SemsimError, match="of other classes than the published labels say"):
        clear_originals(shown.assign(label=1 - shown["label"]))


def test_the_script_takes_the_originals_of_published_labels(publish, shown, run_script, tmp_path):
    publish("cifar100", {"cifar-100-python.tar.gz": cifar_archive(cifar_images())})
    settings = json.dumps({"kind": "cifar100", "train": 3, "originals": 2, "public": 2})
    files = (
        "--originals-of",
        tmp_path / "images.csv",
        "--out",
        tmp_path / "x.safetensors",
        "--index",
        tmp_path / "x.csv",
    )
    options = ("--dataset", "mine", "--settings", settings, "--image-size", SIDE, "--seed", 1, "--mirror", tmp_path)
    done = run_script("prepare_data", *options, *files)
    assert done.returncode == 0, done.stderr
    assert read_metadata(tmp_path / "x.safetensors")["published_numbers"] == [0, 3]


def test_a_mirror_without_the_order_gives_drawn_originals(publish, tmp_path):
    (tmp_path / "cifar100.zip").write_bytes(zipped({name: picture(name) for name in cifar_images()}))
    ordered, drawn = read("cifar100", tmp_path, numbers=[0, 2]), read("cifar100", tmp_path)
    assert_equal(ordered, drawn)
    assert ordered.splits["originals"].numbers is None
