"""The reconstructions of a study that annotators are shown, and the labels that a campaign collected for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semsim.errors import SemsimError, refuse
from semsim.io.handmade import problem_in, read_rows, values_of
from semsim.io.tables import KEYS
from semsim.labels.table import name_images, read_labels
from semsim.names import why_no_name
from semsim.text import first_few

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

IMAGE_COLUMNS = ["image", *KEYS, "label"]
INVALID = "not a valid table of images"
COLUMNS_OF_NAMES = ("image", "dataset", "target", "attack")


def shown_images(attacks: pd.DataFrame) -> pd.DataFrame:
    """Return the images that annotators may be shown: every reconstruction that did not diverge.

    Parameters
    ----------
    attacks : pandas.DataFrame
        One row per reconstruction, as written by the attack stage.

    Returns
    -------
    pandas.DataFrame
        image (its name), dataset, target, attack, original, label (the true class).
    """
    shown = attacks[attacks["status"] != "diverged"].reset_index(drop=True)
    return shown.assign(image=name_images(shown))[IMAGE_COLUMNS]


def read_images(path: str | os.PathLike, columns: Sequence[str] = IMAGE_COLUMNS) -> pd.DataFrame:
    """Read ``images.csv`` of a campaign, or another table of images.

    Parameters
    ----------
    path : path-like
        A table as people or `semsim label` write it.
    columns : sequence of str
        Those that it must have; others may follow.

    Returns
    -------
    pandas.DataFrame
        As from `images_of`.

    Raises
    ------
    SemsimError
        If it cannot be read, or as for `images_of`.
    """
    return images_of(read_rows(path, columns), where=path)


def images_of(fields: pd.DataFrame, where: str | os.PathLike) -> pd.DataFrame:
    """Check a file of images and return what its fields say.

    Parameters
    ----------
    fields : pandas.DataFrame
        From `semsim.io.handmade.read_rows`: image, label and some of the keys.
    where : path-like
        The path of the file, for messages.

    Returns
    -------
    pandas.DataFrame
        Names are text; label (the true class) is a number, and missing where it is unknown; original is a number, or
        text if not all are numbers. The index says in which lines the rows are.

    Raises
    ------
    SemsimError
        If a name is missing or cannot be one, a label is not a number, or an image is there twice.
    """
    labels = values_of(fields["label"])
    wrong = labels.notna() & ~labels.map(lambda label: isinstance(label, int | float) and float(label).is_integer())
    names = [name for name in (*COLUMNS_OF_NAMES, "original") if name in fields]
    given = fields.mask(fields == "")
    twice = given["image"].duplicated() & given["image"].notna()
    refuse(
        [
            *(each for name in names for each in problem_in(given, given[name].isna(), name, "missing; fill it in")),
            *(
                each
                for name in names
                for each in problem_in(given, _unusable(given[name]), name, "not a name in tables")
            ),
            *problem_in(given, wrong, "label", "not the number of a class"),
            *problem_in(given, twice, "image", "duplicate of a line above"),
        ],
        f"{where}: {INVALID}",
    )
    table = fields.assign(label=labels.astype(float if labels.isna().any() else int))
    return table.assign(original=_numbers_or_names(table["original"])) if "original" in names else table


def _unusable(column):
    """Return which names, among those that are given, cannot be in tables."""
    return column.isin([name for name in column.dropna().unique() if why_no_name(name)])


def _numbers_or_names(column):
    numbers = values_of(column)
    return numbers if pd.api.types.is_integer_dtype(numbers) else column


def read_campaign(folder: str | os.PathLike, images: pd.DataFrame, classes: dict[str, int]) -> pd.DataFrame:
    """Read the labels that a campaign collected for reconstructions of a study.

    Parameters
    ----------
    folder : path-like
        The campaign, with ``images.csv`` and ``labels.csv`` as in annotations/README.md. Image names are arbitrary.
    images : pandas.DataFrame
        The study's images, from `shown_images`.
    classes : dict of str to int
        How many classes an annotator could name, by data set.

    Returns
    -------
    pandas.DataFrame
        The table of labels, with the study's names of the images.

    Raises
    ------
    SemsimError
        If a file is missing or invalid, or the campaign is not about this study: it has an image that the study does
        not have, or that has another class there.
    """
    folder = Path(folder)
    own = _read_images(folder / "images.csv")
    labels = read_labels(folder / "labels.csv", own, classes)
    studys_name = own["reconstruction"]
    known = images.set_index("image")["label"]
    foreign = studys_name[studys_name.map(known) != own["label"]]
    if len(foreign):
        raise SemsimError(
            f"{folder / 'images.csv'}: not in this study, diverged in it, or of another true class:"
            f" {first_few(list(foreign))}. Use the study from which the campaign was made."
        )
    return labels.assign(image=labels["image"].map(dict(zip(own["image"], studys_name, strict=True))))


def _read_images(path):
    """Read which reconstruction each image shows; refuse a table without true classes or with duplicates.

    The study's names of the images are in the column reconstruction.
    """
    images = read_images(path)
    images = images.assign(reconstruction=name_images(images))
    # Labels of two images of one reconstruction would count one annotator twice.
    twice = images["reconstruction"].duplicated()
    problems = [
        *problem_in(images, images["label"].isna(), "label", "missing; fill it in"),
        *problem_in(images, twice, "reconstruction", "duplicate of a line above"),
    ]
    refuse(problems, f"{path}: {INVALID}")
    return images
