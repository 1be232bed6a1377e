"""What a campaign is made of: reconstructions of a study, or images from any folder."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from semsim.data.dataset import load_classes, load_split
from semsim.data.decoding import read_rgb
from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.io.tables import KEYS, read_table
from semsim.io.tensors import read_arrays
from semsim.io.texts import read_names
from semsim.labelling.campaign import (
    SOURCE,
    Classes,
)
from semsim.labels.images import shown_images
from semsim.names import composed, near_twins, why_no_name
from semsim.settings import validated
from semsim.text import first_few

if TYPE_CHECKING:
    pass

CHECKS_PER_DATASET = 24
"""Number of clear images from which attention checks are drawn."""
LONGEST_SIDE = 1024
"""Maximum side in pixels of images from a folder: more than a page shows."""


class Material(NamedTuple):
    """What a campaign is made of.

    Attributes
    ----------
    images, checks : pandas.DataFrame
        The columns of ``images.csv`` and ``checks.csv`` without the name, and `picture`: a function that returns the
        image (`PIL.Image.Image`). Images from files also have `source`, their paths.
    classes : dict of str to list of str
        Class names by data set.
    source : str
        Where the images come from, for the data card.
    """

    images: pd.DataFrame
    checks: pd.DataFrame
    classes: dict[str, list[str]]
    source: str


def from_study(
    results: str | os.PathLike,
    per_attack: int | None,
    seed: int,
    only: dict[str, list[str]] | None = None,
    per_rate: int | None = None,
) -> Material:
    """Take reconstructions of a study, and images of its public split for attention checks.

    Public images show the same classes and are never attacked, so no check is the original of a reconstruction.

    Parameters
    ----------
    results : path-like
        ``results/<study>``, with the table of attacks.
    per_attack : int or None
        How many reconstructions to take per data set, target model and attack; None takes all. The originals of a data
        set are used equally often.
    seed : int
    only : dict of str to list of str, optional
        The names to take, by ``dataset``, ``target`` and ``attack``; an empty list or None takes all.
    per_rate : int, optional
        Instead of `per_attack`: how many reconstructions to take per data set and recognition rate in the study.

    Returns
    -------
    Material

    Raises
    ------
    SemsimError
        If files of the study are missing, or it does not have one of the names.
    """
    results = Path(results)
    shown = _restricted(shown_images(read_table(results / "tables" / "attacks.csv")), only or {}, results)
    generator = np.random.default_rng(seed)
    if per_rate is None:
        chosen = choose_reconstructions(shown, per_attack, generator)
    else:
        recognition = read_table(results / "tables" / "recognition.csv")
        chosen = choose_by_rate(shown, recognition, per_rate, generator)
    pictures = []
    for names, rows in chosen.groupby(KEYS[:3], sort=False):
        path = results / "reconstructions" / "/".join(map(str, names))
        arrays = read_arrays(path.with_name(f"{path.name}.safetensors"), "reconstruction")["reconstruction"]
        pictures += [partial(_picture, arrays[original]) for original in rows["original"]]
    files = {dataset: results / "data" / f"{dataset}.safetensors" for dataset in chosen["dataset"].unique()}
    checks = [_clear_images(dataset, file, generator) for dataset, file in files.items()]
    return Material(
        images=chosen.assign(picture=pictures),
        checks=pd.concat(checks, ignore_index=True),
        classes={dataset: list(load_classes(file)) for dataset, file in files.items()},
        source=f"the study `{results.name}`",
    )


def _restricted(shown, only, results):
    """Keep the reconstructions of some data sets, target models and attacks."""
    for key, names in only.items():
        known = shown[key].astype(str)
        if unknown := [name for name in names or () if name not in set(known)]:
            raise SemsimError(
                f"{results}: no reconstruction with {key} {', '.join(unknown)}."
                f" Choose from {', '.join(known.unique())}."
            )
        shown = shown[known.isin(names)] if names else shown
    if shown.empty:
        raise SemsimError(f"{results}: no reconstruction is left to show. Relax the selection.")
    return shown


def choose_reconstructions(shown: pd.DataFrame, per_attack: int | None, generator: np.random.Generator) -> pd.DataFrame:
    """Choose at random for each data set, target model and attack, among the originals used least so far.

    Parameters
    ----------
    shown : pandas.DataFrame
        dataset, target, attack, original and more.
    per_attack : int or None
        None chooses all.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows of `shown`, grouped by attack. If every attack has every original, the numbers of times that two originals
        of a data set are chosen never differ by more than one.
    """
    used, chosen = Counter(), []
    for (dataset, *_), rows in shown.groupby(KEYS[:3], sort=False):
        rows = rows.sample(frac=1, random_state=generator)
        uses = rows["original"].map(lambda original, dataset=dataset: used[dataset, original])
        rows = rows.iloc[np.argsort(uses, kind="stable")[:per_attack]].sort_values("original")
        used.update((dataset, original) for original in rows["original"])
        chosen.append(rows)
    return pd.concat(chosen, ignore_index=True)


def choose_by_rate(
    shown: pd.DataFrame, recognition: pd.DataFrame, per_rate: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Choose as many reconstructions of each recognition rate at random, so that clear and hopeless ones are alike.

    Parameters
    ----------
    shown : pandas.DataFrame
        dataset, target, attack, original and more.
    recognition : pandas.DataFrame
        The same keys, labels and recognition_rate. Rates are compared to the nearest multiple of 0.1.
    per_rate : int
        Per data set and rate; where there are fewer, all of them.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows of `shown`, grouped by attack.
    """
    rated = shown.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS).drop_duplicates(KEYS)
    shuffled = rated.sample(frac=1, random_state=generator)
    chosen = shuffled.groupby(["dataset", shuffled["recognition_rate"].round(1)]).head(per_rate)
    return chosen.sort_values(KEYS, kind="stable")[list(shown)].reset_index(drop=True)


