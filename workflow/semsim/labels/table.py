"""The table of labels: its columns, its join with other tables, and its validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated

import pandas as pd
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from semsim.errors import SemsimError, refuse
from semsim.io.handmade import plain, problem_in, read_rows, values_of
from semsim.io.tables import KEYS
from semsim.names import near_twins, why_no_name
from semsim.settings import OneOf, Settings
from semsim.text import ANNOTATORS

if TYPE_CHECKING:
    import os


CANNOT_TELL = -1
NO_ANSWER = "na"
"""In a file of labels: the annotator was asked and gave no answer, not even that they can't tell."""


def _is_a_name(name):
    if reason := why_no_name(name):
        raise ValueError(reason)
    return name


Name = Annotated[str, Field(min_length=1), AfterValidator(_is_a_name)]


class Label(Settings):
    """One row of ``labels.csv``: what one annotator saw in one reconstruction."""

    image: Name = Field(description="the name of the image in images.csv")
    annotator: Name = Field(
        description="a pseudonym, the same for all labels of one annotator, printable, and neither what spreadsheets"
        " take for a formula nor what tables hold for no value, such as NA",
    )
    kind: Annotated[str, OneOf(ANNOTATORS)] = Field(
        description=f"what the annotator is, one of {', '.join(ANNOTATORS)}"
    )
    label: int = Field(
        ge=CANNOT_TELL, description='the number of the class that the annotator named, or -1 for "can\'t tell"'
    )
    seconds: float | None = Field(
        ge=0, description="time from showing the image to the answer; empty where it is unknown"
    )
    given_at: str | None = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
        description="when the answer was given, as 2026-01-31T12:00:00Z; empty where it is unknown",
    )


COLUMNS = list(Label.model_fields)
STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def name_images(table: pd.DataFrame) -> pd.Series:
    """Return the name of each row's image: its keys, as in ``cifar100/convnet-crop/invertgrad/780``."""
    first, *others = (table[key].astype(str) for key in KEYS)
    return first.str.cat(others, sep="/")


def read_labels(path: str | os.PathLike, images: pd.DataFrame, classes: dict[str, int]) -> pd.DataFrame:
    """Read and check the labels of a campaign.

    Parameters
    ----------
    path : path-like
        ``labels.csv`` of a campaign, as people or `semsim label` write it.
    images : pandas.DataFrame
        ``images.csv`` of the campaign: image, dataset, target, attack, original, label (the true class).
    classes : dict of str to int
        How many classes an annotator could name, by data set.

    Returns
    -------
    pandas.DataFrame
        Without the rows in which an annotator gave no answer.

    Raises
    ------
    SemsimError
        If there is no such table, or as for `answers_of`.
    """
    answers = answers_of(read_rows(path, COLUMNS), images, classes, where=path)
    return answers.dropna(subset="label").astype({"label": int}).reset_index(drop=True)


def answers_of(
    fields: pd.DataFrame, images: pd.DataFrame, classes: dict[str, int], where: str | os.PathLike
) -> pd.DataFrame:
    """Check a file of labels and return what its fields say.

    Parameters
    ----------
    fields : pandas.DataFrame
        From `semsim.io.handmade.read_rows`, with the columns `COLUMNS`.
    images, classes, where
        As for `check_labels`.

    Returns
    -------
    pandas.DataFrame
        The table of labels, in the lines of the file; label is missing where that has `NO_ANSWER`.

    Raises
    ------
    SemsimError
        If there are no rows, or as for `check_labels`.
    """
    if fields.empty:
        raise SemsimError(f"{where}: a header without labels below it. Add the labels.")
    silent = fields["label"].str.lower() == NO_ANSWER
    answers = fields.assign(
        label=values_of(fields["label"].mask(silent, "0")),  # any class: the rest of these rows is checked as well
        seconds=values_of(fields["seconds"]),
        given_at=fields["given_at"].mask(fields["given_at"] == ""),
    )
    check_labels(answers, images, classes, where=where)
    label, seconds = answers["label"].astype("Int64").mask(silent), answers["seconds"].astype(float)
    return answers.assign(label=label, seconds=seconds)


def check_labels(
    labels: pd.DataFrame, images: pd.DataFrame, classes: dict[str, int], where: str | os.PathLike = "labels"
) -> None:
    """Refuse an invalid table of labels, and list everything that is wrong.

    Parameters
    ----------
    labels : pandas.DataFrame
        Columns `COLUMNS`.
    images : pandas.DataFrame
        One row per image that may be labelled, with its name in column image and its data set in column dataset.
    classes : dict of str to int
        Number of classes by data set: labels range from -1 to this number minus 1.
    where : path-like
        The path of the table, for messages.

    Raises
    ------
    SemsimError
        If a column is missing or unknown, a value is none that `Label` allows (an unknown kind, for instance), a class
        or an image is unknown, or an annotator labelled an image twice. The header is line 1.

    Warns
    -----
    UserWarning
        If an annotator gave one label only: agreement says nothing about them. If two annotators have nearly the same
        name: they may be one person.
    """
    wrong_columns = set(labels) ^ set(COLUMNS)
    if wrong_columns:
        raise SemsimError(
            f"{where}: columns {', '.join(sorted(wrong_columns))} are missing or unknown. Needed: {', '.join(COLUMNS)}."
        )
    problems = [*_problems_of_columns(labels)]
    if not problems:
        places = pd.Index(images["image"]).get_indexer(labels["image"])
        unknown = places < 0
        of_images = images["dataset"].map(classes).reset_index(drop=True)
        counts = of_images.reindex(places).fillna(max(classes.values())).to_numpy()
        twice = labels[["annotator"]].assign(image=places).duplicated() & ~unknown
        allowed = ", ".join(f"0 to {count - 1} for {dataset}" for dataset, count in classes.items())
        problems = [
            *problem_in(labels, labels["label"] >= counts, "label", f"unknown class; classes are {allowed}, or -1"),
            *problem_in(labels, unknown, "image", "not in images.csv"),
            *problem_in(labels, twice, "image", "labelled twice by one annotator"),
        ]
    refuse(problems, f"{where}: not a valid table of labels")
    counts = labels["annotator"].value_counts()
    once = ", ".join(sorted(counts.index[counts == 1]))
    if once:
        warnings.warn(f"{where}: only one label by {once}. Agreement says nothing about them.", stacklevel=2)
    if twins := near_twins(counts.index.sort_values()):
        named = " and ".join(map(repr, twins))
        warnings.warn(f"{where}: annotators {named}. If they are one person, spell the name in one way.", stacklevel=2)


def _problems_of_columns(labels):
    """Yield which values are not of their column, looking at each distinct value once."""
    for name, field in Label.model_fields.items():
        valid = TypeAdapter(Annotated[field.annotation, *field.metadata], config=STRICT)
        refused = [value for value in labels[name].unique() if not _is_valid(valid, plain(value))]
        missing = labels[name].isna() & any(pd.isna(value) for value in refused)
        yield from problem_in(labels, labels[name].isin(refused) | missing, name, f"not {field.description}")


def _is_valid(adapter, value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers in which one is missing holds floats
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
