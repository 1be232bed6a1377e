"""Summaries of scores: statistics of each metric, as a table and as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.scoring.measures import Measure
    from semsim.scoring.scores import Scores

DIRECTIONS = "↑ higher values are closer to the original and leak more; ↓ lower values are closer and leak more."
NONE = "-"


def number(value: float) -> str:
    """Write a value of a metric with four significant digits and a true minus sign.

    Examples
    --------
    >>> number(24.0512), number(-0.00001234), number(0.5), number(123456), number(np.nan)
    ('24.05', '−0.00001234', '0.5000', '123,456', '-')
    """
    if not np.isfinite(value):
        return NONE
    exponent = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, 3 - exponent)}f}".replace("-", "−")


def summarise(scores: Scores) -> pd.DataFrame:
    """Return how each metric is distributed over pairs.

    Parameters
    ----------
    scores : semsim.scoring.scores.Scores
        Of one set.

    Returns
    -------
    pandas.DataFrame
        metric, pairs (that have a value), mean, lower_quartile, median, upper_quartile.
    """
    rows = []
    for name, values in scores.values.items():
        defined = values[np.isfinite(values)]
        quartiles = np.quantile(defined, [0.25, 0.5, 0.75]) if len(defined) else [np.nan] * 3
        mean = defined.mean() if len(defined) else np.nan
        rows.append((name, len(defined), mean, *quartiles))
    return pd.DataFrame(rows, columns=["metric", "pairs", "mean", "lower_quartile", "median", "upper_quartile"])


def summary_columns(summary: pd.DataFrame, measures: Sequence[Measure]) -> dict[str, list[str]]:
    """Return the columns of the summary, formatted for people.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `summarise`.
    measures : list of semsim.scoring.measures.Measure

    Returns
    -------
    dict of str to list of str
        The value alone where there is one pair.
    """
    labels = {measure.name: measure.scale.axis_label for measure in measures}
    columns = {"metric": [labels[name] for name in summary["metric"]]}
    if summary["pairs"].max() == 1:
        return columns | {"value": [number(value) for value in summary["mean"]]}
    for name in ("mean", "lower_quartile", "median", "upper_quartile"):
        columns[name.replace("_", " ")] = [number(value) for value in summary[name]]
    return columns


def answer_text(table: str, answers: Sequence[str], notes: Sequence[str]) -> str:
    """Return what a command prints in the end: numbers first, then what they mean, then what to keep in mind.

    Parameters
    ----------
    table : str
        The numbers.
    answers, notes : list of str
        Sentences.

    Returns
    -------
    str
    """
    listed = "\n".join(["Notes", *(f"- {note}" for note in notes)]) if notes else ""
    return "\n\n".join(block for block in (table, DIRECTIONS, "\n".join(answers), listed) if block)


def remarks(scores: Scores, measures: Sequence[Measure]) -> list[str]:
    """Say why metrics lack values.

    Parameters
    ----------
    scores : semsim.scoring.scores.Scores
    measures : list of semsim.scoring.measures.Measure

    Returns
    -------
    list of str
        One sentence per metric.
    """
    sentences = []
    for measure in measures:
        missing = int(np.isnan(scores.values[measure.name]).sum())
        if missing:
            side = measure.smallest_image
            sentences.append(
                f"{measure.scale.label} has no value for {counted(missing, 'pairs')}: it needs {side}x{side} pixels."
            )
    return sentences
