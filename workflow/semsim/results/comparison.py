"""How closely a run of a study has to agree with the reference: in values, within tolerances, and in its
conclusions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.results.study_tables import StudyTables
from semsim.statistics.association import PRIMARY
from semsim.statistics.content import NOT_MEASURED
from semsim.statistics.generalisation import EVERYTHING
from semsim.statistics.resampling import SIGNIFICANT

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
    unless : str
        A column: what one of the tables says was not measured, for lack of downloads, is not compared.
    """

    table: str
    keys: tuple[str, ...]
    column: str
    within: float
    where: dict[str, str] = {}  # noqa: RUF012 (never changed)
    unless: str = ""


class Conclusion(NamedTuple):
    """A kind of decision, which a run has to come to as the reference did: which way, and whether distinguishable.

    Attributes
    ----------
    table : str
    keys : tuple of str
        The columns that name a row; the decision is about it.
    column : str
        Which is above or below `nothing`.
    nothing : float
        The value without an effect.
    where : dict of str to str
        Only rows with these values are compared.
    """

    table: str
    keys: tuple[str, ...]
    column: str
    nothing: float
    where: dict[str, str] = {}  # noqa: RUF012 (never changed)


AREAS = {"level": "reconstructions", "statistic": "auc"}
PRIMARY_AREAS = dict(zip(("level", "statistic"), PRIMARY, strict=True))
OVERALL = {"exclusion": EVERYTHING, "dataset": EVERYTHING, "statistic": "auc"}
COMPUTED = (
    Tolerance("datasets", ("dataset",), "classes", 0),
    Tolerance("datasets", ("dataset",), "originals", 0),
    Tolerance("accuracy", ("dataset", "target"), "parameters", 0),
    Tolerance("accuracy", ("dataset", "target"), "validation_accuracy", 0.1),
    Tolerance("metrics", ("dataset", "target", "attack"), "ssim", 0.2, {"reference": "attacked"}),
    Tolerance("recognition", ("dataset", "target"), "recognition_rate", 0.2),
    Tolerance("agreement", ("dataset", "answer"), "value", 0.2, {"statistic": "krippendorff_alpha"}),
    Tolerance("ceiling", ("dataset",), "value", 0.05, AREAS | {"annotator": "mean"}),
    Tolerance("variance", ("dataset", "component"), "share", 0.2),
    Tolerance("faithfulness", ("dataset", "metric"), "faithfulness", 0.1, AREAS | {"reference": "attacked"}),
    Tolerance("faithfulness", ("dataset", "metric"), "faithfulness", 0.1, PRIMARY_AREAS | {"reference": "attacked"}),
    *(
        Tolerance("generalisation", keys, "faithfulness", 0.05, areas | {"exclusion": EVERYTHING} | where)
        for areas in (PRIMARY_AREAS, AREAS)
        for keys, where in ((("metric",), {"folds": "within"}), (("folds",), {"metric": "semsim"}))
    ),
    *(
        Conclusion("generalisation_differences", ("folds", "other"), "difference", 0, OVERALL | {"level": level})
        for level in (PRIMARY_AREAS["level"], AREAS["level"])
    ),
)
"""For studies that train and attack: rounding differs between machines, and attacks amplify it. (Between two processors
the combination of metrics differed by 0.11 on architectures that it had not seen, SemSim by 0.03 at most.) What the
text claims of them are means over data sets; their tolerance is below the smallest lead that is claimed."""
COUNTED = (
    Tolerance("agreement", ("statistic", "answer"), "value", 1e-6),
    Tolerance("ceiling", ("level", "statistic", "annotator"), "value", 1e-6),
    Tolerance("variance", ("component",), "share", 1e-6),
    Tolerance("person", ("without", "level", "metric"), "value", 1e-5),
    Tolerance("person", ("without", "level", "metric"), "difference_low", 0.01),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "value", 1e-5),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "low", 0.02),
    Tolerance("contradictions", ("metric", "other"), "value", 1e-5),
    Tolerance("contradiction_curve", ("truth", "gap", "metric"), "value", 1e-5),
    *(
        Tolerance("ranking", ("metric", "originals", "gap"), column, within, {"by": "recognition"})
        for column, within in (("value", 1e-5), ("low", 0.02))
    ),
    Tolerance("leakage_errors", ("metric",), "false", 1e-5),
    Tolerance("effects", ("factor",), "deviation", 1e-3),
    *(
        Tolerance("content", ("level", "metric", "difficulty"), name, 0.01, unless="difficulty")
        for name in ("value", "gain", "gain_low")
    ),
    Conclusion("faithfulness", ("level", "statistic", "metric"), "faithfulness", 0.5, {"statistic": "auc"}),
    Conclusion("faithfulness", ("level", "statistic", "metric"), "faithfulness", 0, {"statistic": "spearman"}),
    Conclusion("faithfulness_differences", ("level", "statistic", "metric", "other"), "difference", 0),
    Conclusion("person", ("without", "level", "metric"), "difference", 0),
)
"""For studies of given labels and metrics, which leave nothing to chance but resamples."""

