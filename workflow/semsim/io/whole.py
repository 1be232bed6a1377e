"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from semsim.errors import FULL, SemsimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` only if the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file to write. Missing folders are created.

    Yields
    ------
    pathlib.Path
        A name in the same folder with the same suffix, for writers that choose a format by it.

    Raises
    ------
    OSError
        If the disk is full, whichever error the writer raised.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # safetensors creates files that only their owner can read
        os.replace(part, path)
    except Exception as error:
        number = _system_error(error)
        if number not in FULL:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def _system_error(error):
    """Return the number of the system error behind a writer's error, or None."""
    while error is not None:
        if isinstance(error, OSError):
            return error.errno
        if isinstance(error, SafetensorError) and (found := re.search(r"os error (\d+)", str(error))):
            return int(found[1])
        error = error.__context__
    return None


def _umask():
    """Return the umask of this process, which can only be read by setting it."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def check_output(path: str | os.PathLike | None, suffixes: Sequence[str]) -> None:
    """Refuse a path to which no file can be written, before any work is done.

    Parameters
    ----------
    path : path-like or None
        None means no file, and is accepted.
    suffixes : sequence of str
        Accepted suffixes.

    Raises
    ------
    SemsimError
        If it has another suffix, is a folder, or lies below a file.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix not in suffixes:
        raise SemsimError(f"{path}: must end in {' or '.join(suffixes)}. Choose another name.")
    if path.is_dir():
        raise SemsimError(f"{path}: is a folder. Give a file name.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise SemsimError(f"{path}: lies below {above}, which is a file. Choose another folder.")
