"""Files on Google Drive: downloaded once, or put in place by hand, and pinned on first use.

Their checksums are not published. Therefore the SHA-256 of the first file used is recorded beside it, and any other
file under that name is refused from then on.
"""

from __future__ import annotations

import hashlib
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from semsim.data.client import DownloadFailed
from semsim.data.download import download
from semsim.errors import SemsimError
from semsim.io.whole import write_text

if TYPE_CHECKING:
    import os

PAGE = "https://drive.google.com/file/d/{}/view"
ADDRESS = "https://drive.google.com/uc?export=download&id={}"
LARGEST_PAGE = 2**20
"""Bytes of a page that are read."""


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
    """Download a file; if that fails, say what to do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download(ADDRESS.format(drive_id), path, _no_archive, ask=_ask)
    except DownloadFailed as error:
        raise SemsimError(
            f"{path.name} cannot be downloaded from Google Drive ({' '.join(str(error).split())}). Check the network;"
            f" if its download quota is exceeded, try again tomorrow. Or download it in a browser from"
            f" {PAGE.format(drive_id)} and save it as {path}."
        ) from None


def _no_archive(path):
    """Return what is wrong with a file that is not a .zip file."""
    return None if zipfile.is_zipfile(path) else "the downloaded file is not a .zip file"


def _ask(client, address, begun):
    """Ask for a file; if Google Drive shows a page first, as it does before large files, agree to its form."""
    response = client.ask(address, begun)
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    with response:
        page = _Page(response.raw.read(LARGEST_PAGE, decode_content=False).decode("utf-8", "replace"))
    target = urlsplit(page.action)
    if not (target.hostname or "").endswith(".google.com"):
        raise DownloadFailed(page.told or "it shows a page instead")
    return client.ask(target._replace(query=urlencode(page.fields)).geturl(), begun)


class _Page(HTMLParser):
    """A page of Google Drive: where its form leads, what is in the form, and its message if there is none."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.told = "", {}, ""
        self._telling = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form" and found.get("id") == "download-form":
            self.action = found.get("action") or ""
        elif tag == "input" and found.get("type") == "hidden":
            self.fields[found.get("name")] = found.get("value")
        self._telling = found.get("class") == "uc-error-subcaption"

    def handle_data(self, data):
        if self._telling:
            self.told += data[:300]


def _check_pin(path):
    """Refuse a file whose hash differs from the one recorded beside it; record that of the first file."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    pin = path.with_name(f"{path.name}.sha256")
    if not pin.exists():
        write_text(f"{found}  {path.name}\n", pin)
    pinned = pin.read_text().partition(" ")[0]
    if found != pinned:
        raise SemsimError(
            f"{path}: not the file that was used first: its SHA-256 is {found}, but {pin.name} has {pinned}."
            f" Restore the first one. To use this one from now on, delete {pin}."
        )
