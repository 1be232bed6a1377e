"""The table of labels: its columns, how it joins the other tables, and everything that can be wrong with it."""

import warnings
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from semsim.errors import SemsimError
from semsim.io.tables import KEYS, read_table
from semsim.settings import OneOf, Settings
from semsim.text import ANNOTATORS, first_few

CANNOT_TELL = -1


def _is_a_value(name):
    if name.lower() in ("na", "nan", "null", "none"):
        raise ValueError("what tables hold for no value")
    return name


class Label(Settings):
    """One row of ``labels.csv``: what one annotator saw in one reconstruction."""

    image: str = Field(min_length=1, description="the name of the image in images.csv")
    annotator: Annotated[str, AfterValidator(_is_a_value)] = Field(
        min_length=1,
        description="a pseudonym, the same for all labels of one annotator, and not what tables hold for no value, such"
        " as NA",
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


def name_images(table):
    """Return the name of each row's image: its keys, as in ``cifar100/convnet-crop/invertgrad/780``."""
    first, *others = (table[key].astype(str) for key in KEYS)
    return first.str.cat(others, sep="/")


def read_labels(path, images, classes):
    """Read and check a table of labels.

    Parameters
    ----------
    path : path-like
        ``labels.csv`` of a campaign.
    images : pandas.DataFrame
        ``images.csv`` of the campaign: image, dataset, target, attack, original, label (the true class).
    classes : dict of str to int
        How many classes an annotator could name, by data set.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    SemsimError
        If there is no such table, or as `check_labels` does.
    """
    labels = read_table(path)
    check_labels(labels, images, classes, where=path)
    return labels


def check_labels(labels, images, classes, where="labels"):
    """Refuse a table of labels in which anything is wrong, and list all of it.

    Parameters
    ----------
    labels : pandas.DataFrame
        Columns `COLUMNS`.
    images : pandas.DataFrame
        A row for each image that may be labelled, with its name in column image and its data set in column dataset.
    classes : dict of str to int
        By data set: labels are -1 to this number less 1.
    where : path-like
        The table's place, for messages.

    Raises
    ------
    SemsimError
        If a column is missing or unknown, a value is none that `Label` allows (an unknown kind, for instance), a class
        or an image is unknown, or an annotator labelled an image twice. The header is line 1.

    Warns
    -----
    UserWarning
        If an annotator gave one label only: agreement says nothing about them.
    """
    wrong_columns = set(labels) ^ set(COLUMNS)
    if wrong_columns:
        raise SemsimError(
            f"{where}: columns {', '.join(sorted(wrong_columns))} are missing or unknown. Write {', '.join(COLUMNS)}."
        )
    problems = [*_problems_of_columns(labels)]
    if not problems:
        places = pd.Index(images["image"]).get_indexer(labels["image"])
        unknown = places < 0
        of_images = images["dataset"].map(classes).reset_index(drop=True)
        counts = of_images.reindex(places).fillna(max(classes.values())).to_numpy()
        twice = labels[["annotator"]].assign(image=places).duplicated() & ~unknown
        allowed = ", ".join(f"0 to {count - 1} of {dataset}" for dataset, count in classes.items())
        problems = [
            *problem_in(labels, labels["label"] >= counts, "label", f"unknown class; classes are {allowed}, or -1"),
            *problem_in(labels, unknown, "image", "not in images.csv"),
            *problem_in(labels, twice, "image", "labelled twice by one annotator"),
        ]
    if problems:
        raise SemsimError("\n  ".join([f"{where}: not a valid table of labels:", *problems]))
    counts = labels["annotator"].value_counts()
    once = ", ".join(sorted(counts.index[counts == 1]))
    if once:
        warnings.warn(f"{where}: one label only by {once}. Agreement says nothing about them.", stacklevel=2)


def _problems_of_columns(labels):
    """Yield which values are not of their column, looking at each distinct value once."""
    for name, field in Label.model_fields.items():
        valid = TypeAdapter(Annotated[field.annotation, *field.metadata], config=STRICT)
        refused = [value for value in labels[name].unique() if not _is_valid(valid, _plain(value))]
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


def _plain(value):
    """Return a value of a column as JSON has it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def problem_in(table, wrong, column, what):
    """Yield one sentence about the rows of a table that are wrong, if there are any: which lines, and what is there.

    Parameters
    ----------
    table : pandas.DataFrame
        As read from a CSV file.
    wrong : pandas.Series or numpy.ndarray
        bool, a value a row.
    column : str
        Where they are wrong.
    what : str
        What is wrong.
    """
    rows = table.index[wrong]
    if len(rows):
        lines = [f"{table.index.get_loc(row) + 2} ({_shown(table.at[row, column])})" for row in rows]
        yield f"{column}: {what}. See line {first_few(lines)}."


def _shown(value):
    """Write a value as it stands in the file."""
    value = _plain(value)
    return "empty" if value is None else repr(value)
