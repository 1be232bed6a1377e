"""Two versions of a metric, as released and as intended: how faithful each is to recognition, and how they differ."""

from __future__ import annotations

import pandas as pd

from semsim.io.tables import KEYS
from semsim.statistics.generalisation import measure_by_dataset
from semsim.statistics.resampling import holm

VERSIONS = ("released", "meant")
"""The columns of a table of faithfulness in two versions."""
VIEW = ["dataset", "level", "statistic"]


def compare_versions(
    table: pd.DataFrame,
    columns: dict[str, tuple[str, ...]],
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Measure how faithful metrics are in two versions, and the difference in the same resamples.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per reconstruction: dataset, target, attack, original, recognition_rate (by annotators of one kind) and
        the columns of metrics.
    columns : dict of str to tuple of str
        By metric, its two columns: as released, as intended.
    higher_is_better : dict of str to bool
        By metric.
    resamples, seed : int
        For the intervals.

    Returns
    -------
    pandas.DataFrame
        dataset (each, and their mean `semsim.statistics.generalisation.EVERYTHING`), level, statistic, metric; released
        and meant (faithfulness, 1 is best) with their 95 % intervals (released_low, ...); change (meant - released),
        change_low, change_high, p and p_holm (corrected over metrics); count (of reconstructions) and note.
    """
    found = [
        _compared(table, *columns[metric], higher_is_better[metric], resamples, seed).assign(metric=metric)
        for metric in columns
    ]
    found = pd.concat(found, ignore_index=True)
    found["p_holm"] = found.groupby(VIEW)["p"].transform(holm)
    ends = ("", "_low", "_high")
    numbers = [f"{name}{end}" for name in (*VERSIONS, "change") for end in ends]
    return found[[*VIEW, "metric", *numbers, "p", "p_holm", "count", "note"]]


def _compared(table, released, meant, higher_is_better, resamples, seed):
    """Return the rows of one metric."""
    both = table[[*KEYS, "recognition_rate"]].assign(released=table[released], meant=table[meant])
    directions = dict.fromkeys(VERSIONS, higher_is_better)
    values, differences = measure_by_dataset(both, directions, "meant", resamples, seed)
    one, other = (values[values["metric"] == version].set_index(VIEW) for version in VERSIONS)
    rows = other[["count", "note"]].copy()
    rows["note"] = rows["note"].where(rows["note"] != "", one["note"])
    for version, each in zip(VERSIONS, (one, other), strict=True):
        for end in ("", "_low", "_high"):
            rows[f"{version}{end}"] = each[f"faithfulness{end}"]
    changes = differences.set_index(VIEW).rename(
        columns={"difference": "change", "low": "change_low", "high": "change_high"}
    )
    return rows.join(changes[["change", "change_low", "change_high", "p"]]).reset_index()