SATURATED = tuple(
    each._replace(within=0.015) if isinstance(each, Tolerance) and each.table == "generalisation" else each
    for each in COMPUTED
)
"""Areas near 1 differ little between metrics, and so do they between runs."""
HELD_TO = {"human-study": COUNTED, "photographs": SATURATED}


def held_to(study: str) -> tuple[Tolerance | Conclusion, ...]:
    """Return what a study is held to: one of `HELD_TO`, or else `COMPUTED`."""
    return HELD_TO.get(study, COMPUTED)


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
        One sentence for each group that is too far away, each decision that is another one, and each that is missing;
        empty if the run agrees with the reference.

    Raises
    ------
    SemsimError
        If a table is missing, or one of its columns.
    """
    ours, theirs = (StudyTables(Path(folder) / "tables") for folder in (results, reference))
    return [
        sentence
        for each in held_to(study)
        for sentence in (differences if isinstance(each, Tolerance) else other_conclusions)(
            each, _checked(ours[each.table], each, "run"), _checked(theirs[each.table], each, "reference")
        )
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
    if column := tolerance.unless:
        unmeasured = {name for each in (ours, theirs) for name in each.loc[_not_measured(each), column]}
        ours, theirs = (each[~each[column].isin(unmeasured)] for each in (ours, theirs))
    ours, theirs = _means(ours, tolerance), _means(theirs, tolerance)
    means = pd.DataFrame({"ours": ours, "theirs": theirs})
    undefined = means.isna().all(axis="columns") & means.index.isin(ours.index.intersection(theirs.index))
    close = (means["ours"] - means["theirs"]).abs() <= tolerance.within
    return [
        f"{tolerance.table}: {tolerance.column} of {' '.join(map(str, np.atleast_1d(group)))} is {row.ours:.4g}, in the"
        f" reference {row.theirs:.4g} (allowed: {tolerance.within:g} apart)."
        for group, row in means[~(close | undefined)].iterrows()
    ]


def other_conclusions(conclusion: Conclusion, ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Compare what a table decides with what that of the reference does.

    Parameters
    ----------
    conclusion : Conclusion
        What is decided.
    ours, theirs : pandas.DataFrame
        The table of the run, and that of the reference.

    Returns
    -------
    list of str
        One sentence for each row of which one is distinguishable and the other not or the other way round, and for each
        that only one of them has.
    """
    decided = pd.DataFrame({"ours": _decisions(ours, conclusion), "theirs": _decisions(theirs, conclusion)})
    return [
        f"{conclusion.table}: {conclusion.column} of {' '.join(map(str, np.atleast_1d(row)))} is {one}, in the"
        f" reference {other}."
        for row, one, other in decided.fillna("missing").itertuples(name=None)
        if one != other
    ]


def _decisions(table, conclusion):
    """Return for each row whether its value is distinguishably above or below what would be nothing."""
    rows = _chosen(table, conclusion.where).dropna(subset="p_holm").set_index(list(conclusion.keys))
    way = np.where(rows[conclusion.column] > conclusion.nothing, "above", "below")
    limit = f"distinguishably {{}} {conclusion.nothing:g}"
    words = [
        limit.format(one) if p < SIGNIFICANT else f"not distinguishable from {conclusion.nothing:g}"
        for one, p in zip(way, rows["p_holm"], strict=True)
    ]
    return pd.Series(words, index=rows.index, dtype=object)


def _chosen(table, where):
    """Return the rows that have these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def _checked(table, each, whose):
    """Return a table that has all columns that are compared, or say which is missing."""
    of_kind = ["p_holm"] if isinstance(each, Conclusion) else ["note"] if each.unless else []
    needed = [*each.keys, each.column, *each.where, *of_kind]
    if missing := [name for name in needed if name not in table]:
        raise SemsimError(
            f"{each.table}: the table of the {whose} has no column {missing[0]!r}. It was made by another version: run"
            " the study again."
        )
    return table


def _not_measured(table):
    """Return which rows say that something was not measured."""
    return table["note"].astype(str).str.startswith(NOT_MEASURED)


def _means(table, tolerance):
    """Return the mean of a column in each group."""
    table = _chosen(table, tolerance.where)
    return table.groupby(list(tolerance.keys))[tolerance.column].mean()
