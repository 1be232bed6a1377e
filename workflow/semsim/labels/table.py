"""The table of labels: its columns, its join with other tables, and its validation."""

import warnings
from importlib.resources import files

import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import KEYS, read_table
from semsim.text import first_few

SCHEMA = files("semsim.labels") / "labels.schema.yaml"
COLUMNS = ["image", "annotator", "kind", "label", "seconds", "given_at"]
CANNOT_TELL = -1


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
        If there is no such table, or as for `check_labels`.
    """
    labels = read_table(path)
    check_labels(labels, images, classes, where=path)
    return labels


def check_labels(labels, images, classes, where="labels"):
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
        If a column is missing or unknown, a value breaks the schema (an unknown kind, for instance), a class or an
        image is unknown, or an annotator labelled an image twice. The header is line 1.

    Warns
    -----
    UserWarning
        If an annotator gave one label only: agreement says nothing about them.
    """
    wrong_columns = set(labels) ^ set(COLUMNS)
    if wrong_columns:
        raise SemsimError(
            f"{where}: columns {', '.join(sorted(wrong_columns))} are missing or unknown. Needed: {', '.join(COLUMNS)}."
        )
    problems = [*_schema_problems(labels)]
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
    if problems:
        raise SemsimError("\n  ".join([f"{where}: not a valid table of labels:", *problems]))
    counts = labels["annotator"].value_counts()
    once = ", ".join(sorted(counts.index[counts == 1]))
    if once:
        warnings.warn(f"{where}: only one label by {once}. Agreement says nothing about them.", stacklevel=2)


def _schema_problems(labels):
    """Yield what breaks the schema, checking each distinct value of a column once."""
    import jsonschema  # slow to import, and only checking needs it and the schema

    from semsim.schemas import read_schema

    for name, rules in read_schema(SCHEMA)["properties"].items():
        valid = jsonschema.Draft202012Validator(rules).is_valid
        refused = [value for value in labels[name].unique() if not valid(_plain(value))]
        missing = labels[name].isna() & any(pd.isna(value) for value in refused)
        yield from problem_in(labels, labels[name].isin(refused) | missing, name, f"not {rules['description']}")


def _plain(value):
    """Return a value of a column as JSON has it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def problem_in(table, wrong, column, what):
    """Yield one sentence about the rows of a table that are wrong, if any, with their lines and values.

    Parameters
    ----------
    table : pandas.DataFrame
        As read from a CSV file.
    wrong : pandas.Series or numpy.ndarray
        bool, one value per row.
    column : str
        The column in which they are wrong.
    what : str
        What is wrong.
    """
    rows = table.index[wrong]
    if len(rows):
        lines = [f"{table.index.get_loc(row) + 2} ({_shown(table.at[row, column])})" for row in rows]
        yield f"{column}: {what}. See line {first_few(lines)}."


def _shown(value):
    """Write a value as in the file."""
    value = _plain(value)
    return "empty" if value is None else repr(value)
