"""From a data set's settings to its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.data.dataset import SPLITS, ImageDataset
from semsim.data.request import check_request

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence


def prepare_dataset(
    name: str,
    settings: dict,
    image_size: int,
    seed: int,
    mirror: str | os.PathLike | None = None,
    numbers: Sequence[int] | None = None,
) -> ImageDataset:
    """Make a data set: render it, read it from disk, or download it.

    Parameters
    ----------
    name : str
        Name of the data set in the study.
    settings : dict
        As in `semsim.data.request.DatasetSettings`.
    image_size : int
        Side of the square images in pixels.
    seed : int
        The study's seed. The same seed gives the same images on every machine.
    mirror : path-like, optional
        The folder in which a relative `path` and ``<kind>.zip`` of a published data set are looked up first.
    numbers : sequence of int, optional
        Which images are the originals, by their places in the published order of the test part, from 0; the first ones,
        if there are more than requested. Only CIFAR-100 has such an order, in its publisher's file. From any other
        source, the originals are drawn.

    Returns
    -------
    ImageDataset

    Raises
    ------
    SemsimError
        If the settings are invalid, or the requested images are not available.

    Examples
    --------
    >>> dataset = prepare_dataset("symbols", {"kind": "glyphs", "train": 3, "originals": 2, "public": 1}, 32, seed=1)
    >>> dataset.splits["train"].images.shape
    (3, 3, 32, 32)
    """
    kind, request = check_request(name, settings, image_size, seed, mirror, numbers)
    classes, splits = kind.read(request)
    return ImageDataset(name, settings["kind"], classes, {split: splits[split] for split in SPLITS})
