"""Files that are downloaded once into a cache shared by all studies, and verified before each use."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pooch
import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from semsim.errors import SemsimError
from semsim.progress import progress_bar

ATTEMPTS = 6
PAUSE = 1.0
"""Seconds before the second attempt; the pause doubles before each further one."""
TIMEOUTS = (15, 60)
"""Seconds to wait for a connection, and for the next bytes."""
CHUNK = 2**16
"""Bytes written at once; an incomplete chunk is discarded when the connection is lost."""
WORTH_WAITING = frozenset((408, 425, 429))
"""HTTP status codes, besides 500 and above, after which another attempt may succeed."""


def cache_folder() -> Path:
    """Return the folder for downloads: that of the environment variable SEMSIM_CACHE, else the user's cache."""
    return Path(os.environ.get("SEMSIM_CACHE") or pooch.os_cache("semsim")).expanduser().absolute()


def fetch(path: Path, checksum: str, url: str | None = None) -> Path:
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
                _download(url, checksum, path)
                return path
    if not path.exists():
        raise SemsimError(f"{path}: no such file, and its publisher asks for consent before a download.")
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


def _download(url, checksum, path):
    """Download a file, in several attempts if necessary, and give it its final name once it is verified."""
    part = path.with_name(f".{path.name}.part")
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        begun = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, begun)
        except requests.RequestException as error:
            trouble = _reason(error)
            status = 0 if error.response is None else error.response.status_code
            if 400 <= status < 500 and status not in WORTH_WAITING:
                break
            tqdm.write(f"{path.name}: {trouble}", file=sys.stderr)
            continue
        if not (problem := _mismatch(part, checksum)):
            os.replace(part, path)
            return
        part.unlink()
        trouble = f"the downloaded file is not the published one: {problem}; it was deleted"
        if not begun:  # starting again would end in the same way
            break
    kept = "; the part downloaded so far is kept" if part.exists() else ""
    raise SemsimError(
        f"{url}: cannot be downloaded ({trouble}). Run again later{kept}. "
        f"Or get the file in another way and put it at {path}."
    )


def _reason(error):
    """Describe a failed transfer in a few words."""
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was lost"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    # The library wraps the sentence that names the cause in several that name its own parts.
    cause = str(getattr(error.args[0], "reason", error) if error.args else error)
    return "no connection: " + (cause.partition("): ")[2] or cause)


def _transfer(url, part, begun):
    """Append what is missing to `part`, which has `begun` bytes; start over if the server cannot resume."""
    # With transfer compression, byte positions would not be those of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing; the checksum decides whether it is right
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            begun = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else begun + int(length)
        name = part.name.removeprefix(".").removesuffix(".part")
        with (
            open(part, "ab" if begun else "wb") as file,
            progress_bar(total, f"downloading {name}", unit="B", initial=begun) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
