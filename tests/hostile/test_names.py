"""Names that look alike, are there twice, or are none: refused so that one sees where, and which is which."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semsim.errors import SemsimError
from semsim.labelling.importing import Elsewhere, import_campaign
from semsim.labelling.material import from_folder
from semsim.scoring.folders import match_folders

COMPOSED, DECOMPOSED = "Z\u00fcrich.png", "Zu\u0308rich.png"


def save(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def twins(tmp_path):
    """A folder of two files whose names look alike."""
    for seed, name in enumerate((COMPOSED, DECOMPOSED)):
        save(tmp_path / "pictures" / name, seed)
    if len(os.listdir(tmp_path / "pictures")) == 1:
        pytest.skip("this file system takes them for one name")
    return tmp_path / "pictures"


def test_two_spellings_of_one_name_are_told_apart(twins, tmp_path):
    save(tmp_path / "originals" / COMPOSED)
    told = "\n".join(map(str, match_folders(tmp_path / "originals", [twins]).unusable))
    assert r"pictures/Z\xfcrich.png (the same name as Zu\u0308rich.png)" in told
    assert r"pictures/Zu\u0308rich.png (the same name as Z\xfcrich.png)" in told


@pytest.mark.filterwarnings("ignore:.*only one label")
@pytest.mark.parametrize("name", [COMPOSED, "Z\u00fcrich"])
def test_no_picture_is_chosen_among_twins(twins, tmp_path, name):
    pd.DataFrame({"image": [name], "label": [0]}).to_csv(tmp_path / "i.csv", index=False)
    pd.DataFrame({"image": [name], "annotator": ["ann"], "label": [0]}).to_csv(tmp_path / "l.csv", index=False)
    given = Elsewhere(tmp_path / "i.csv", tmp_path / "l.csv", pictures=twins, kind="human")
    with pytest.raises(SemsimError, match=r"may be (Z\\xfcrich.png|Zu\\u0308rich.png) and .*Keep one of these"):
        import_campaign(tmp_path / "c", given)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "classes, message",
    [
        ("cat\ndog\ncat\n", "cat: named twice"),
        (100_000 * "cat\n", "cat: named twice"),
        ("cat\n", "at least"),
        ("cat\n" + 90 * "x", "80"),
        ("cat\nd\u202egod\n", "invisible characters"),
        ("cat\nd\u200bog\n", "invisible characters"),
    ],
)
def test_wrong_classes_are_told_of_the_file_that_has_them(tmp_path, classes, message):
    save(tmp_path / "pictures" / "cat" / "0.png")
    (tmp_path / "classes.txt").write_text(classes)
    with pytest.raises(SemsimError, match=f"classes.txt: cannot be the classes of a campaign(.|\n)*{message}"):
        from_folder(tmp_path / "pictures", seed=1, classes=tmp_path / "classes.txt")


def test_a_file_without_classes_is_told(tmp_path):
    save(tmp_path / "pictures" / "cat" / "0.png")
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(SemsimError, match="classes.txt: empty. Write the names of the classes, one per line"):
        from_folder(tmp_path / "pictures", seed=1, classes=tmp_path / "classes.txt")


def test_wrong_classes_are_told_of_the_folder_that_has_them(tmp_path):
    save(tmp_path / "pictures" / "cat" / "0.png")
    with pytest.raises(SemsimError, match="pictures: cannot be the classes of a campaign(.|\n)*at least two"):
        from_folder(tmp_path / "pictures", seed=1)


def test_the_root_of_a_file_system_is_no_data_set():
    with pytest.raises(SemsimError, match="^/: has no name that could be that of the data set"):
        from_folder("/", seed=1)
