"""Servers that mean harm: what they send is bounded, stays encrypted, and never becomes a file."""

import contextlib
import gzip
import hashlib
import itertools
import os

import numpy as np
import pytest
from web_site import served

from semsim.data import client, download
from semsim.data.client import Client, DownloadFailed
from semsim.data.download import ATTEMPTS, LARGEST_DOWNLOAD, fetch
from semsim.errors import SemsimError

CONTENT = np.random.default_rng(1).bytes(300_000)
SIZE = len(CONTENT)
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
BLOCK = bytes(2**16)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    with served() as site:
        site.files["data.tar"] = CONTENT
        yield site


@pytest.fixture
def get(site, tmp_path):
    def get(size=SIZE):
        return fetch(tmp_path / "data.tar", CHECKSUM, site.url + "data.tar", size)

    return get


def answers(*parts, status=200, **headers):
    """Return how to answer with parts of a body that may be endless, until the client has enough of it."""

    def answer(request):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        with contextlib.suppress(OSError):
            for part in itertools.chain(*parts):
                request.wfile.write(part)

    return answer


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("headers", [{}, {"Content_Length": "many"}, {"Content_Length": "-5"}])
def test_an_endless_body_ends(site, get, tmp_path, monkeypatch, size, headers):
    monkeypatch.setattr(download, "LARGEST_DOWNLOAD", 400_000)
    site.moods = [answers(itertools.repeat(BLOCK), **headers)]
    with pytest.raises(
        SemsimError, match=r"cannot be downloaded \(the server sends more than [34]00,000 bytes; it was de"
    ):
        get(size)
    assert left(tmp_path) == [] and len(site.asked) == 1


@pytest.mark.parametrize("length", ["many", "", "0x10", "1e3", "٣"])
def test_a_length_that_is_no_number_is_ignored(site, get, length):
    site.moods = [answers([CONTENT], Content_Length=length.encode().decode("latin-1"))]
    assert get().read_bytes() == CONTENT


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1, 10**30])
def test_another_length_is_refused_before_anything_is_read(site, get, tmp_path, length):
    site.moods = [answers(itertools.repeat(BLOCK), Content_Length=str(length))]
    with pytest.raises(SemsimError, match=f"the server offers {length:,} bytes; the published file has 300,000"):
        get()
    assert left(tmp_path) == []


def test_no_file_is_larger_than_any_should_be(site, get):
    site.moods = [answers([BLOCK], Content_Length=str(LARGEST_DOWNLOAD + 1))]
    with pytest.raises(SemsimError, match="the server offers 17,179,869,185 bytes, more than"):
        get(None)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP"])
def test_what_would_grow_is_not_unpacked(site, get, tmp_path, encoding):
    bomb = gzip.compress(bytes(10**7))
    site.moods = [answers([bomb], Content_Encoding=encoding, Content_Length=str(len(bomb)))]
    with pytest.raises(SemsimError, match=r"\(the server sends the file compressed"):
        get()
    assert left(tmp_path) == []


def test_an_end_that_comes_early_is_gone_on_from(site, get):
    site.moods = [answers([CONTENT[:200_000]])]  # no length is told
    assert get().read_bytes() == CONTENT
    assert [asked_range for _, asked_range in site.asked] == [None, "bytes=200000-"]


@pytest.mark.parametrize("headers", [{"Content_Length": str(SIZE)}, {}, {"Transfer_Encoding": "chunked"}])
def test_a_server_that_sends_next_to_nothing_is_given_up(site, get, tmp_path, monkeypatch, headers):
    """Each byte comes in time, so that no wait for the next one ever ends the connection."""
    monkeypatch.setattr(download, "WINDOW", 0.1)
    byte = b"1\r\n" + CONTENT[:1] + b"\r\n" if "Transfer_Encoding" in headers else CONTENT[:1]

    def trickle():
        while not site.closing.wait(0.02):
            yield byte

    def answer(request):
        request.protocol_version = "HTTP/1.1"
        answers(trickle(), **headers)(request)

    site.moods = [answer] * ATTEMPTS
    with pytest.raises(
        SemsimError, match=r"\(the server sends less than 1,000 bytes a second\)\. Run again later; the"
    ):
        get()
    assert len(site.asked) == ATTEMPTS and left(tmp_path) == [".data.tar.part"]


