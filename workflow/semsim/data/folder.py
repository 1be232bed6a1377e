"""Your own images: `<class>/<image>` or `<split>/<class>/<image>`, in a folder or a .zip file."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from semsim.data.dataset import Split
from semsim.data.decoding import SUFFIXES, decode_square
from semsim.data.sources import find_source, open_source
from semsim.data.splits import Candidate, choose_splits
from semsim.errors import SemsimError
from semsim.io.folders import list_folder
from semsim.names import composed
from semsim.progress import progress_bar

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from semsim.data.cifar import CifarArchive
    from semsim.data.request import Request
    from semsim.data.sources import Archive, Folder, Selection, TarArchive

TRAINING_PARTS = frozenset(("train", "training"))
HELD_OUT_PARTS = frozenset(("test", "testing", "val", "valid", "validation"))
LAYOUTS = "Expected <class>/<image>, or <split>/<class>/<image> with the splits 'train' and 'test' (or 'val')"


class Listing(NamedTuple):
    """The images of a data set by class; those of its held-out part separately, or None if it has no parts."""

    images: dict[str, list[str]]
    held_out: dict[str, list[str]] | None


def read_folder(request: Request) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Choose and read images for the three splits.

    The parts of a data set are kept apart: the target models' images come from `train`, the originals from `test` and
    `val`, the public ones from what is left of both. Images are listed first and chosen by the seed, and only chosen
    ones are decoded. Of images with equal pixels (at the study's size) only one is used, so that no image is in two
    splits under two names.

    Parameters
    ----------
    request : semsim.data.request.Request

    Returns
    -------
    classes : tuple of str
        The names of the class folders, sorted.
    splits : dict of str to Split
        The source of an image is its path inside the data set.

    Raises
    ------
    SemsimError
        If the data set or one of the chosen images is invalid, or there are too few images.
    """
    with open_source(find_source(request)) as source:
        return read_images(source, request)


def read_images(
    source: Folder | Archive | TarArchive | Selection | CifarArchive, request: Request, ordered: bool = False
) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Choose and read images like `read_folder`, from an open source (`semsim.data.sources`).

    `ordered` tells whether the source names its images in their published order. Then the originals are those whose
    numbers the request has, if it has any.
    """
    names = source.names()
    listing = list_images(names, source.path)
    classes = request.first_classes(listing.images)
    require_images(listing, classes, source.path)
    images = _candidates(listing.images, classes)
    held_out = None if listing.held_out is None else _candidates(listing.held_out, classes)
    numbers = request.numbers[: request.counts["originals"]] if ordered and request.numbers is not None else None
    originals = None if numbers is None else _numbered(held_out, names, numbers, request.name)
    chosen, pixels = _read_distinct(source, images, held_out, request, originals)
    splits = {}
    for split, candidates in chosen.items():
        square = (len(candidates), 3, request.image_size, request.image_size)
        splits[split] = Split(
            images=np.array([pixels[image.key] for image in candidates], dtype=np.uint8).reshape(square),
            labels=np.array([image.label for image in candidates], dtype=np.int64),
            sources=[image.key for image in candidates],
            numbers=numbers if split == "originals" else None,
        )
    return classes, splits


def find_images(folder: str | os.PathLike) -> list[Path]:
    """Return the image files in a folder and all folders below it, sorted; hidden ones are ignored.

    Folders are walked as by `semsim.io.folders.list_folder`.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    SemsimError
        If the folder does not exist or contains no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SemsimError(f"{folder}: no such folder of images.")
    found = [folder / name for name in list_folder(folder).files if PurePosixPath(name).suffix.lower() in SUFFIXES]
    if not found:
        raise SemsimError(f"{folder}: no images (files that end in {', '.join(sorted(SUFFIXES))}).")
    return found


