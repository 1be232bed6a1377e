"""Files that are downloaded once into a cache shared by all studies, and verified before each use.

Servers are not trusted: what they send is limited in size, written as it arrives, and verified before the file gets its
final name; redirections stay on https.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from functools import partial
from http.client import responses as phrases
from pathlib import Path
from typing import TYPE_CHECKING

import pooch
import requests
import urllib3
from filelock import FileLock, Timeout
from tqdm import tqdm

from semsim.data.client import Client, DownloadFailed
from semsim.errors import SemsimError
from semsim.io.folders import require_file
from semsim.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 6
PAUSE = 1.0
"""Seconds before the second attempt; the pause doubles before each further one."""
CHUNK = 2**16
"""Bytes written at once, at most."""
SLOWEST = 1000
"""Bytes per second below which a download is given up, to be resumed in the next attempt."""
WINDOW = 60.0
"""Seconds over which the speed is measured."""
LARGEST_DOWNLOAD = 16 * 2**30
"""Size limit in bytes of a file whose size is not known beforehand."""
WORTH_WAITING = frozenset((408, 425, 429))
"""HTTP status codes, besides 500 and above, after which another attempt may succeed."""


class _TooLong(Exception):
    """A server sends more than the file has."""


class _TooSlow(requests.RequestException):
    """A server keeps the connection busy with next to nothing."""


def fetch(path: Path, checksum: str, url: str | None = None, size: int | None = None) -> Path:
    """Download a file, unless it exists.

    Its checksum is verified every time. An unfinished download is kept under another name, and the next call resumes it
    if the server supports that. If several processes want the same file, one downloads it and the others wait.

    Parameters
    ----------
    path : pathlib.Path
        Where the file belongs; its folder is created if needed.
    checksum : str
        Checksum of its content, "sha256:..." or "md5:...".
    url : str, optional
        None if only a person can download it, because the publisher asks for consent.
    size : int, optional
        Its size in bytes. Without it, up to `LARGEST_DOWNLOAD` bytes are accepted before they are verified.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    SemsimError
        If the file cannot be downloaded, or its content is not the published one.
    """
    if not path.exists() and url is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not path.exists():  # another process may have been first
                _fetch_anew(url, checksum, path, size)
                return path
    if not path.exists():
        raise SemsimError(f"{path}: no such file, and its publisher asks for consent before a download.")
    require_file(path)
    if problem := _mismatch(path, checksum):
        raise SemsimError(f"{path}: not the published file, or damaged ({problem}). Delete it and download it again.")
    return path


def _alone(path):
    """Acquire a lock for a file; it is released when the process ends, however that happens."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        tqdm.write(f"{path}: another process is downloading it; waiting", file=sys.stderr)
        return lock.acquire()