def test_headers_that_take_for_ever_are_not_waited_for(site, get, tmp_path, monkeypatch):
    """Each byte comes in time here as well."""
    monkeypatch.setattr(client, "SLOWEST_ANSWER", 0.2)

    def answer(request):
        with contextlib.suppress(OSError):
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not site.closing.wait(0.02):
                request.wfile.write(b"x")

    site.moods = [answer] * ATTEMPTS
    with pytest.raises(SemsimError, match=r"cannot be downloaded \(the server does not answer\)\. Run again later"):
        get()
    assert len(site.asked) == ATTEMPTS and left(tmp_path) == []


def test_a_slow_server_is_waited_for(site, get, monkeypatch):
    monkeypatch.setattr(download, "WINDOW", 0.01)
    monkeypatch.setattr(download, "SLOWEST", 10)
    parts = [CONTENT[start : start + 60_000] for start in range(0, SIZE, 60_000)]
    site.moods = [answers(part for part in parts if not site.closing.wait(0.05))]
    assert get().read_bytes() == CONTENT and len(site.asked) == 1


@pytest.mark.parametrize("target", ["somewhere", "nowhere"])
def test_a_link_in_the_place_of_an_unfinished_download_is_not_followed(site, get, tmp_path, target):
    (tmp_path / "somewhere").write_text("mine")
    (tmp_path / ".data.tar.part").symlink_to(tmp_path / target)
    with pytest.raises(SemsimError, match=r"\.data\.tar\.part: a link or something else .* Remove it"):
        get()
    assert (tmp_path / "somewhere").read_text() == "mine" and left(tmp_path) == [".data.tar.part", "somewhere"]


@pytest.mark.parametrize("place", ["data.tar", ".data.tar.part"])
def test_a_pipe_is_not_waited_for(site, get, tmp_path, place):
    os.mkfifo(tmp_path / place)
    with pytest.raises(SemsimError, match=f"{place}: a .*(Remove it|Put a file there)"):
        get()


def test_redirections_are_followed_here_and_their_pages_are_not_read(site, get):
    site.moods = [answers(itertools.repeat(BLOCK), status=302, Location="/data.tar")]
    assert get().read_bytes() == CONTENT


def test_redirections_end(site, get):
    site.moods = [answers([], status=307, Location="/data.tar", Content_Length="0")] * 50
    with pytest.raises(SemsimError, match="more than 10 redirections"):
        get()


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/data.tar",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1:1/data.tar",
        "//example.org/\x1b[2J",
        "file:///etc/passwd",
        "ftp://example.org/",
    ],
)
def test_redirections_elsewhere_are_encrypted_or_refused(site, get, address):
    site.moods = [answers([], status=302, Location=address, Content_Length="0")]
    with pytest.raises(SemsimError, match="is not an https address") as told:
        get()
    assert "\x1b" not in str(told.value) and len(site.asked) == 1


@pytest.mark.parametrize("url", ["http://example.org/data.tar", "http://127.0.0.1@example.org/", "file:///x", ""])
def test_only_https_is_asked(url):
    with pytest.raises(DownloadFailed, match="is not an https address"):
        Client(url).ask(url)


def test_what_a_server_calls_its_refusal_is_not_repeated(site, get):
    def refuse(request):
        request.wfile.write(b"HTTP/1.0 404 \x1b[31mred\r\n\r\n")

    site.moods = [refuse]
    with pytest.raises(SemsimError, match=r"\(the server answers 404 Not Found\)"):
        get()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 1000,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10**6,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 9-5/3\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_other_nonsense_is_told_in_words(site, get, tmp_path, answer):
    def reply(request):
        with contextlib.suppress(OSError):
            request.wfile.write(answer)

    site.moods = [reply] * ATTEMPTS
    with pytest.raises(SemsimError, match=r"data\.tar: cannot be downloaded \("):
        get()
    assert not (tmp_path / "data.tar").exists()