def list_images(names: Iterable[str], where: str | os.PathLike) -> Listing:
    """Determine the class and part of each image.

    Hidden files, operating-system metadata and files without an image suffix are ignored. A single folder around
    everything, as in many archives, is skipped.

    Parameters
    ----------
    names : iterable of str
        The paths of files, and those of folders with a "/" at the end.
    where : path-like
        The location of the data set, for messages.

    Returns
    -------
    Listing
        It has every class folder, even without images.

    Raises
    ------
    SemsimError
        If the images are laid out in any other way.
    """
    images, folders = {}, set()
    for name in names:
        path = PurePosixPath(name)
        if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
            continue
        folder = path if name.endswith("/") else path.parent
        folders.update(above.parts for above in (folder, *folder.parents))
        if folder != path and path.suffix.lower() in SUFFIXES:
            images[name] = path.parts
    if not images:
        raise SemsimError(f"{where}: no images (files that end in {', '.join(sorted(SUFFIXES))}). {LAYOUTS}.")
    folders.discard(())
    while len({folder[0] for folder in folders}) == 1 and min(map(len, images.values())) > 2:
        images = {name: parts[1:] for name, parts in images.items()}
        folders = {folder[1:] for folder in folders if len(folder) > 1}

    depths = set(map(len, images.values()))
    if depths == {2}:
        return Listing(_by_class(images, folders, 0), None)
    parts = {folder[0].lower() for folder in folders}
    if depths == {3} and parts <= TRAINING_PARTS | HELD_OUT_PARTS and parts & TRAINING_PARTS and parts & HELD_OUT_PARTS:
        return Listing(_by_class(images, folders, 1, TRAINING_PARTS), _by_class(images, folders, 1, HELD_OUT_PARTS))
    raise SemsimError(f"{where}: {_misfit(images, folders)}. {LAYOUTS}; move or remove what does not fit.")


def _by_class(images, folders, level, parts=None):
    """Return the names of images by class folder, the `level`-th in a path; if `parts` are given, only below these."""
    names = {composed(folder[level]): [] for folder in folders if len(folder) > level}
    for name, path in images.items():
        if parts is None or path[0].lower() in parts:
            names[composed(path[level])].append(name)
    return names


def _misfit(images, folders):
    """Give an example of why a layout is neither of the two."""
    depths = Counter(map(len, images.values()))
    if set(depths) == {3}:
        upper = ", ".join(sorted({folder[0] for folder in folders})[:5])
        return f"the upper folders ({upper}, ...) are not splits"
    rare = min(depths, key=depths.get)
    example = min(name for name, path in images.items() if len(path) == rare)
    return f"'{example}' does not fit"


def require_images(listing: Listing, classes: Iterable[str], where: str | os.PathLike) -> None:
    """Raise a `SemsimError` for a class folder without an image (in either part, if there are parts)."""
    for images, part in ((listing.images, "training part"), (listing.held_out, "held-out part")):
        for name in classes if images is not None else ():
            if not images[name]:
                which = f" in the {part}" if listing.held_out is not None else ""
                raise SemsimError(f"{where}: class '{name}' has no image{which}. Put some there, or remove the folder.")


def _candidates(images, classes):
    """Return the images that may be chosen: those of `classes`, labelled."""
    return [Candidate(name, label) for label, class_name in enumerate(classes) for name in images[class_name]]


def _numbered(held_out, names, numbers, dataset):
    """Return the held-out images with these places in the published order."""
    places = {name: place for place, name in enumerate(names)}
    in_order = sorted(held_out, key=lambda image: places[image.key])
    if not numbers or max(numbers) >= len(in_order):
        raise SemsimError(f"data set '{dataset}': has {len(in_order)} test images, fewer than the originals' numbers.")
    return [in_order[number] for number in numbers]


def _read_distinct(source, images, held_out, request, originals):
    """Choose candidates and decode them; repeat without duplicates (by pixels) until there are none.

    Given originals all stay.

    Returns what `choose_splits` returns, and the pixels by key.
    """
    pixels, first_with, repeated = {}, {}, set()
    given = {image.key for image in originals or ()}
    while True:
        images = [image for image in images if image.key not in repeated]
        held_out = held_out if held_out is None else [image for image in held_out if image.key not in repeated]
        chosen = choose_splits(images, request, held_out, originals)
        # Originals first: of two equal images, the original stays.
        wanted = [image.key for split in ("originals", "train", "public") for image in chosen[split]]
        new = [key for key in wanted if key not in pixels]
        if not new:
            break
        with progress_bar(len(new), f"{request.name}: reading images", unit="image") as bar:
            for key, content in source.contents(new):
                pixels[key] = decode_square(content, request.image_size, source.where(key))
                bar.update()
        for key in new:  # not in the order in which the source yields them
            if first_with.setdefault(hashlib.blake2b(pixels[key].tobytes()).digest(), key) != key and key not in given:
                repeated.add(key)
                del pixels[key]
        if repeated:
            tqdm.write(f"{request.name}: {len(repeated)} duplicate images left out", file=sys.stderr)
    return chosen, pixels
