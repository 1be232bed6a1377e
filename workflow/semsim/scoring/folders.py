"""Match reconstructions with originals by their names, and read their pixels."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from semsim.data.decoding import read_rgb
from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.io.folders import walk
from semsim.names import composed, encodable, printable, spelled_out
from semsim.scoring.likeness import thumbnail
from semsim.text import first_few, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import PurePath

FULL_SIZE = 2**15
"""Side in pixels requested from the decoder, so that it never scales down a JPEG file."""
READERS = min(16, os.cpu_count() or 1)
"""Threads that read files while others are being measured."""
MOST_LISTED = 10
"""Files in one message."""
OTHER_SIZE = "pixels, but its original"
"""What the reason says of a reconstruction that differs from its original in size."""


class Group(NamedTuple):
    """An original and its reconstructions, one from each set.

    Attributes
    ----------
    name : str
        The original's path in its folder without its suffix, with "/" between folders; unlike messages, it may hold
        control characters.
    original : pathlib.Path
    reconstructions : tuple of pathlib.Path
    """

    name: str
    original: Path
    reconstructions: tuple[Path, ...]


class Unusable(NamedTuple):
    """A file that cannot be scored, and why."""

    file: str
    reason: str

    def __str__(self):
        return f"{self.file} ({self.reason})"


def listing(unusable: Sequence[Unusable]) -> str:
    """Write unusable files and their reasons in one line, the first ten of them."""
    return first_few([str(each) for each in unusable], MOST_LISTED)


class Matches(NamedTuple):
    """The result of matching the files of several folders.

    Attributes
    ----------
    groups : list of Group
        Sorted by name.
    incomplete : list of Unusable
        Originals without a reconstruction in every set.
    unusable : list of Unusable
        Reconstructions without an original, and files that share their name with another one.
    """

    groups: list[Group]
    incomplete: list[Unusable]
    unusable: list[Unusable]


def match_folders(originals: str | os.PathLike, sets: Sequence[str | os.PathLike]) -> Matches:
    """Find the reconstructions of each original by their names: the path in the folder without the suffix.

    Parameters
    ----------
    originals : path-like
        A folder of images, at any depth.
    sets : sequence of path-like
        Folders of reconstructions.

    Returns
    -------
    Matches

    Raises
    ------
    SemsimError
        If a folder is missing or has no images, or no original has a reconstruction in each set.
    """
    folders = [Path(originals), *map(Path, sets)]
    found = [_by_name(folder) for folder in folders]
    alike = {name for files in found for name, paths in files.items() if len(paths) > 1}
    first, *others = [{name: paths[0] for name, paths in files.items() if name not in alike} for files in found]
    complete = sorted(name for name in first if all(name in files for files in others))
    if not complete and not alike:
        raise _nothing_in_common(folders, found)
    groups = [Group(name, first[name], tuple(files[name] for files in others)) for name in complete]
    strays = [
        Unusable(printable(path), f"not in {printable(originals)}")
        for files in others
        for name, path in files.items()
        if name not in first
    ]
    return Matches(groups, _incomplete(first, others, folders[1:]), [*_sharing_names(found), *strays])


def _by_name(folder):
    """Return the image files of a folder by the name that pairs them."""
    files = {}
    for path in find_images(folder):
        files.setdefault(name_of(path.relative_to(folder)), []).append(path)
    return files


def name_of(path: PurePath) -> str:
    """Return the name that pairs a file: its path without the suffix, however its accents are composed."""
    return composed(encodable(path.with_suffix("").as_posix()))


def _sharing_names(found):
    """Return the files that have the same name as another one in their folder."""
    return [
        _twin(path, next(other for other in paths if other != path))
        for files in found
        for paths in files.values()
        for path in (paths if len(paths) > 1 else ())
    ]


def _twin(path, other):
    """Return that a file has the name of another one; if they look alike, spelled out."""
    shown = spelled_out if composed(encodable(path.name)) == composed(encodable(other.name)) else printable
    return Unusable(shown(path), f"the same name as {shown(other.name)}")


def _incomplete(originals, sets, folders):
    """Return the originals that a set lacks, with the sets that do."""
    incomplete = {}
    for files, folder in zip(sets, folders, strict=True):
        lacking = [name for name in originals if name not in files]
        unread = {name_of(PurePosixPath(path)): path for path in walk(folder).files} if lacking else {}
        for name in lacking:
            other = f", where {printable(unread[name])} is no image that is read" if name in unread else ""
            incomplete.setdefault(name, []).append(f"{printable(folder)}{other}")
    return [
        Unusable(printable(originals[name]), f"not in {listed(incomplete[name])}")
        for name in originals
        if name in incomplete
    ]


def _nothing_in_common(folders, found):
    """Return the error for folders without a common name."""
    example, other = (printable(next(iter(files))) for files in found[:2])
    return SemsimError(
        f"no image has the same name in {' and '.join(map(printable, folders))}: there are '{example}' in the first"
        f" and '{other}' in the second. Give a reconstruction the name of its original (suffixes may differ), or pair"
        " them by similarity with --match."
    )


def match_pair(
    originals: str | os.PathLike, reconstructions: str | os.PathLike, match: Callable[..., Matches] = match_folders
) -> Matches:
    """Match the images of two folders, or take two files as one pair.

    Parameters
    ----------
    originals, reconstructions : path-like
        Two folders of images, or two images.
    match : callable
        What matches folders: `match_folders`, or `semsim.scoring.matching.match_by_likeness`.

    Returns
    -------
    Matches

    Raises
    ------
    SemsimError
        As from `match`, and if one is a file and the other is not.
    """
    original, reconstruction = Path(originals), Path(reconstructions)
    if missing := [path for path in (original, reconstruction) if not path.exists()]:
        raise SemsimError(f"{missing[0]}: no such file or folder.")
    if original.is_dir() != reconstruction.is_dir():
        raise SemsimError(f"{original} and {reconstruction}: give two folders or two images, not one of each.")
    if original.is_dir():
        return match(original, [reconstruction])
    return Matches([Group(encodable(original.stem), original, (reconstruction,))], [], [])


def name_sets(arguments: Sequence[str]) -> dict[str, Path]:
    """Return the folders of sets by the sets' names.

    Parameters
    ----------
    arguments : list of str
        Each a folder, whose name is the set's, or ``NAME=FOLDER``.

    Returns
    -------
    dict of str to pathlib.Path

    Raises
    ------
    SemsimError
        If there are fewer than two, or two have one name.
    """
    folders = {}
    for argument in arguments:
        name, given, folder = argument.partition("=")
        if not given or Path(argument).exists():  # a folder may have = in its name
            folder = argument
            name = Path(folder).resolve().name
        if not name or not folder:
            raise SemsimError(f"{argument}: not a set. Give a folder, or NAME=FOLDER.")
        name = encodable(name)
        if name in folders:
            raise SemsimError(f"two sets are called '{name}'. Distinguish them with NAME=FOLDER.")
        folders[name] = Path(folder)
    if len(folders) < 2:
        raise SemsimError("one set cannot be compared. Give two or more folders, or use: semsim score")
    return folders


class Pixels(NamedTuple):
    """An original and its reconstructions, as read.

    Attributes
    ----------
    images : numpy.ndarray or None
        uint8 [1 + K, 3, H, W], the original first; None if a file is unusable.
    thumbnails : numpy.ndarray or None
        [1 + K, D], made by `semsim.scoring.likeness.thumbnail`, likewise.
    resized : int
        How many reconstructions were resized to the original's size.
    unusable : list of Unusable
        Files that cannot be read, are not images, are too large, or do not have the original's size.
    """

    images: np.ndarray | None
    thumbnails: np.ndarray | None
    resized: int
    unusable: list[Unusable]


def read_group(group: Group, resize: bool = False) -> Pixels:
    """Read an original and its reconstructions.

    Parameters
    ----------
    group : Group
    resize : bool
        Whether to resize reconstructions of another size than the original's.

    Returns
    -------
    Pixels
    """
    images = [read_image(path) for path in (group.original, *group.reconstructions)]
    unusable = [image for image in images if isinstance(image, Unusable)]
    if isinstance(images[0], Unusable):
        return Pixels(None, None, 0, unusable)
    size, others = images[0].size, [image for image in images[1:] if not isinstance(image, Unusable)]
    differing = sum(image.size != size for image in others)
    if not resize:
        unusable += [
            Unusable(printable(path), f"{_size(image)} {OTHER_SIZE} {_size(images[0])}")
            for path, image in zip(group.reconstructions, images[1:], strict=True)
            if not isinstance(image, Unusable) and image.size != size
        ]
    if unusable:
        return Pixels(None, None, 0, unusable)
    thumbnails = np.stack([thumbnail(image) for image in images])
    fitted = [image if image.size == size else image.resize(size, Image.Resampling.BICUBIC) for image in images]
    pixels = np.stack([np.asarray(image) for image in fitted]).transpose(0, 3, 1, 2)
    return Pixels(pixels, thumbnails, differing, [])


def _size(image):
    return f"{image.width}x{image.height}"


def read_image(path: str | os.PathLike, side: int = FULL_SIZE) -> Image.Image | Unusable:
    """Read an image file.

    Parameters
    ----------
    path : path-like
    side : int
        Pixels needed on each side, as for `semsim.data.decoding.read_rgb`.

    Returns
    -------
    PIL.Image.Image or Unusable
    """
    try:
        return read_rgb(path, side)
    except MemoryError:
        return Unusable(printable(path), "needs more memory than is available")
    except SemsimError as error:
        # Messages are the file, what is wrong with it and a sentence of advice.
        reason = str(error).removeprefix(f"{path}: ").rpartition(". ")[0]
        return Unusable(printable(path), printable(reason))


def read_again(path: str | os.PathLike) -> Image.Image:
    """Read an image file that was scored.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    SemsimError
        If it can no longer be read.
    """
    image = read_image(path)
    if isinstance(image, Unusable):
        raise SemsimError(f"{image}: changed while it was being scored. Run again.")
    return image
