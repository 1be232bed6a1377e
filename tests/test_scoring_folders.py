"""Which reconstruction belongs to which original, and what belongs to nothing."""

import os

import numpy as np
import pytest
from image_sets import make_sets, save, smooth

from semsim.errors import SemsimError
from semsim.scoring.folders import match_folders, match_pair, name_sets


def smooth_image():
    return smooth(np.random.default_rng(0))


@pytest.fixture
def folder(tmp_path):
    make_sets(tmp_path, 4, noisy=20, worse=60)
    return tmp_path


def test_suffixes_and_other_files_do_not_matter(folder):
    (folder / "noisy" / "0.png").rename(folder / "noisy" / "0.webp")
    (folder / "noisy" / "notes.txt").write_text("not an image")
    (folder / "noisy" / ".thumbnails").mkdir()
    (folder / "noisy" / "0.png").mkdir()
    save(smooth_image(), folder / "noisy" / ".thumbnails" / "0.png")
    matches = match_pair(folder / "originals", folder / "noisy")
    assert [group.name for group in matches.groups] == ["0", "2", "deep/1", "deep/3"]
    assert matches.groups[0].reconstructions == (folder / "noisy" / "0.webp",)
    assert not matches.incomplete and not matches.unusable


def test_files_without_a_partner_are_named(folder):
    (folder / "noisy" / "0.png").unlink()
    save(smooth_image(), folder / "noisy" / "deep" / "new.png")
    matches = match_pair(folder / "originals", folder / "noisy")
    assert [str(each) for each in matches.incomplete] == [f"{folder}/originals/0.png (not in {folder}/noisy)"]
    assert [str(each) for each in matches.unusable] == [f"{folder}/noisy/deep/new.png (not in {folder}/originals)"]
    assert len(matches.groups) == 3


def test_a_name_that_two_files_share_pairs_with_nothing(folder):
    save(smooth_image(), folder / "noisy" / "0.jpg")
    matches = match_pair(folder / "originals", folder / "noisy")
    assert {each.reason for each in matches.unusable} == {"the same name as 0.jpg", "the same name as 0.png"}
    assert [group.name for group in matches.groups] == ["2", "deep/1", "deep/3"] and not matches.incomplete


def test_only_what_every_set_has_is_compared(folder):
    (folder / "noisy" / "0.png").unlink()
    (folder / "worse" / "0.png").unlink()
    (folder / "worse" / "deep" / "1.png").unlink()
    matches = match_folders(folder / "originals", [folder / "noisy", folder / "worse"])
    assert [group.name for group in matches.groups] == ["2", "deep/3"] and not matches.unusable
    reasons = {os.path.basename(each.file): each.reason for each in matches.incomplete}
    assert reasons == {"0.png": f"not in {folder}/noisy and {folder}/worse", "1.png": f"not in {folder}/worse"}


def test_two_images_need_no_common_name(folder):
    (group,) = match_pair(folder / "originals" / "0.png", folder / "noisy" / "2.png").groups
    assert group.name == "0" and group.reconstructions == (folder / "noisy" / "2.png",)


def test_folders_that_cannot_be_paired(folder):
    empty, other = folder / "empty", folder / "other"
    empty.mkdir()
    save(smooth_image(), other / "x.png")
    originals = folder / "originals"
    for reconstructions, message in {
        folder / "nowhere": "nowhere: no such file or folder",
        originals / "0.png": "give two folders or two images",
        empty: "no images",
        other: "no image has the same name in .* '0' in the first and 'x' in the second",
    }.items():
        with pytest.raises(SemsimError, match=message):
            match_pair(originals, reconstructions)
    with pytest.raises(SemsimError, match="no such folder of images"):
        match_folders(originals, [folder / "noisy", originals / "0.png"])


def test_names_of_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rate=0.1").mkdir()
    named = name_sets(["rate=0.1", "plain=some/where", "a/b/"])
    assert {name: str(path) for name, path in named.items()} == {
        "rate=0.1": "rate=0.1",
        "plain": "some/where",
        "b": "a/b",
    }
    for arguments, message in {
        ("a",): "one set cannot be compared",
        ("a", "x/a"): "two sets are called 'a'. Distinguish them with NAME=FOLDER",
        ("=a", "b"): "=a: not a set",
        ("a=", "b"): "a=: not a set",
    }.items():
        with pytest.raises(SemsimError, match=message):
            name_sets(arguments)


def test_names_in_any_encoding_can_be_written(folder):
    name = os.fsdecode(b"caf\xe9")
    for part in ("originals", "noisy"):
        try:
            (folder / part / "0.png").rename(folder / part / f"{name}.png")
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
    matches = match_pair(folder / "originals", folder / "noisy")
    assert "caf\\xe9" in [group.name for group in matches.groups]
