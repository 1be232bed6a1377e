"""Downloads: gone on with where they stopped, whole and right or not there at all."""

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
from web_site import served

from semsim.data import client, download
from semsim.data.download import ATTEMPTS, CHUNK, fetch
from semsim.errors import SemsimError
from semsim.io.cache import cache_folder

CONTENT = np.random.default_rng(1).bytes(3 * 2**20 + 7)  # some pieces, and a rest
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
FETCH = "import sys, pathlib; from semsim.data.download import fetch; fetch(pathlib.Path(sys.argv[1]), *sys.argv[2:])"


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    with served() as site:
        site.files["data.tar"] = CONTENT
        yield site


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "data.tar"


@pytest.fixture
def get(site, path):
    return lambda: fetch(path, CHECKSUM, site.url + "data.tar")


def left(path):
    """What lies in the cache besides locks, the unfinished under its own name."""
    return sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock")


def ranges(site):
    return [asked_range for _, asked_range in site.asked]


def start_of(asked_range):
    return int(asked_range.removeprefix("bytes=").removesuffix("-"))


def test_a_file_is_downloaded_once(site, path, get):
    assert get() == get() == path
    assert path.read_bytes() == CONTENT
    assert ranges(site) == [None] and left(path) == ["data.tar"]


def test_checksums_may_be_md5(site, path):
    fetch(path, "md5:" + hashlib.md5(CONTENT).hexdigest(), site.url + "data.tar")
    with pytest.raises(SemsimError, match="its MD5 is .*, not abc"):
        fetch(path, "md5:abc", site.url + "data.tar")


def test_a_cut_connection_is_gone_on_with(site, path, get, capsys):
    site.moods = ["cut", "cut"]
    assert get().read_bytes() == CONTENT
    first, *later = ranges(site)
    assert first is None
    for asked_range, share in zip(later, (1 / 2, 3 / 4), strict=True):
        assert 0 <= share * len(CONTENT) - start_of(asked_range) <= 2 * CHUNK
    assert capsys.readouterr().err.count("data.tar: the connection was lost") == 2


def test_a_server_that_ignores_ranges_begins_anew(site, get):
    site.moods = ["cut", "whole"]
    assert get().read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_attempts_end_and_the_next_call_goes_on(site, path, get):
    site.moods = ["cut"] * ATTEMPTS
    with pytest.raises(
        SemsimError, match="the connection was lost.*Run again later; the part downloaded so far is kept"
    ) as told:
        get()
    assert str(path) in str(told.value) and site.url in str(told.value)
    assert left(path) == [".data.tar.part"] and len(site.asked) == ATTEMPTS
    assert get().read_bytes() == CONTENT
    assert start_of(ranges(site)[-1]) > 0.9 * len(CONTENT)


def test_wrong_bytes_are_never_used(site, path, get):
    site.moods = ["wrong"]
    with pytest.raises(SemsimError, match="not the published one: its SHA256 is .* it was deleted") as told:
        get()
    assert "Or get the file in another way and put it at" in str(told.value)
    assert left(path) == [] and len(site.asked) == 1
    assert get().read_bytes() == CONTENT


def test_wrong_bytes_after_a_cut_are_thrown_away(site, path, get):
    site.moods = ["cut", "wrong"]
    assert get().read_bytes() == CONTENT
    assert ranges(site)[2] is None


@pytest.mark.parametrize("length", [1000, len(CONTENT), len(CONTENT) + 1000])
def test_the_beginning_of_another_file_is_thrown_away(site, path, get, length):
    path.parent.mkdir()
    path.with_name(".data.tar.part").write_bytes(bytes(length))
    assert get().read_bytes() == CONTENT
    assert left(path) == ["data.tar"]


def test_a_download_that_only_lacks_its_name(site, path, get):
    path.parent.mkdir()
    path.with_name(".data.tar.part").write_bytes(CONTENT)
    assert get().read_bytes() == CONTENT
    assert ranges(site) == [f"bytes={len(CONTENT)}-"]  # answered with 416


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_told_at_once(site, path, get, status):
    site.moods = [status]
    with pytest.raises(SemsimError, match=rf"cannot be downloaded \(the server answers {status} .*put it at"):
        get()
    assert left(path) == [] and len(site.asked) == 1


def test_a_server_that_does_not_answer(site, path, get, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUTS", (1, 0.2))
    site.moods = ["stuck"] * ATTEMPTS
    with pytest.raises(SemsimError, match=r"cannot be downloaded \(.*timed out.*the part downloaded so far is kept"):
        get()
    assert left(path) == [".data.tar.part"] and len(site.asked) == ATTEMPTS


def test_a_busy_server_is_asked_again(site, get):
    site.moods = [503, 429, 500]
    assert get().read_bytes() == CONTENT


def test_a_server_that_stays_busy(site, path, get):
    site.moods = [503] * ATTEMPTS
    with pytest.raises(SemsimError, match=r"cannot be downloaded \(the server answers 503 "):
        get()
    assert len(site.asked) == ATTEMPTS and left(path) == []


def test_no_server(path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    with served() as site:
        url = site.url
    with pytest.raises(SemsimError, match=r"cannot be downloaded \(no connection: Failed [^()]*Connection refused\)"):
        fetch(path, CHECKSUM, url)


def test_pauses_grow(site, get, monkeypatch):
    pauses = []
    monkeypatch.setattr(download, "PAUSE", 1)
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    site.moods = [503] * 3
    get()
    assert pauses == [1, 2, 4]


def test_a_damaged_file_is_refused_and_left_to_its_owner(site, path, get):
    get()
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    for content in (bytes(damaged), CONTENT[:-1], b""):
        path.write_bytes(content)
        with pytest.raises(SemsimError, match="not the published file, or damaged .* Delete it") as told:
            get()
        assert str(path) in str(told.value) and path.read_bytes() == content
    assert len(site.asked) == 1


def test_files_that_people_must_get(path):
    with pytest.raises(SemsimError, match="no such file, and its publisher asks for consent before a download"):
        fetch(path, CHECKSUM)
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert fetch(path, CHECKSUM) == path


def test_a_cache_that_is_only_read(site, path, get, monkeypatch):
    get()
    for file in path.parent.iterdir():
        if file != path:
            file.unlink()
    monkeypatch.setattr(download, "FileLock", None)  # there is nothing to lock
    assert get() == path and left(path) == ["data.tar"]


def start(site, path):
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, path, CHECKSUM, site.url + "data.tar"], stderr=subprocess.PIPE
    )


def test_a_killed_download_is_not_taken_for_whole(site, path, get):
    site.moods = ["stuck"]
    process = start(site, path)
    part, deadline = path.with_name(".data.tar.part"), time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    come = part.stat().st_size
    assert 0 < come < len(CONTENT) and not path.exists()
    assert get().read_bytes() == CONTENT
    assert ranges(site) == [None, f"bytes={come}-"], "and its lock died with it"


def test_of_two_processes_one_downloads(site, path):
    site.moods = ["slow", "slow"]
    processes = [start(site, path) for _ in range(2)]
    told = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert path.read_bytes() == CONTENT and left(path) == ["data.tar"]
    assert ranges(site) == [None]
    assert sum("another process is downloading it; waiting" in text for text in told) == 1


def test_the_cache_is_where_its_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SEMSIM_CACHE")
    assert cache_folder().name == "semsim" and cache_folder().is_absolute()
