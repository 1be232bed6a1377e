"""Files on Google Drive: fetched once, or put there by hand, and pinned on first use.

Their checksums are not published. So the SHA-256 of the first file that is used is recorded beside it, and any other
file under that name is refused from then on.
"""

import hashlib
import zipfile
from pathlib import Path

from semsim.errors import SemsimError
from semsim.io.whole import written_whole
from semsim.progress import progress_bar

PAGE = "https://drive.google.com/file/d/{}/view"
PATIENCE = 60
"""Seconds without a byte after which a download has failed."""


def fetch_archive(drive_id, path):
    """Return the path of a .zip file, fetched from Google Drive unless it is there, if it is the one that is pinned.

    Parameters
    ----------
    drive_id : str
        What Google Drive calls the file.
    path : path-like
        Where it is kept. ``<path>.sha256`` beside it, as `sha256sum` writes it, is the pin; the first file makes it.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SemsimError
        If the download fails, or the file is no .zip file, or not the one that is pinned.
    """
    path = Path(path)
    if not path.is_file():
        _download(drive_id, path)
    if not zipfile.is_zipfile(path):
        raise SemsimError(
            f"{path}: not a .zip file; a browser may have saved a page of Google Drive in its place."
            f" Delete it, and put the file there that {PAGE.format(drive_id)} offers."
        )
    _check_pin(path)
    return path


def _download(drive_id, path):
    """Fetch a file; gdown takes up an unfinished download and gives the file its name when it is complete."""
    import gdown  # slow to import, and only a first run needs it

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
            f" if the file was fetched too often, try again tomorrow. Or get it by hand, in a browser, from"
            f" {PAGE.format(drive_id)}, and put it there as {path}."
        ) from None


def _check_pin(path):
    """Refuse a file whose hash is not the one that is recorded beside it; record the first."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    pin = path.with_name(f"{path.name}.sha256")
    if not pin.exists():
        with written_whole(pin) as part:
            part.write_text(f"{found}  {path.name}\n")
    pinned = pin.read_text().partition(" ")[0]
    if found != pinned:
        raise SemsimError(
            f"{path}: another file than the first that was used: its SHA-256 is {found}, and {pin.name} has {pinned}."
            f" Put the first one back. If you mean to use this one from now on, delete {pin}."
        )