def _clear_images(dataset, file, generator):
    """Choose clear images of a data set, of as many classes as possible."""
    images, labels = load_split(file, "public")
    pictures = [partial(_picture, image) for image in images]
    return _of_many_classes(pd.DataFrame({"dataset": dataset, "label": labels, "picture": pictures}), generator)


def _of_many_classes(table, generator):
    table = table.sample(frac=1, random_state=generator)
    return table.iloc[np.argsort(table.groupby("label").cumcount(), kind="stable")[:CHECKS_PER_DATASET]]


def _picture(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))


def from_folder(
    folder: str | os.PathLike,
    seed: int,
    most: int | None = None,
    classes: str | os.PathLike | None = None,
    checks: str | os.PathLike | None = None,
) -> Material:
    """Take images from any folder: ``<class>/<image>``, or ``<image>`` if the true class is unknown.

    Parameters
    ----------
    folder : path-like
    seed : int
    most : int, optional
        Take this many images at random.
    classes : path-like, optional
        A text file with one class name per line. Without it, the classes are the folders.
    checks : path-like, optional
        A folder ``<class>/<image>`` of clear images for attention checks, different from those asked about.

    Returns
    -------
    Material
        Target and attack are ``unknown``, and so is the class of an image outside a class folder.

    Raises
    ------
    SemsimError
        If there are no images or no classes, an image is elsewhere, or a class is unknown.
    """
    folder, generator = Path(folder), np.random.default_rng(seed)
    dataset, found = _name_of(folder), _find_images(folder)
    names = read_names(classes) if classes else sorted({_class_of(path, folder) for path in found} - {None})
    if not names and classes:
        raise SemsimError(f"{classes}: empty. Write the names of the classes, one per line.")
    if not names:
        raise SemsimError(f"{folder}: no class folders. Sort images into <class>/<image>, or give --classes FILE.")
    check_classes(names, classes or folder)
    if twins := near_twins(names):
        warnings.warn(f"{folder}: classes {' and '.join(map(repr, twins))} are hard to tell apart.", stacklevel=2)
    images = _labelled(folder, found, names).assign(target="unknown", attack="unknown", original=range(len(found)))
    clear = _labelled(Path(checks), _find_images(Path(checks)), names) if checks else _labelled(folder, [], names)
    if clear["label"].isna().any():
        raise SemsimError(f"{checks}: images outside class folders; a check needs a class: <class>/<image>.")
    return Material(
        images=choose_reconstructions(images.assign(dataset=dataset), most, generator),
        checks=_of_many_classes(clear.assign(dataset=dataset), generator),
        classes={dataset: names},
        source="a folder of images",
    )


def _name_of(folder):
    """Return the name of the data set that a folder is: its own name, wherever it was called from."""
    name = composed(Path(os.path.abspath(folder)).name)
    if not name:
        raise SemsimError(
            f"{folder}: has no name that could be that of the data set. Give a folder in it, or a link to it."
        )
    if reason := why_no_name(name):
        raise SemsimError(
            f"{folder}: its name, {name!r}, would be that of the data set, and {reason}. Rename it, or give a link to"
            " it that has another name."
        )
    return name


def _find_images(folder):
    """Return the image files in a folder and its class folders, and refuse any that are deeper."""
    found = find_images(folder)
    if deep := [path for path in found if len(path.relative_to(folder).parts) > 2]:
        raise SemsimError(f"{deep[0]}: nested too deeply. Put images into {folder}/<class>/ or {folder}/ itself.")
    return found


def check_classes(names: list[str], origin: str | os.PathLike) -> None:
    """Check that a campaign can have these classes.

    Raises
    ------
    SemsimError
        If it cannot, about where they come from.
    """
    validated(Classes, {"classes": names}, f"{origin}: cannot be the classes of a campaign")


def _class_of(path, folder):
    """Return the name of the class folder that an image is in, or None."""
    return composed(path.parent.name) if path.parent != folder else None


def _labelled(folder, paths, names):
    """Return label, picture and source of images; the labels follow from the names of their folders."""
    folders = [_class_of(path, folder) for path in paths]
    if unknown := sorted({name for name in folders if name is not None} - set(names)):
        raise SemsimError(f"{folder}: folder '{unknown[0]}' is not one of the classes: {first_few(names)}.")
    return pd.DataFrame(
        {
            "label": pd.array([None if name is None else names.index(name) for name in folders], dtype="Int64"),
            "picture": [partial(_decoded, path) for path in paths],
            SOURCE: [composed(path.relative_to(folder).as_posix()) for path in paths],
        }
    )


def _decoded(path):
    image = read_rgb(path, LONGEST_SIDE)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image
