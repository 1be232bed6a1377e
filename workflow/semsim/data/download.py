"""Files that are downloaded once, into a cache that all studies share, and checked before each use."""

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
"""Seconds before the second attempt; before each further one the pause is twice as long."""
TIMEOUTS = (15, 60)
"""Seconds to wait for a connection, and for the next bytes."""
CHUNK = 2**16
"""Bytes that are written at once; of those that a cut connection leaves incomplete none is kept."""
WORTH_WAITING = frozenset((408, 425, 429))
"""What servers answer, besides 500 and above, when they may answer otherwise a little later."""


def cache_folder():
    """Return the folder that downloads are kept in: the environment variable SEMSIM_CACHE, else the user's cache."""
    return Path(os.environ.get("SEMSIM_CACHE") or pooch.os_cache("semsim")).expanduser().absolute()


def fetch(path, checksum, url=None):
    """Download a file, unless it is there.

    Its checksum is compared every time. What has come of an unfinished download is kept, under another name, and the
    next call goes on from there if the server can. Of several processes one downloads, and the others wait for it.

    Parameters
    ----------
    path : pathlib.Path
        Where the file belongs; its folder is made if needed.
    checksum : str
        Of its content, "sha256:..." or "md5:...".
    url : str, optional
        None where only a person can get it, because the publisher asks for consent.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    SemsimError
        If the file cannot be had, or its content is not the published one.
    """
    if not path.exists() and url is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not path.exists():  # another process may have been first
                _download(url, checksum, path)
                return path
    if not path.exists():
        raise SemsimError(f"{path}: no such file, and it cannot be downloaded without a person's consent.")
    if problem := _mismatch(path, checksum):
        raise SemsimError(f"{path}: not the published file, or damaged ({problem}). Delete it and get it again.")
    return path


def _alone(path):
    """Return a held lock on a file's name, which ends with the process that holds it, however that ends."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        tqdm.write(f"{path}: another process is downloading it; waiting", file=sys.stderr)
        return lock.acquire()


def _mismatch(path, checksum):
    """Return how a file's checksum differs from what it should be, or None if it does not."""
    algorithm, expected = checksum.split(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    return None if found == expected else f"its {algorithm.upper()} is {found}, not {expected}"


def _download(url, checksum, path):
    """Download a file, in several attempts if need be, and give it its name when it is whole and right."""
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
        trouble = f"what came is not the published file: {problem}; it was deleted"
        if not begun:  # a new beginning would end in the same way
            break
    kept = "; what has come so far is kept" if part.exists() else ""
    raise SemsimError(
        f"{url}: cannot be downloaded ({trouble}). Run again later{kept}. "
        f"Or get the file in another way and put it at {path}."
    )


def _reason(error):
    """Say in few words what went wrong on the way."""
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    # The library wraps the one sentence that says what it was in several that name its own parts.
    cause = str(getattr(error.args[0], "reason", error) if error.args else error)
    return "no connection: " + (cause.partition("): ")[2] or cause)


def _transfer(url, part, begun):
    """Add to `part`, which has `begun` bytes, what it lacks; from the beginning if the server knows no other way."""
    # Compressed once more for the way, the bytes would not be those of the file, and not where they are in it.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is lacking; whether it is right, its checksum says
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
