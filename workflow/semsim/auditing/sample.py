"""The images of an audit: a balanced sample that is attacked, and others of the same classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from semsim.data.decoding import decode_rgb, decode_square
from semsim.data.folder import list_images, require_images
from semsim.data.sources import open_source
from semsim.data.splits import Candidate, balanced_order
from semsim.errors import SemsimError
from semsim.io.texts import read_names
from semsim.names import printable
from semsim.progress import progress_bar
from semsim.scoring.folders import FULL_SIZE
from semsim.text import counted, suggestion

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

LARGEST_IMAGE = 512
"""Side in pixels beyond which nothing can be attacked, as in a study."""
MOST_OTHERS = 20
"""Images of each class, besides those that are attacked, of which the mean image of the class is made."""
KEY = "audit"
"""What the seeds of samples are drawn for."""


@dataclass(frozen=True)
class Sample:
    """What is attacked, and other images of the same classes.

    Attributes
    ----------
    images, others : torch.Tensor, [N, 3, S, S] and [M, 3, S, S]
        uint8, or floating point in [0, 1].
    labels, other_labels : torch.Tensor, int64, [N] and [M]
    names : list of str
        Of the attacked images: their paths in the folder, or their places in the batch.
    classes : tuple of str
        Names by label.
    """

    images: torch.Tensor
    labels: torch.Tensor
    names: list[str]
    others: torch.Tensor
    other_labels: torch.Tensor
    classes: tuple[str, ...]

    def first(self, originals: int) -> Sample:
        """Return the sample that would have been chosen with fewer originals."""
        others = torch.cat([self.images[originals:], self.others])
        labels = torch.cat([self.labels[originals:], self.other_labels])
        kept = _first_of_each(labels.tolist())
        attacked = self.images[:originals], self.labels[:originals], self.names[:originals]
        return Sample(*attacked, others[kept], labels[kept], self.classes)


def read_classes(path: str | os.PathLike) -> tuple[str, ...]:
    """Read the names of a model's classes from a text file, one per line, in the order of its outputs.

    Raises
    ------
    SemsimError
        If it cannot be read, or has fewer than two names, or one of them twice.
    """
    names = read_names(path)
    if len(names) < 2 or len(set(names)) < len(names):
        problem = "one name is there twice" if len(set(names)) < len(names) else "fewer than two names"
        raise SemsimError(f"{path}: {problem}. Write the names of the model's classes in order, one per line.")
    return tuple(names)


def read_sample(
    folder: str | os.PathLike,
    originals: int,
    seed: int,
    image_size: int | None = None,
    classes: Sequence[str] | None = None,
) -> Sample:
    """Choose and read images of a folder; where it has a training and a test part, those of the test part.

    Parameters
    ----------
    folder : path-like
        Or a .zip file, with ``<class>/<image>`` or ``<split>/<class>/<image>``.
    originals : int
        How many images are attacked, if there are as many; the classes take turns.
    seed : int
        It decides which ones.
    image_size : int, optional
        Side in pixels to which images are cropped and resized. By default they have to be square and of one size.
    classes : sequence of str, optional
        Names of the model's classes in order. By default, the folders of classes in alphabetical order.

    Raises
    ------
    SemsimError
        If the folder is not laid out like this, a class has no image or is none of the model's, or an image cannot be
        used.
    """
    path = Path(folder)
    if not path.exists():
        raise SemsimError(f"{folder}: no such folder of images.")
    with open_source(path) as source:
        listing = list_images(source.names(), folder)
        images = listing.images if listing.held_out is None else listing.held_out
        require_images(listing, sorted(images), folder)
        names = tuple(sorted(images)) if classes is None else tuple(classes)
        if len(names) < 2:
            raise SemsimError(f"{folder}: has one class. Give images of two or more, or all of the model's --classes.")
        if unknown := [name for name in images if name not in names]:
            raise SemsimError(
                f"{folder}: '{printable(unknown[0])}' is none of the model's classes.{suggestion(unknown[0], names)}"
                " Rename the folder, or correct --classes."
            )
        candidates = [Candidate(key, names.index(name)) for name in sorted(images) for key in images[name]]
        chosen, others = _chosen(candidates, originals, seed)
        pixels = _read(source, [*chosen, *others], image_size, folder)
    labels = torch.tensor([each.label for each in (*chosen, *others)])
    split = len(chosen)
    names_of_files = [each.key for each in chosen]
    return Sample(pixels[:split], labels[:split], names_of_files, pixels[split:], labels[split:], names)


def sample_of(images: torch.Tensor, labels: torch.Tensor, originals: int, seed: int, classes: int) -> Sample:
    """Choose from a batch of images, as `read_sample` does from a folder.

    Parameters
    ----------
    images : torch.Tensor, shape [N, 3, S, S]
    labels : torch.Tensor, shape [N], int64
    originals, seed : int
    classes : int
        Number of the model's classes, which are named after their numbers.
    """
    candidates = [Candidate(place, label) for place, label in enumerate(labels.tolist())]
    chosen, others = _chosen(candidates, originals, seed)
    places, rest = ([each.key for each in part] for part in (chosen, others))
    names = tuple(map(str, range(classes)))
    return Sample(images[places], labels[places], list(map(str, places)), images[rest], labels[rest], names)


def _chosen(candidates, originals, seed):
    """Return the candidates to attack, and up to `MOST_OTHERS` more of each class."""
    ordered = balanced_order(candidates, seed, KEY)
    others = ordered[originals:]
    return ordered[:originals], [others[place] for place in _first_of_each([each.label for each in others])]


def _first_of_each(labels):
    """Return the places of the first `MOST_OTHERS` images of each class, in order."""
    seen = Counter()
    places = []
    for place, label in enumerate(labels):
        seen[label] += 1
        if seen[label] <= MOST_OTHERS:
            places.append(place)
    return places


def _read(source, candidates, image_size, folder):
    """Return the pixels of candidates, uint8 [N, 3, S, S], in their order."""
    if image_size is not None and image_size > LARGEST_IMAGE:
        raise SemsimError(
            f"--image-size: {image_size:,} is beyond {LARGEST_IMAGE} pixels a side. Choose a smaller one."
        )
    decoded = {}
    with progress_bar(len(candidates), "reading images", unit="image") as bar:
        for key, content in source.contents([each.key for each in candidates]):
            where = source.where(key)
            if image_size is None:
                image = np.asarray(decode_rgb(content, FULL_SIZE, where)).transpose(2, 0, 1).copy()
                _check_size(image, where)
            else:
                image = decode_square(content, image_size, where)
            decoded[key] = image
            bar.update()
    sides = {image.shape[-1]: key for key, image in decoded.items()}
    if len(sides) > 1:
        (one, first), (other, second), *_ = sides.items()
        raise SemsimError(
            f"{folder}: images differ in size ({printable(first)} has {counted(one, 'pixels')} a side,"
            f" {printable(second)} {other}). Give --image-size, to which they are cropped and resized."
        )
    return torch.from_numpy(np.stack([decoded[each.key] for each in candidates]))


def _check_size(image, where):
    """Refuse an image that cannot be attacked as it is."""
    height, width = image.shape[1:]
    if height != width or width > LARGEST_IMAGE:
        problem = "not square" if height != width else f"more than {LARGEST_IMAGE} pixels a side"
        raise SemsimError(
            f"{where}: {width}x{height} pixels, {problem}. Give --image-size, to which images are cropped and resized."
        )
