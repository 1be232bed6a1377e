"""Files on Google Drive: downloaded once, or put in place by hand, and pinned on first use.

Their checksums are not published. Therefore the SHA-256 of the first file used is recorded beside it, and any other
file under that name is refused from then on.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.whole import written_whole
from semsim.progress import progress_bar

if TYPE_CHECKING:
    import os

PAGE = "https://drive.google.com/file/d/{}/view"
PATIENCE = 60
"""Seconds without data after which a download has failed."""


def fetch_archive(drive_id: str, path: str | os.PathLike) -> Path:
    """Return the path of a .zip file that matches its pin; download it from Google Drive if it is missing.

    Parameters
    ----------
    drive_id : str
        Google Drive's id of the file.
    path : path-like
        Where it is kept. ``<path>.sha256`` beside it, in the format of `sha256sum`, is the pin, made on first use.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SemsimError
        If the download fails, or the file is not a .zip file or not the pinned one.
    """
    path = Path(path)
    if not path.is_file():
        _download(drive_id, path)
    if not zipfile.is_zipfile(path):
        raise SemsimError(
            f"{path}: not a .zip file; a browser may have saved a page of Google Drive instead."
            f" Replace it with the file from {PAGE.format(drive_id)}."
        )
    _check_pin(path)
    return path


def _download(drive_id, path):
    """Download a file; gdown resumes an unfinished download and names the file only when it is complete."""
    import gdown  # slow to import, and only needed on the first run

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with progress_bar(None, f"downloading {path.name}", unit="B") as bar:

            def show(done, total):
                bar.total = total
                bar.update(done - bar.n)

            gdown.download(
                id=drive_id,
                output=str(path),
                quiet=True,
                use_cookies=False,
                resume=True,
                timeout=PATIENCE,
                retries=2,
                progress=show,
            )
    except (gdown.DownloadError, OSError) as error:  # OSError is the base of what requests raises
        raise SemsimError(
            f"{path.name} cannot be downloaded from Google Drive ({' '.join(str(error).split())}). Check the network;"
            f" if its download quota is exceeded, try again tomorrow. Or download it in a browser from"
            f" {PAGE.format(drive_id)} and save it as {path}."
        ) from None


def _check_pin(path):
    """Refuse a file whose hash differs from the one recorded beside it; record that of the first file."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    pin = path.with_name(f"{path.name}.sha256")
    if not pin.exists():
        with written_whole(pin) as part:
            part.write_text(f"{found}  {path.name}\n")
    pinned = pin.read_text().partition(" ")[0]
    if found != pinned:
        raise SemsimError(
            f"{path}: not the file that was used first: its SHA-256 is {found}, but {pin.name} has {pinned}."
            f" Restore the first one. To use this one from now on, delete {pin}."
        )
