"""Match reconstructions with originals by similarity: an attack on a batch returns its images in any order."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semsim.data.folder import find_images
from semsim.names import printable
from semsim.progress import progress_bar
from semsim.scoring.folders import READERS, Group, Matches, Unusable, name_of, read_image
from semsim.scoring.likeness import SIDE, assign, check_number, thumbnail
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence


def match_by_likeness(originals: str | os.PathLike, sets: Sequence[str | os.PathLike]) -> Matches:
    """Find the reconstructions of each original by an optimal assignment of thumbnails, each set by itself.

    All images are read once for that, and none is held.

    Parameters
    ----------
    originals : path-like
        A folder of images, at any depth.
    sets : sequence of path-like
        Folders of reconstructions, whatever their names.

    Returns
    -------
    Matches

    Raises
    ------
    SemsimError
        If a folder is missing, has no images, or too many to compare each with each.
    """
    folders = [Path(originals), *map(Path, sets)]
    found = [find_images(folder) for folder in folders]
    check_number(max(map(len, found)))
    unusable = []
    (first, of_first), *others = [_thumbnails(paths, unusable) for paths in found]
    partners = [assign(of_first, of_set) for _, of_set in others]
    groups, incomplete = [], []
    for place, original in enumerate(first):
        lacking = [folder for folder, matched in zip(folders[1:], partners, strict=True) if matched[place] < 0]
        if lacking:
            incomplete.append(Unusable(printable(original), f"nothing is left for it in {printable(lacking[0])}"))
            continue
        chosen = tuple(paths[matched[place]] for (paths, _), matched in zip(others, partners, strict=True))
        groups.append(Group(name_of(original.relative_to(folders[0])), original, chosen))
    for (paths, _), matched in zip(others, partners, strict=True):
        taken = set(matched)
        strays = [path for place, path in enumerate(paths) if place not in taken]
        unusable += [Unusable(printable(path), "no original is left for it") for path in strays]
    return Matches(groups, incomplete, unusable)


def _thumbnails(paths, unusable):
    """Return the images that can be read and their thumbnails [N, D]; add the others to `unusable`."""
    kept, thumbnails = [], []
    with ThreadPoolExecutor(READERS) as pool, progress_bar(len(paths), "matching", "image") as bar:
        for path, read in zip(paths, pool.map(_read, paths), strict=True):
            if isinstance(read, Unusable):
                unusable.append(read)
            else:
                kept.append(path)
                thumbnails.append(read)
            bar.update()
    return kept, np.array(thumbnails).reshape(len(kept), SIDE * SIDE * 3)


def _read(path):
    """Return the thumbnail of a file, or why there is none."""
    image = read_image(path, 4 * SIDE)
    return image if isinstance(image, Unusable) else thumbnail(image)


def about_matches(groups: Sequence[Group]) -> str:
    """Say that pairs were matched by similarity, and how many would have been matched by name.

    Parameters
    ----------
    groups : list of semsim.scoring.folders.Group

    Returns
    -------
    str
    """
    pairs = [(group, path) for group in groups for path in group.reconstructions]
    same = sum(group.original.stem == path.stem for group, path in pairs)
    return (
        f"Matched by similarity (an optimal assignment of thumbnails of {SIDE}x{SIDE} pixels), not by name: {same:,} of"
        f" {counted(len(pairs), 'pairs')} share a name."
    )
