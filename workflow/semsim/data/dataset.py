"""An image data set with three splits, in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.io.stored_arrays import open_arrays
from semsim.io.tables import write_table
from semsim.io.tensors import read_metadata, write_arrays

if TYPE_CHECKING:
    import os

    from semsim.io.stored_arrays import StoredArray

SPLITS = ("train", "originals", "public")
"""`train`: for target models; `originals`: attacked; `public`: for everything else that needs images of the classes."""


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes
    ----------
    images : numpy.ndarray
        uint8, shape (n, 3, size, size), RGB.
    labels : numpy.ndarray
        int64, shape (n,), positions in the data set's `classes`.
    sources : list of str
        The origin of each image: a file, a row of a table, or the font and photograph of a rendered image.
    numbers : tuple of int or None
        The place of each image in the published order of the test part, from 0, where that is known.
    """

    images: np.ndarray
    labels: np.ndarray
    sources: list[str]
    numbers: tuple[int, ...] | None = None

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """Three disjoint splits over the same classes.

    Attributes
    ----------
    name, kind : str
        The data set's name in the study, and its kind (one of `semsim.data.KINDS`).
    classes : tuple of str
        Class names; a label is an index into it.
    splits : dict of str to Split
        One for each of `SPLITS`.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    splits: dict[str, Split]

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return self.splits["train"].images.shape[-1]


def save_dataset(dataset: ImageDataset, path: str | os.PathLike, index_path: str | os.PathLike) -> None:
    """Write a data set for later stages.

    Parameters
    ----------
    dataset : ImageDataset
    path : path-like
        The safetensors file: `<split>_images` and `<split>_labels` for each split; name, kind, classes,
        image size, and the published numbers of the originals, in its header.
    index_path : path-like
        The table of all images, for people: split, index, label, class, source.
    """
    metadata = {
        "name": dataset.name,
        "kind": dataset.kind,
        "classes": list(dataset.classes),
        "image_size": dataset.image_size,
        "published_numbers": dataset.splits["originals"].numbers,
    }
    arrays = {}
    tables = []
    for name, split in dataset.splits.items():
        arrays |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
        tables.append(
            pd.DataFrame(
                {
                    "split": name,
                    "index": np.arange(len(split)),
                    "label": split.labels,
                    "class": [dataset.classes[label] for label in split.labels],
                    "source": split.sources,
                }
            )
        )
    write_arrays(arrays, path, metadata)
    write_table(pd.concat(tables, ignore_index=True), index_path)


def load_split(path: str | os.PathLike, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one split of a data set written by `save_dataset`.

    Parameters
    ----------
    path : path-like
        The safetensors file.
    split : {"train", "originals", "public"}

    Returns
    -------
    images : numpy.ndarray
        uint8, shape (n, 3, size, size), RGB.
    labels : numpy.ndarray
        int64, shape (n,).
    """
    images, labels = open_split(path, split)
    return images[:], labels


def open_split(path: str | os.PathLike, split: str) -> tuple[StoredArray, np.ndarray]:
    """Return what `load_split` returns, but leave the images in the file (as a `StoredArray`)."""
    arrays = open_arrays(path, f"{split}_images", f"{split}_labels")
    return arrays[f"{split}_images"], arrays[f"{split}_labels"][:]


def load_classes(path: str | os.PathLike) -> tuple[str, ...]:
    """Read the class names of a data set written by `save_dataset`, as a tuple in label order."""
    return tuple(read_metadata(path)["classes"])
