"""Anyone's own images: `<class>/<image>` or `<split>/<class>/<image>`, in a folder or a .zip file."""

import hashlib
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from semsim.data.dataset import Split
from semsim.data.decoding import SUFFIXES, decode_square
from semsim.data.sources import find_source, open_source
from semsim.data.splits import Candidate, choose_splits
from semsim.errors import SemsimError
from semsim.progress import progress_bar

TRAINING_PARTS = frozenset(("train", "training"))
HELD_OUT_PARTS = frozenset(("test", "testing", "val", "valid", "validation"))
LAYOUTS = "Expected <class>/<image>, or <split>/<class>/<image> with the splits 'train' and 'test' (or 'val')"


class Listing(NamedTuple):
    """The images of a data set by class; those of its held-out parts apart, or None where it has no parts."""

    images: dict[str, list[str]]
    held_out: dict[str, list[str]] | None


def read_folder(request):
    """Choose and read images for the three splits.

    A data set that comes in parts keeps them apart: the target model's images are from `train`, the originals from
    `test` and `val`, the public ones from what is left of either. Images are listed first and chosen by the seed, and
    only chosen ones are decoded. Of images with equal pixels (at the study's size) only one is used, so that no image
    is in two splits under two names.

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
        If the data set or one of the chosen images is not as it must be, or there are too few images.
    """
    with open_source(find_source(request)) as source:
        return read_images(source, request)


def read_images(source, request):
    """Choose and read images as `read_folder` does, from an open source (`semsim.data.sources`)."""
    listing = list_images(source.names(), source.path)
    classes = request.first_classes(listing.images)
    _require_images(listing, classes, source.path)
    images = _candidates(listing.images, classes)
    held_out = None if listing.held_out is None else _candidates(listing.held_out, classes)
    chosen, pixels = _read_distinct(source, images, held_out, request)
    splits = {}
    for split, candidates in chosen.items():
        square = (len(candidates), 3, request.image_size, request.image_size)
        splits[split] = Split(
            images=np.array([pixels[image.key] for image in candidates], dtype=np.uint8).reshape(square),
            labels=np.array([image.label for image in candidates], dtype=np.int64),
            sources=[image.key for image in candidates],
        )
    return classes, splits


def find_images(folder):
    """Return the image files in a folder and all folders below it, sorted; hidden ones are left alone.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    SemsimError
        If there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SemsimError(f"{folder}: no such folder of images.")
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise SemsimError(f"{folder}: no images (files that end in {', '.join(sorted(SUFFIXES))}).")
    return found


def list_images(names, where):
    """Sort out which image belongs to which class and part.

    Hidden files, what operating systems leave behind and files without an image's suffix are left alone. A folder
    around everything, as many archives have it, is stepped over.

    Parameters
    ----------
    names : iterable of str
        The paths of files, and those of folders with a "/" at the end.
    where : path-like
        The data set's place, for messages.

    Returns
    -------
    Listing
        Every class folder is in it, also where it has no image.

    Raises
    ------
    SemsimError
        If the images are laid out in another way.
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
    raise SemsimError(f"{where}: {_misfit(images, folders)}. {LAYOUTS}; take away or move what does not belong to it.")


def _by_class(images, folders, level, parts=None):
    """The names of images by class folder, the `level`-th in a path; if `parts` are given, of those below them."""
    names = {folder[level]: [] for folder in folders if len(folder) > level}
    for name, path in images.items():
        if parts is None or path[0].lower() in parts:
            names[path[level]].append(name)
    return names


def _misfit(images, folders):
    """Say by an example why a layout is neither of the two."""
    depths = Counter(map(len, images.values()))
    if set(depths) == {3}:
        upper = ", ".join(sorted({folder[0] for folder in folders})[:5])
        return f"the upper folders ({upper}, ...) are not splits"
    rare = min(depths, key=depths.get)
    example = min(name for name, path in images.items() if len(path) == rare)
    return f"'{example}' does not fit"


def _require_images(listing, classes, where):
    """Raise a `SemsimError` for a class folder without an image (in either part, where there are parts)."""
    for images, part in ((listing.images, "training part"), (listing.held_out, "held-out part")):
        for name in classes if images is not None else ():
            if not images[name]:
                which = f" in the {part}" if listing.held_out is not None else ""
                raise SemsimError(f"{where}: class '{name}' has no image{which}. Put some there, or remove the folder.")


def _candidates(images, classes):
    """What may be chosen: the images of `classes`, labelled."""
    return [Candidate(name, label) for label, class_name in enumerate(classes) for name in images[class_name]]


def _read_distinct(source, images, held_out, request):
    """Choose candidates and decode them; choose again without those whose pixels were seen before, until none is left.

    Returns what `choose_splits` does, and the pixels by key.
    """
    pixels, first_with, repeated = {}, {}, set()
    while True:
        images = [image for image in images if image.key not in repeated]
        held_out = held_out if held_out is None else [image for image in held_out if image.key not in repeated]
        chosen = choose_splits(images, request, held_out)
        # Originals first: where two images are equal, it is the original that stays.
        wanted = [image.key for split in ("originals", "train", "public") for image in chosen[split]]
        new = [key for key in wanted if key not in pixels]
        if not new:
            break
        with progress_bar(len(new), f"{request.name}: reading images", unit="image") as bar:
            for key, content in source.contents(new):
                pixels[key] = decode_square(content, request.image_size, source.where(key))
                bar.update()
        for key in new:  # a source gives them in an order of its own
            if first_with.setdefault(hashlib.blake2b(pixels[key].tobytes()).digest(), key) != key:
                repeated.add(key)
                del pixels[key]
        if repeated:
            tqdm.write(f"{request.name}: {len(repeated)} images left out, equal to another one", file=sys.stderr)
    return chosen, pixels
