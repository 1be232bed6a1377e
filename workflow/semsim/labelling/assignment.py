"""Who is shown what, and in which order: a balanced choice of images, mixed with attention checks and repeats."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ASKED, CHECK, REPEAT = "asked", "check", "repeat"
PURPOSES = (ASKED, CHECK, REPEAT)


class Item(NamedTuple):
    """One image in an annotator's order, and why it is shown: asked, check or repeat."""

    image: str
    purpose: str


def choose_images(
    images: pd.DataFrame,
    labels: dict[str, int],
    labels_per_image: int,
    most: int,
    generator: np.random.Generator,
    held: dict[str, int] | None = None,
) -> pd.DataFrame:
    """Choose the images for one more annotator: those with the fewest labels so far.

    Among images with equally many labels, those of different originals come first: someone who has seen one
    reconstruction of an original is no longer impartial about the next. Remaining ties are broken at random.

    Parameters
    ----------
    images : pandas.DataFrame
        image, dataset, original and more.
    labels : dict of str to int
        How many labels an image has, or will have when all active annotators have finished; 0 if it is missing.
    labels_per_image : int
        Images with this many labels are not chosen.
    most : int
        Number of images to choose.
    generator : numpy.random.Generator
    held : dict of str to int, optional
        How many more labels an image may get from people who may never answer. It counts for the order alone.

    Returns
    -------
    pandas.DataFrame
        `most` rows of `images`; fewer if no more need labels. With repeated calls, the numbers of labels of any two
        images never differ by more than one.
    """
    given = images["image"].map(labels).fillna(0).astype(int)
    likely = given + images["image"].map(held or {}).fillna(0).astype(int)
    waiting = images.assign(given=likely)[given < labels_per_image].sample(frac=1, random_state=generator)
    waiting["again"] = waiting.groupby(["given", "dataset", "original"]).cumcount()
    return waiting.sort_values(["given", "again"], kind="stable").head(most)[list(images)]


def arrange(
    asked: pd.DataFrame, checks: pd.DataFrame, check_share: float, repeat_share: float, generator: np.random.Generator
) -> list[Item]:
    """Put an annotator's images in order.

    Data sets follow one another, so that the list of classes seldom changes; their order, and that within each, is
    random. Checks are spread over a data set. Repeats are of images from the first half, with at least a quarter of the
    data set's images between the two showings.

    Parameters
    ----------
    asked, checks : pandas.DataFrame
        image and dataset: the images for this annotator, and all available clear images.
    check_share, repeat_share : float
        As shares of the images asked about; rounded up in each data set, as far as images are available.
    generator : numpy.random.Generator

    Returns
    -------
    list of Item
        Each check at most once, each repeat after the first showing.
    """
    order = []
    for dataset in generator.permutation(asked["dataset"].unique()):
        names, clear = (table["image"][table["dataset"] == dataset].to_numpy() for table in (asked, checks))
        order += _arrange_block(
            generator.permutation(names),
            generator.choice(clear, min(ceil(check_share * len(names)), len(clear)), replace=False),
            min(ceil(repeat_share * len(names)), len(names) // 4),
            generator,
        )
    return order


def _arrange_block(names, clear, repeats, generator):
    """Give every showing a position on a line where the images asked about are at 0, 1, 2, ...; then sort."""
    count = len(names)
    placed = [(place, Item(str(name), ASKED)) for place, name in enumerate(names)]
    stretch = count / max(len(clear), 1)
    for number, name in enumerate(clear):
        placed.append((generator.uniform(number, number + 1) * stretch - 0.5, Item(str(name), CHECK)))
    for first in generator.choice(count // 2, repeats, replace=False) if repeats else ():
        placed.append((generator.uniform(first + count // 4, count), Item(str(names[first]), REPEAT)))
    return [item for _, item in sorted(placed)]
