"""Data sets as the later stages see them: the same everywhere, disjoint, balanced, and saved whole."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semsim.data import SPLITS, load_classes, load_split, prepare_dataset, save_dataset
from semsim.data.digits import frame_digits
from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.io.tensors import read_metadata

SCRIPT = Path(__file__).parents[1] / "workflow" / "scripts" / "prepare_data.py"
COUNTS = {"train": 40, "originals": 7, "public": 20}


def embedded(kind, **settings):
    return prepare_dataset(kind, {"kind": kind, **COUNTS, **settings}, 32, seed=1)


@pytest.mark.parametrize("kind, classes", [("glyphs", 24), ("letters", 26), ("mnist", 10)])
def test_embedded_sets_are_balanced_disjoint_and_repeatable(kind, classes):
    dataset, again = embedded(kind), embedded(kind)
    assert len(dataset.classes) == classes
    seen = set()
    for split in SPLITS:
        images, labels = dataset.splits[split].images, dataset.splits[split].labels
        assert images.shape == (COUNTS[split], 3, 32, 32) and images.dtype == np.uint8 and labels.dtype == np.int64
        per_class = np.bincount(labels, minlength=classes)
        assert per_class.max() - per_class.min() <= 1 + (kind == "mnist")  # train and public share the rest there
        assert np.array_equal(images, again.splits[split].images)
        seen |= {image.tobytes() for image in images}
    assert len(seen) == sum(COUNTS.values())
    per_class = np.bincount(dataset.splits["originals"].labels, minlength=classes)
    assert per_class.max() == 1


def test_seed_changes_the_images():
    one = prepare_dataset("mnist", {"kind": "mnist", **COUNTS}, 32, seed=1)
    other = prepare_dataset("mnist", {"kind": "mnist", **COUNTS}, 32, seed=2)
    assert one.splits["originals"].sources != other.splits["originals"].sources


def test_more_images_leave_the_first_ones_alone():
    few, many = embedded("glyphs"), embedded("glyphs", train=50)
    assert np.array_equal(few.splits["train"].images, many.splits["train"].images[:40])
    assert np.array_equal(few.splits["originals"].images, many.splits["originals"].images)


def test_classes_are_the_first_by_name():
    dataset = embedded("glyphs", classes=5)
    assert dataset.classes == tuple(sorted(embedded("glyphs").classes))[:5]
    assert set(dataset.splits["train"].labels) == set(range(5))


def test_digits_at_32_pixels_are_the_digits_themselves():
    digit = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    framed = frame_digits(digit, 32)
    assert framed.shape == (1, 3, 32, 32)
    assert all(np.array_equal(channel[2:-2, 2:-2], digit[0]) for channel in framed[0])
    assert framed.sum(dtype=int) == 3 * digit.sum(dtype=int)


@pytest.mark.parametrize("kind", ["glyphs", "mnist"])
@pytest.mark.parametrize("size", [16, 50])
def test_any_image_size(kind, size):
    dataset = prepare_dataset(kind, {"kind": kind, "train": 4, "originals": 2, "public": 1}, size, seed=1)
    assert dataset.image_size == size
    assert dataset.splits["public"].images.shape == (1, 3, size, size)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"kind": "glyph"}, ["glyph", "glyphs, letters, mnist", "Did you mean 'glyphs'?"]),
        ({"kind": "mnist", "train": 6000}, ["6,027 images", "only 3500 available", "350 per class in 10"]),
        ({"kind": "letters", "classes": 27}, ["26 classes", "27"]),
        ({"kind": "letters", "classes": 1}, ["classes: 1 is out of range, 2 or more"]),
        ({"kind": "letters", "train": "many"}, ["train: 'many' is not a whole number"]),
        ({"kind": "letters", "originals": None}, ["originals: null is not a whole number"]),
        ({"kind": "folder"}, ["'path' is missing"]),
        ({"kind": "mnist", "path": "x.zip"}, ["images of kind mnist take no 'path'"]),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(SemsimError) as error:
        prepare_dataset("mine", COUNTS | settings, 32, seed=1)
    assert all(word in str(error.value) for word in ["mine", *words])


def test_too_small_images():
    with pytest.raises(SemsimError, match="image_size: 4 is out of range, from 16 to 512"):
        prepare_dataset("mine", {"kind": "glyphs", **COUNTS}, 4, seed=1)


def test_saved_and_loaded(tmp_path):
    dataset = embedded("glyphs")
    save_dataset(dataset, tmp_path / "glyphs.safetensors", tmp_path / "glyphs.csv")
    for split in SPLITS:
        images, labels = load_split(tmp_path / "glyphs.safetensors", split)
        assert np.array_equal(images, dataset.splits[split].images)
        assert np.array_equal(labels, dataset.splits[split].labels)
    assert load_classes(tmp_path / "glyphs.safetensors") == dataset.classes
    metadata = read_metadata(tmp_path / "glyphs.safetensors")
    assert metadata == {
        **{"name": "glyphs", "kind": "glyphs", "classes": list(dataset.classes), "image_size": 32},
        "published_numbers": None,
    }
    index = read_table(tmp_path / "glyphs.csv")
    assert list(index.columns) == ["split", "index", "label", "class", "source"]
    original = index[(index["split"] == "originals") & (index["index"] == 3)].squeeze()
    assert original["class"] == dataset.classes[dataset.splits["originals"].labels[3]]
    assert original["source"] == dataset.splits["originals"].sources[3]


def run_script(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--dataset", "mine", "--image-size", "32", "--seed", "1"]
        + ["--out", str(folder / "mine.safetensors"), "--index", str(folder / "mine.csv"), *arguments],
        capture_output=True,
        text=True,
    )


def test_script(tmp_path):
    done = run_script(tmp_path, "--settings", '{"kind": "glyphs", "train": 3, "originals": 2, "public": 1}')
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors", "mine.csv"}
    assert load_split(tmp_path / "mine.safetensors", "train")[0].shape == (3, 3, 32, 32)


def test_script_says_what_is_wrong_and_leaves_nothing(tmp_path):
    settings = '{"kind": "folder", "path": "nowhere.zip", "train": 3, "originals": 2, "public": 1}'
    done = run_script(tmp_path, "--settings", settings, "--mirror", str(tmp_path / "mirror"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: data set 'mine': nothing found at ") and "Traceback" not in done.stderr
    assert str(tmp_path / "mirror" / "nowhere.zip") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_imports_torch():
    program = (
        "import sys, mlxtend.data; from semsim.data import prepare_dataset\n"
        "prepare_dataset('mine', {'kind': 'glyphs', 'train': 2, 'originals': 1, 'public': 1}, 32, 1)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
