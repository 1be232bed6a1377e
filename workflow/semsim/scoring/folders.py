"""Match reconstructions with originals, and read their pixels."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from semsim.data.decoding import decode_rgb
from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.text import first_few, listed

FULL_SIZE = 2**15
"""Side in pixels requested from the decoder, so that it never scales down a JPEG file."""
MOST_LISTED = 10
"""Files in one message."""


class Group(NamedTuple):
    """An original and its reconstructions, one from each set.

    Attributes
    ----------
    name : str
        The original's path in its folder without its suffix, with "/" between folders.
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


def listing(unusable):
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


def match_folders(originals, sets):
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
    unusable = [
        Unusable(printable(path), f"the same name as {printable(next(other for other in paths if other != path).name)}")
        for files in found
        for paths in files.values()
        for path in (paths if len(paths) > 1 else ())
    ]
    first, *others = [{name: paths[0] for name, paths in files.items() if name not in alike} for files in found]
    incomplete = []
    for name, path in first.items():
        lacking = [folder for folder, files in zip(folders[1:], others, strict=True) if name not in files]
        if lacking:
            incomplete.append(Unusable(printable(path), f"not in {listed(list(map(printable, lacking)))}"))
    for files in others:
        strays = [path for name, path in files.items() if name not in first]
        unusable += [Unusable(printable(path), f"not in {printable(originals)}") for path in strays]
    complete = [name for name in first if all(name in files for files in others)]
    if not complete and not alike:
        example, other = next(iter(found[0])), next(iter(found[1]))
        raise SemsimError(
            f"no image has the same name in {' and '.join(map(printable, folders))}: there are '{example}' in the first"
            f" and '{other}' in the second. Give a reconstruction the name of its original; suffixes may differ."
        )
    groups = [Group(name, first[name], tuple(files[name] for files in others)) for name in sorted(complete)]
    return Matches(groups, incomplete, unusable)


def match_pair(originals, reconstructions):
    """Match the images of two folders, or take two files as one pair.

    Parameters
    ----------
    originals, reconstructions : path-like
        Two folders of images, or two images.

    Returns
    -------
    Matches

    Raises
    ------
    SemsimError
        As from `match_folders`, and if one is a file and the other is not.
    """
    original, reconstruction = Path(originals), Path(reconstructions)
    if missing := [path for path in (original, reconstruction) if not path.exists()]:
        raise SemsimError(f"{missing[0]}: no such file or folder.")
    if original.is_dir() != reconstruction.is_dir():
        raise SemsimError(f"{original} and {reconstruction}: give two folders or two images, not one of each.")
    if original.is_dir():
        return match_folders(original, [reconstruction])
    return Matches([Group(printable(original.stem), original, (reconstruction,))], [], [])


def name_sets(arguments):
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
        name = printable(name)
        if name in folders:
            raise SemsimError(f"two sets are called '{name}'. Distinguish them with NAME=FOLDER.")
        folders[name] = Path(folder)
    if len(folders) < 2:
        raise SemsimError("one set cannot be compared. Give two or more folders, or use: semsim score")
    return folders


def _by_name(folder):
    """Return the image files of a folder by the name that pairs them."""
    files = {}
    for path in find_images(folder):
        files.setdefault(printable(path.relative_to(folder).with_suffix("").as_posix()), []).append(path)
    return files


def printable(path):
    """Return a path as a text that can be written everywhere, whatever the bytes of its name."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_group(group):
    """Read an original and its reconstructions.

    Parameters
    ----------
    group : Group

    Returns
    -------
    images : numpy.ndarray or None
        uint8 [1 + K, 3, H, W], the original first; None if a file is unusable.
    unusable : list of Unusable
        Files that cannot be read, are not images, are too large, or do not have the original's size.
    """
    images, unusable = {}, []
    for path in (group.original, *group.reconstructions):
        try:
            images[path] = decode_rgb(path.read_bytes(), FULL_SIZE, path)
        except OSError as error:
            unusable.append(Unusable(printable(path), f"cannot be read: {error.strerror}"))
        except MemoryError:
            unusable.append(Unusable(printable(path), "needs more memory than is available"))
        except SemsimError as error:
            # Messages are the file, what is wrong with it and a sentence of advice.
            reason = str(error).removeprefix(f"{path}: ").rpartition(". ")[0]
            unusable.append(Unusable(printable(path), printable(reason)))
    sizes = {path: f"{image.width}x{image.height}" for path, image in images.items()}
    expected = sizes.get(group.original)
    unusable += [
        Unusable(printable(path), f"{size} pixels, but its original {expected}")
        for path, size in sizes.items()
        if expected is not None and size != expected
    ]
    if unusable:
        return None, unusable
    arrays = [np.asarray(images[path]) for path in (group.original, *group.reconstructions)]
    return np.stack(arrays).transpose(0, 3, 1, 2), []
