"""Files that are written whole or not at all."""

import errno
import os
import re
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from semsim.errors import SemsimError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the system errors that say that a disk, or one's share of it, is full."""


@contextmanager
def written_whole(path):
    """Give a path to write to, and move it to `path` only when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file to make. Missing folders are created.

    Yields
    ------
    pathlib.Path
        A name in the same folder, with the same suffix (so that writers that look at suffixes work).

    Raises
    ------
    OSError
        If the disk is full, whatever the writer makes of that.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # safetensors makes files that only their owner can read
        os.replace(part, path)
    except Exception as error:
        number = _system_error(error)
        if number not in FULL:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def _system_error(error):
    """Return the number of the system error behind one that a writer raised, or None."""
    while error is not None:
        if isinstance(error, OSError):
            return error.errno
        if isinstance(error, SafetensorError) and (found := re.search(r"os error (\d+)", str(error))):
            return int(found[1])
        error = error.__context__
    return None


def _umask():
    """Return the permissions that new files go without; asking is only possible by setting."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def check_output(path, suffixes):
    """Refuse a path that no file can be written to, before any work is done for it.

    Parameters
    ----------
    path : path-like or None
        None is no file, and fine.
    suffixes : sequence of str
        What its name may end in.

    Raises
    ------
    SemsimError
        If it ends in something else, is a folder, or lies below a file.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix not in suffixes:
        raise SemsimError(f"{path}: must end in {' or '.join(suffixes)}. Give another name.")
    if path.is_dir():
        raise SemsimError(f"{path}: is a folder. Give the name of a file.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise SemsimError(f"{path}: lies below {above}, which is a file. Give another folder.")
