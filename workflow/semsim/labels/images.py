"""The reconstructions of a study that annotators are shown, and the labels that a campaign collected for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.tables import KEYS, read_table
from semsim.labels.table import name_images, problem_in, read_labels
from semsim.text import first_few

if TYPE_CHECKING:
    import os

    import pandas as pd

IMAGE_COLUMNS = ["image", *KEYS, "label"]


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
            f" {first_few(foreign)}. Use the study from which the campaign was made."
        )
    return labels.assign(image=labels["image"].map(dict(zip(own["image"], studys_name, strict=True))))


def _read_images(path):
    """Read which reconstruction each image shows; refuse a table with missing values or duplicates.

    The study's names of the images are in the column reconstruction.
    """
    images = read_table(path)
    if missing := set(IMAGE_COLUMNS) - set(images):
        raise SemsimError(
            f"{path}: columns {', '.join(sorted(missing))} are missing. Needed are {', '.join(IMAGE_COLUMNS)}."
        )
    problems = [
        problem
        for column in IMAGE_COLUMNS
        for problem in problem_in(images, images[column].isna(), column, "missing; fill it in")
    ]
    if not problems:
        # Labels of two images of one reconstruction would count one annotator twice.
        images = images.assign(reconstruction=name_images(images))
        problems = [
            problem
            for column in ("image", "reconstruction")
            for problem in problem_in(images, images[column].duplicated(), column, "duplicate of a line above")
        ]
    if problems:
        raise SemsimError("\n  ".join([f"{path}: not a valid table of images:", *problems]))
    return images