def _mismatch(path, checksum):
    """Return how a file's checksum differs from the expected one, or None if it does not."""
    algorithm, expected = checksum.split(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    return None if found == expected else f"its {algorithm.upper()} is {found}, not {expected}"


def _fetch_anew(url, checksum, path, size):
    """Download a file; if that fails, say what to do."""

    def problem_of(part):
        problem = _mismatch(part, checksum)
        return problem and f"the downloaded file is not the published one: {problem}"

    try:
        download(url, path, problem_of, size)
    except DownloadFailed as error:
        kept = "; the part downloaded so far is kept" if _part_of(path).exists() else ""
        raise SemsimError(
            f"{url}: cannot be downloaded ({error}). Run again later{kept}. "
            f"Or get the file in another way and put it at {path}."
        ) from None


def download(
    url: str,
    path: Path,
    problem_of: Callable[[Path], str | None],
    size: int | None = None,
    ask: Callable[[Client, str, int], requests.Response] = Client.ask,
) -> None:
    """Download a file, in several attempts if necessary, and give it its final name once it is verified.

    Parameters
    ----------
    url : str
    path : pathlib.Path
        Where the file belongs; its folder exists. An unfinished download is kept beside it and resumed.
    problem_of : callable
        Returns why the downloaded file is not the right one, or None.
    size : int, optional
        Its size in bytes, if it is known.
    ask : callable
        How to ask for the file: takes a client, the address, and the first byte to send.

    Raises
    ------
    DownloadFailed
        If the file cannot be downloaded.
    SemsimError
        If something else than an unfinished download has its place.
    """
    part = _part_of(path)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        begun = _begun(part)
        try:
            with Client(url) as client:
                _transfer(partial(ask, client, url), part, begun, size)
            trouble = problem_of(part)
        except _TooLong as error:
            trouble = str(error)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            trouble, status = _reason(error), getattr(getattr(error, "response", None), "status_code", 0)
            if 400 <= status < 500 and status not in WORTH_WAITING:
                break
            tqdm.write(f"{path.name}: {trouble}", file=sys.stderr)
            continue
        except ValueError as error:  # from the standard library, of numbers and addresses that are none
            raise DownloadFailed(f"the server's response is invalid: {str(error)[:100]!r}") from None
        if not trouble:
            os.replace(part, path)
            return
        part.unlink()
        trouble += "; it was deleted"
        if not begun:  # starting again would end in the same way
            break
    raise DownloadFailed(trouble)


def _part_of(path):
    """Return the name of an unfinished download."""
    return path.with_name(f".{path.name}.part")


def _begun(part):
    """Return how many bytes of a file there are; nobody else may have put something in its place."""
    try:
        about = part.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(about.st_mode):
        raise SemsimError(f"{part}: a link or something else in place of an unfinished download. Remove it.")
    return about.st_size


def _reason(error):
    """Describe a failed transfer in a few words."""
    if isinstance(error, _TooSlow):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {phrases.get(response.status_code, '')}".rstrip()
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection was lost"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    # The library wraps the sentence that names the cause in several that name its own parts.
    cause = str(getattr(error.args[0], "reason", error) if error.args else error)
    return "no connection: " + (cause.partition("): ")[2] or cause)


def _transfer(ask, part, begun, size):
    """Append what is missing to `part`, which has `begun` bytes; start over if the server cannot resume."""
    with ask(begun) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing; the checksum decides whether it is right
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            begun = 0
        coming = response.raw.length_remaining  # None if the server does not say, or no number
        total = None if coming is None else begun + coming
        _check_offer(response, total, size)
        name = part.name.removeprefix(".").removesuffix(".part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if begun else os.O_TRUNC)
        with (
            os.fdopen(os.open(part, flags, 0o666), "wb") as file,
            progress_bar(total, f"downloading {name}", unit="B", initial=begun) as bar,
        ):
            pace = _Pace()
            for chunk in iter(partial(response.raw.read1, CHUNK, decode_content=False), b""):  # what has come, at once
                file.write(chunk)
                bar.update(len(chunk))
                _check_size(bar.n, size)
                pace.check(len(chunk))
            if size is not None and bar.n < size:
                raise urllib3.exceptions.ProtocolError("the response ended early")


class _Pace:
    """The speed of a transfer, measured over one window after the other."""

    def __init__(self):
        self.begun, self.count = time.monotonic(), 0

    def check(self, count):
        """Add bytes that have come; give up if those of a window are too few."""
        self.count += count
        seconds = time.monotonic() - self.begun
        if seconds >= WINDOW:
            if self.count < SLOWEST * seconds:
                raise _TooSlow(f"the server sends less than {SLOWEST:,} bytes a second")
            self.begun, self.count = time.monotonic(), 0


def _check_offer(response, total, size):
    """Refuse an answer that cannot be the file, before it is read."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DownloadFailed("the server sends the file compressed, which was not requested")
    if size is not None and total is not None and total != size:
        raise DownloadFailed(f"the server offers {total:,} bytes; the published file has {size:,}")
    if total is not None and total > LARGEST_DOWNLOAD:
        raise DownloadFailed(f"the server offers {total:,} bytes, more than {LARGEST_DOWNLOAD:,}")


def _check_size(number, size):
    """Refuse more bytes than the file has."""
    most = LARGEST_DOWNLOAD if size is None else size
    if number > most:
        raise _TooLong(f"the server sends more than {most:,} bytes")
