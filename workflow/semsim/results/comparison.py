"""How close a run of a study has to come to the reference: tolerances, and the comparison within them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.results.study_tables import StudyTables

if TYPE_CHECKING:
    import os


class Tolerance(NamedTuple):
    """How close a column of a table must come to that of the reference, in the mean of each group.

    Attributes
    ----------
    table : str
    keys : tuple of str
        The columns that name a group.
    column : str
    within : float
        The largest difference.
    where : dict of str to str
        Only rows with these values are compared.
    """

    table: str
    keys: tuple[str, ...]
    column: str
    within: float
    where: dict[str, str] = {}  # noqa: RUF012 (never changed)


AREAS = {"level": "reconstructions", "statistic": "auc"}
COMPUTED = (
    Tolerance("datasets", ("dataset",), "classes", 0),
    Tolerance("datasets", ("dataset",), "originals", 0),
    Tolerance("accuracy", ("dataset", "target"), "parameters", 0),
    Tolerance("accuracy", ("dataset", "target"), "validation_accuracy", 0.1),
    Tolerance("metrics", ("dataset", "target", "attack"), "ssim", 0.2, {"reference": "attacked"}),
    Tolerance("recognition", ("dataset", "target"), "recognition_rate", 0.2),
    Tolerance("agreement", ("dataset", "answer"), "value", 0.2, {"statistic": "krippendorff_alpha"}),
    Tolerance("ceiling", ("dataset",), "value", 0.1, AREAS | {"annotator": "mean"}),
    Tolerance("faithfulness", ("dataset", "metric"), "faithfulness", 0.1, AREAS | {"reference": "attacked"}),
    Tolerance("generalisation", ("metric",), "faithfulness", 0.07, AREAS | {"exclusion": "all", "folds": "within"}),
    Tolerance("generalisation", ("folds",), "faithfulness", 0.07, AREAS | {"exclusion": "all", "metric": "semsim"}),
)
"""For studies that train and attack: rounding differs between machines, and attacks amplify it. (Between two processors
the combination of metrics differed by 0.11 on architectures that it had not seen, SemSim by 0.03 at most.)"""
COUNTED = (
    Tolerance("agreement", ("statistic", "answer"), "value", 1e-6),
    Tolerance("ceiling", ("level", "statistic", "annotator"), "value", 1e-6),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "value", 1e-5),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "low", 0.02),
    Tolerance("contradictions", ("metric", "other"), "value", 1e-5),
)
"""For studies of given labels and metrics, which leave nothing to chance but resamples."""


def tolerances_of(study: str) -> tuple[Tolerance, ...]:
    """Return what a study is held to: ``human-study`` to `COUNTED`, every other one to `COMPUTED`."""
    return COUNTED if study == "human-study" else COMPUTED


def compare(study: str, results: str | os.PathLike, reference: str | os.PathLike) -> list[str]:
    """Compare the tables of a run with those of the reference.

    Parameters
    ----------
    study : str
        Its name, which says what it is held to.
    results, reference : path-like
        The folders that hold ``tables``.

    Returns
    -------
    list of str
        One sentence for each group that is too far away or missing; empty if the run agrees with the reference.

    Raises
    ------
    SemsimError
        If a table is missing.
    """
    ours, theirs = (StudyTables(Path(folder) / "tables") for folder in (results, reference))
    return [
        sentence
        for tolerance in tolerances_of(study)
        for sentence in differences(tolerance, ours[tolerance.table], theirs[tolerance.table])
    ]


def differences(tolerance: Tolerance, ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Compare a table with that of the reference.

    Parameters
    ----------
    tolerance : Tolerance
        What is compared, and how close it has to be.
    ours, theirs : pandas.DataFrame
        The table of the run, and that of the reference.

    Returns
    -------
    list of str
        One sentence for each group that is too far away, or that only one of them has. Where neither has a value they
        agree.
    """
    ours, theirs = _means(ours, tolerance), _means(theirs, tolerance)
    means = pd.DataFrame({"ours": ours, "theirs": theirs})
    undefined = means.isna().all(axis="columns") & means.index.isin(ours.index.intersection(theirs.index))
    close = (means["ours"] - means["theirs"]).abs() <= tolerance.within
    return [
        f"{tolerance.table}: {tolerance.column} of {' '.join(map(str, np.atleast_1d(group)))} is {row.ours:.4g}, in the"
        f" reference {row.theirs:.4g} (allowed: {tolerance.within:g} apart)."
        for group, row in means[~(close | undefined)].iterrows()
    ]


def _means(table, tolerance):
    """Return the mean of a column in each group."""
    for column, value in tolerance.where.items():
        table = table[table[column] == value]
    return table.groupby(list(tolerance.keys))[tolerance.column].mean()
