"""Campaigns of labels that were given elsewhere: by a panel, with another tool, or by models."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from semsim.data.decoding import LARGEST_FILE, decode_rgb
from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.io.handmade import read_rows
from semsim.io.tables import write_table
from semsim.io.texts import read_names
from semsim.labelling.campaign import Campaign, read_results_folder
from semsim.labelling.making import QUESTION, TITLE, fill_in, write_settings, written_folder
from semsim.labelling.material import LONGEST_SIDE, check_classes
from semsim.labelling.measuring import read_metrics
from semsim.labelling.results import check_choices
from semsim.labels.images import IMAGE_COLUMNS, images_of
from semsim.labels.table import COLUMNS, NO_ANSWER, answers_of
from semsim.names import composed, spelled_out
from semsim.progress import progress_bar
from semsim.text import counted, first_few, listed

UNKNOWN = "unknown"
MOST_CLASSES = 50_000
"""Classes that are called by their numbers; a larger label is a mistake."""


class Elsewhere(NamedTuple):
    """Files from elsewhere, and what they do not say.

    Attributes
    ----------
    images : path-like
        image and label (the true class; empty where it is unknown), and where they apply dataset, target, attack and
        original. Without them there is one data set with the campaign's name, and each image has its own original.
    labels : path-like
        image, annotator and label (a class, -1 for "can't tell", or na for no answer), and where they are known kind,
        seconds and given_at.
    pictures : path-like, optional
        A folder with the images under their names.
    metrics : path-like, optional
        As for `semsim.labelling.measuring.read_metrics`.
    directions : dict of str to bool
        Whether a higher value means a better reconstruction, for metrics that semsim does not know.
    classes : path-like, optional
        A text file with one class name per line. Without it, classes are called by their numbers.
    kind : str, optional
        What all annotators are, if the labels do not say.
    forced : bool
        Whether annotators had to name a class.
    """

    images: str | os.PathLike
    labels: str | os.PathLike
    pictures: str | os.PathLike | None = None
    metrics: str | os.PathLike | None = None
    directions: dict[str, bool] = {}
    classes: str | os.PathLike | None = None
    kind: str | None = None
    forced: bool = False


def import_campaign(folder: str | os.PathLike, elsewhere: Elsewhere) -> Campaign:
    """Make a campaign of labels that were given elsewhere, completely or not at all.

    Parameters
    ----------
    folder : path-like
        It must not exist yet.
    elsewhere : Elsewhere

    Returns
    -------
    semsim.labelling.campaign.Campaign

    Raises
    ------
    SemsimError
        If the folder exists, a file cannot be read or is invalid, or an image is missing.
    """
    with written_folder(folder) as part:
        _write(part, Path(folder).name, elsewhere)
        read_results_folder(part)
    return read_results_folder(folder)


def _write(folder, name, elsewhere):
    images = _read_images(elsewhere.images, name)
    given = _read_labels(elsewhere.labels, elsewhere.kind)
    classes = _classes(elsewhere.classes, images, given)
    answers = answers_of(given, images, {dataset: len(names) for dataset, names in classes.items()}, elsewhere.labels)
    check_choices(answers, elsewhere.forced, elsewhere.labels)
    each = int(answers.groupby("image").size().max())
    settings = {"title": TITLE, "question": QUESTION, "labels_per_image": each, "checks": 0, "repeats": 0}
    kind = {"kind": elsewhere.kind} if elsewhere.kind else {}
    write_settings(settings | kind | {"forced_choice": elsewhere.forced, "classes": classes}, folder)
    write_table(images, folder / "images.csv")
    label = answers["label"].astype(object).where(answers["label"].notna(), NO_ANSWER)
    write_table(answers.assign(label=label), folder / "labels.csv")
    if elsewhere.metrics:
        metrics, scales = read_metrics(elsewhere.metrics, images, elsewhere.directions)
        write_table(metrics, folder / "metrics.csv")
        write_table(scales, folder / "scales.csv")
    if elsewhere.pictures:
        _copy_pictures(images["image"], Path(elsewhere.pictures), folder / "images")
    (folder / "CARD.md").write_text(_card(name, images, answers, elsewhere.forced), encoding="utf-8")


def _card(name, images, answers, forced):
    """Return the data card, as far as the tables say what belongs there."""
    missing = int(answers["label"].isna().sum())
    return fill_in(
        "CARD-import.md",
        name=name,
        forced=forced,
        images=counted(len(images), "images"),
        annotators=counted(answers["annotator"].nunique(), "annotators"),
        labels=counted(int(answers["label"].notna().sum()), "labels"),
        missing=counted(missing, "times") if missing else "",
    )


def _read_images(path, name):
    """Read the table of images; fill in the keys that it does not have."""
    fields = read_rows(path, ["image", "label"])
    if fields.empty:
        raise SemsimError(f"{path}: a header without images below it. Add the images.")
    filled = {"dataset": name, "target": UNKNOWN, "attack": UNKNOWN, "original": [*map(str, range(len(fields)))]}
    fields = fields.assign(**{key: value for key, value in filled.items() if key not in fields})
    return images_of(fields, where=path)[IMAGE_COLUMNS]


def _read_labels(path, kind):
    """Read the table of labels; fill in the columns that may be unknown."""
    fields = read_rows(path, ["image", "annotator", "label"])
    if "kind" in fields and kind:
        raise SemsimError(f"{path}: has a column kind. Leave out --kind, or the column.")
    if "kind" not in fields and not kind:
        raise SemsimError(f"{path}: does not say what the annotators are. Give --kind, or a column kind.")
    filled = {"kind": kind, "seconds": "", "given_at": ""}
    return fields.assign(**{name: value for name, value in filled.items() if name not in fields})[COLUMNS]


def _classes(path, images, given):
    """Return the names of the classes by data set: those of a file, or as many numbers as there are labels."""
    datasets = images["dataset"].unique()
    if path:
        names = read_names(path)
        check_classes(names, path)
        return {dataset: [*names] for dataset in datasets}
    labels = pd.to_numeric(given["label"], errors="coerce")
    named = pd.DataFrame({"dataset": given["image"].map(images.set_index("image")["dataset"]), "label": labels})
    largest = pd.concat([images[["dataset", "label"]], named]).groupby("dataset")["label"].max().fillna(1)
    counts = {dataset: int(largest[dataset].clip(1, MOST_CLASSES - 1)) + 1 for dataset in datasets}
    return {dataset: [*map(str, range(count))] for dataset, count in counts.items()}


def _copy_pictures(names, source, folder):
    """Copy the picture of each image; only files that can be decoded are pictures."""
    pictures = _pictures(source)
    if missing := [name for name in names if name not in pictures]:
        raise SemsimError(f"{source}: no picture of {first_few(missing)}. Add the files, or leave out --images.")
    if several := [name for name in names if len(pictures[name]) > 1]:
        paths = [spelled_out(path.relative_to(source)) for path in pictures[several[0]]]
        raise SemsimError(f"{source}: {several[0]} may be {listed(paths)}. Keep one of these elsewhere.")
    with progress_bar(len(names), "copying images", unit="image") as bar:
        for name in names:
            (path,) = pictures[name]
            content = read_file(path, LARGEST_FILE)
            decode_rgb(content, LONGEST_SIDE, path)
            copy = folder / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            bar.update()


def _pictures(source):
    """Return lists of the image files of a folder by their paths in it, or by these without their suffixes."""
    whole, stems = defaultdict(list), defaultdict(list)
    for path in find_images(source):
        name = composed(path.relative_to(source).as_posix())
        whole[name].append(path)
        stems[name.rpartition(".")[0]].append(path)
    return stems | whole
