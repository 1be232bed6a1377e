"""Which set of reconstructions leaks most, and how certain that is, by resampling originals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.names import printable
from semsim.scoring.deciding import too_small
from semsim.scoring.summary import number
from semsim.statistics.resampling import draw_counts, few_units, holm, percentile_interval, sign_flip_p
from semsim.text import counted, interval, p_value, text_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semsim.metrics.scales import Scale

DRAWS_AT_ONCE = 2**23
"""Maximum number of drawn originals, over all resamples, that are held at a time."""


def compare_sets(
    values: Mapping[str, np.ndarray], names: Sequence[str], scales: Mapping[str, Scale], resamples: int, seed: int
) -> pd.DataFrame:
    """Rank sets of reconstructions of the same originals by how much they leak, for each metric.

    Every resample draws originals with replacement, the same ones for all sets and metrics, so that what an original
    has of its own cancels in differences. An original without a value, too small for the metric, is left out of it.
    The p values of differences are those of `semsim.statistics.resampling.sign_flip_p`.

    Parameters
    ----------
    values : dict of str to numpy.ndarray
        By metric, [originals, sets].
    names : list of str
        Of the sets.
    scales : dict of str to semsim.metrics.scales.Scale
        By metric.
    resamples : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row a metric and set, the set that leaks most first: metric, rank, set, originals, mean, mean_low, mean_high;
        and how its mean differs from that of the next one (nothing in the last row of a metric): next, difference,
        difference_low, difference_high, p and p_holm, corrected for the metric's differences. Intervals are of 95 %.

    Raises
    ------
    SemsimError
        If there are fewer than two originals.

    Examples
    --------
    >>> from semsim.learned.scales import LEARNED
    >>> table = compare_sets({"semsim": np.array([[0.5, 0.1], [0.7, 0.3]])}, ["blurred", "clear"], LEARNED, 100, 1)
    >>> table[["rank", "set", "mean", "next", "difference"]]
       rank      set  mean     next  difference
    0     1    clear   0.2  blurred        -0.4
    1     2  blurred   0.6                  NaN
    """
    originals = len(next(iter(values.values())))
    if originals < 2:
        raise SemsimError("a single original in all sets says nothing about others. Give at least two.")
    defined = {name: np.isfinite(columns).all(axis=1) for name, columns in values.items()}
    filled = {name: np.where(defined[name][:, None], columns, 0) for name, columns in values.items()}
    means = {name: [] for name in values}
    generator = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // originals)
    for start in range(0, resamples, at_once):
        counts = draw_counts(originals, min(at_once, resamples - start), generator).astype(float)
        for name in values:
            with np.errstate(invalid="ignore"):  # a resample of originals without a value has no mean
                means[name].append(counts @ filled[name] / (counts @ defined[name])[:, None])
    rows = []
    for name, columns in values.items():
        if defined[name].any():
            rows += _ranked(name, columns[defined[name]], np.concatenate(means[name]), names, scales[name], seed)
    return pd.DataFrame(rows)


def _ranked(metric, values, resampled, names, scale, seed):
    """Return the rows of one metric from its values [originals, sets] and resampled means [resamples, sets]."""
    means = values.mean(axis=0)
    leaking = -means if scale.higher_is_better else means
    order = np.argsort(leaking, kind="stable")
    rows = []
    for place in order:
        low, high = percentile_interval(resampled[:, place])
        row = {"metric": metric, "rank": 1 + int((leaking < leaking[place]).sum()), "set": names[place]}
        rows.append(row | {"originals": len(values), "mean": means[place], "mean_low": low, "mean_high": high})
    for row, place, after in zip(rows, order, order[1:], strict=False):
        differences = resampled[:, place] - resampled[:, after]
        low, high = percentile_interval(differences)
        row |= {"next": names[after], "difference": means[place] - means[after]}
        p = sign_flip_p(values[:, place] - values[:, after], len(resampled), np.random.default_rng(seed))
        row |= {"difference_low": low, "difference_high": high, "p": p}
    rows[-1] |= {"next": "", "difference": np.nan, "difference_low": np.nan, "difference_high": np.nan, "p": np.nan}
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def comparison_text(table: pd.DataFrame, scales: Mapping[str, Scale]) -> str:
    """Return a comparison for a terminal.

    Parameters
    ----------
    table : pandas.DataFrame
        From `compare_sets`.
    scales : dict of str to semsim.metrics.scales.Scale

    Returns
    -------
    str
        For each metric the ranks, and how neighbours in rank differ.
    """
    parts = []
    for metric, rows in table.groupby("metric", sort=False):
        columns = {
            "set": rows["set"].map(printable),
            "rank": rows["rank"].astype(str),
            "mean": rows["mean"].map(number),
            "95 % interval": [f"{number(row.mean_low)} to {number(row.mean_high)}" for row in rows.itertuples()],
        }
        lines = [
            f"{printable(row.set)} against {printable(row.next)}: {number(row.difference)}"
            f" ({interval(row.difference_low, row.difference_high, number)}), {p_value(row.p_holm)}"
            for row in rows.iloc[:-1].itertuples()
        ]
        originals = int(rows["originals"].iloc[0])
        heading = f"{scales[metric].axis_label}, {counted(originals, 'originals')}"
        notes = [f"Note: {note}." for note in [few_units(originals)] if note]
        if small := too_small(metric, scales[metric].label, originals, rows["difference"]):
            notes.append(small)
        parts.append("\n".join([heading, text_table(columns), *lines, *notes]))
    return "\n\n".join(parts)
