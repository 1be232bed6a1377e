"""From a data set's settings to its images."""

from functools import partial

from semsim.data.dataset import SPLITS, ImageDataset
from semsim.data.digits import read_digits
from semsim.data.folder import read_folder
from semsim.data.published import PUBLISHED, read_published
from semsim.data.rendering import GLYPHS, LETTERS, render
from semsim.data.request import Request
from semsim.errors import SemsimError

KINDS = {
    "folder": read_folder,
    "glyphs": partial(render, GLYPHS),
    "letters": partial(render, LETTERS),
    "mnist": read_digits,
    **{kind: partial(read_published, kind) for kind in PUBLISHED},
}
"""Kinds of data sets: functions of a `Request` that return the class names and a `Split` for each of `SPLITS`."""


def prepare_dataset(name, settings, image_size, seed, mirror=None):
    """Make a data set: render it, read it from disk, or download it.

    Parameters
    ----------
    name : str
        Name of the data set in the study.
    settings : dict
        Its settings (`datasets.<name>` of the config): `kind`; the numbers of images `train`, `originals` and `public`;
        optionally `classes` (use only the first n classes by name); for the kind `folder` also `path`.
    image_size : int
        Side of the square images in pixels.
    seed : int
        The study's seed. The same seed gives the same images on every machine.
    mirror : path-like, optional
        The folder in which a relative `path` and ``<kind>.zip`` of a published data set are looked up first.

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
    kind = settings.get("kind")
    if kind not in KINDS:
        raise SemsimError(f"data set '{name}': no such kind: {kind!r}. Choose one of {', '.join(KINDS)}.")
    classes, splits = KINDS[kind](Request.from_settings(name, settings, image_size, seed, mirror))
    return ImageDataset(name, kind, classes, {split: splits[split] for split in SPLITS})
