"""The walker of folders: every file once, whatever links, loops and special files there are."""

import os
import socket

import pytest

from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.io.folders import list_folder, read_file, walk


@pytest.fixture
def make(tmp_path):
    """Return a function that writes empty files below a folder `d`, which it returns."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path / "d"

    return make


def test_files_and_folders_are_sorted_by_the_parts_of_their_paths(make):
    tree = walk(make("d/b/2.png", "d/b/10.png", "d/a-b/x.png", "d/a/c/x.png", "d/a/x.png", "d/z.txt"))
    assert tree.files == ["a/c/x.png", "a/x.png", "a-b/x.png", "b/10.png", "b/2.png", "z.txt"]
    assert tree.folders == ["a", "a/c", "a-b", "b"] and not tree.skipped


def test_hidden_names_are_ignored_below_the_folder_only(make):
    make("d/.h/in/a.png", "d/.h/in/.b.png", "d/.h/.git/c.png", "d/.h/in/d..png")
    assert walk(make() / ".h").files == ["in/a.png", "in/d..png"]
    assert walk(make()).files == []


def test_a_link_to_a_folder_outside_is_followed(make, tmp_path):
    folder = make("d/a/1.png", "other/b/2.png", "other/3.png")
    (folder / "b").symlink_to(tmp_path / "other" / "b")
    (folder / "c.png").symlink_to(tmp_path / "other" / "3.png")
    assert walk(folder) == (["a/1.png", "b/2.png", "c.png"], ["a", "b"], {})


@pytest.mark.parametrize("target", [".", "..", "a", "../d/b"])
def test_loops_end_and_add_nothing(make, target):
    folder = make("d/a/1.png", "d/b/2.png")
    for name in ("a", "b"):
        (folder / name / "l").symlink_to(folder / target)
    tree = walk(folder)
    assert [name for name in tree.files if "/l/" not in name] == ["a/1.png", "b/2.png"] and len(tree.files) == 2
    assert len(tree.skipped) == 2


def test_folders_that_all_lead_to_each_other_are_entered_once_each(make):
    names = [f"{number:02}" for number in range(40)]  # 40! paths
    folder = make(*(f"d/{name}/x.png" for name in names))
    for name in names:
        for other in names:
            (folder / name / f"to-{other}").symlink_to(folder / other)
    tree = walk(folder)
    assert tree.files == [f"{name}/x.png" for name in names] and tree.folders == names
    assert len(tree.skipped) == 1600


def test_a_folder_goes_by_its_own_name_and_not_by_that_of_an_earlier_link(make, capsys):
    folder = make("d/deep/er/class/x.png")
    (folder / "a").symlink_to(folder / "deep" / "er" / "class")
    (folder / "b").symlink_to(folder)
    assert list_folder(folder).files == ["deep/er/class/x.png"]
    told = f"{folder}: skipped a (the same folder as deep/er/class), b (the same folder as {folder})\n"
    assert capsys.readouterr().err == told


def test_what_is_neither_file_nor_folder_is_skipped_in_words(make, monkeypatch):
    folder = make("d/a/1.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "self.png").symlink_to("self.png")
    monkeypatch.chdir(folder)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.png")
        tree = walk(folder)
    assert tree.files == ["a/1.png"]
    special = "a pipe, socket or device, not a file"
    assert tree.skipped == {
        "gone.png": "a broken link",
        "pipe.png": special,
        "self.png": "cannot be read: Too many levels of symbolic links",
        "socket.png": special,
        "zero.png": special,
    }


def test_a_folder_that_may_not_be_read_is_skipped_in_words(make, monkeypatch):
    folder, scan = make("d/a/1.png", "d/b/2.png"), os.scandir

    def refuse(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # whoever runs this may be root
    assert walk(folder) == (["a/1.png"], ["a"], {"b": "cannot be read: Permission denied"})


def test_names_of_any_bytes_and_of_any_depth(make):
    folder = make("d/a/1.png")
    odd = os.fsencode(folder) + b"/\xff\n.png"
    open(odd, "w").close()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(30):  # deeper than the longest path
        os.mkdir("n" * 200, dir_fd=here)
        inside = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)
    tree = walk(folder)
    assert os.fsencode(tree.files[-1]) == b"\xff\n.png" and tree.files[:-1] == ["a/1.png"]
    assert list(tree.skipped.values()) == ["cannot be read: File name too long"]


def test_names_do_not_reach_the_terminal_as_they_are(make, capsys):
    folder = make("d/a/1.png")
    (folder / "a" / "\x1b[2J\nx.png").symlink_to("nowhere")
    list_folder(folder)
    assert capsys.readouterr().err == f"{folder}: skipped a/\\x1b[2J\\nx.png (a broken link)\n"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_folder_to_walk(tmp_path, name):
    (tmp_path / "file").touch()
    for look in (walk, find_images):
        with pytest.raises(SemsimError, match=f"{name}: (cannot be read as a folder|no such folder)"):
            look(tmp_path / name)


def test_only_files_of_limited_size_are_read(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    os.truncate(path, 20 * 2**30)  # sparse
    with pytest.raises(SemsimError, match=r"x.png: 21,474,836,480 bytes, more than 5\. Make it smaller"):
        read_file(path, 5)
    os.mkfifo(tmp_path / "pipe.png")
    for special in (tmp_path / "pipe.png", "/dev/zero", tmp_path):
        with pytest.raises(SemsimError, match="a folder, pipe, socket or device, not a file"):
            read_file(special, 5)
    with pytest.raises(SemsimError, match=r"none.png: cannot be read \(No such file"):
        read_file(tmp_path / "none.png", 5)
