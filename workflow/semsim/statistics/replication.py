"""What holds when a study is run again with other seeds: other images, target models and initialisations.

The interval of a single run resamples its originals and target models. Runs with other seeds draw everything anew, so
they show what an interval cannot: how far a whole study varies, and whether the intervals are as wide as that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.statistics.association import chance_level
from semsim.statistics.generalisation import EVERYTHING, overall
from semsim.statistics.means import mean_margin
from semsim.statistics.resampling import SIGNIFICANT

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCLUSION = ["kind", "reference", "quantity", "folds", "level", "statistic", "metric", "other"]
"""What a row of `over_seeds` is about."""


class Run(NamedTuple):
    """The conclusions of a study with one seed: three of its tables.

    Attributes
    ----------
    generalisation, differences, contradictions : pandas.DataFrame
        ``generalisation.csv``, ``generalisation_differences.csv`` and ``contradictions.csv``.
    """

    generalisation: pd.DataFrame
    differences: pd.DataFrame
    contradictions: pd.DataFrame


def over_seeds(runs: Sequence[Run]) -> pd.DataFrame:
    """Summarise the conclusions of a study over its seeds.

    Parameters
    ----------
    runs : sequence of Run
        The conclusions with each seed.

    Returns
    -------
    pandas.DataFrame
        One row for each of `CONCLUSION`, where ``quantity`` is ``faithfulness`` (of a metric, sign-adjusted),
        ``difference`` (SemSim's faithfulness minus that of ``other``) or ``contradiction`` (share of pairs that
        ``metric`` and ``other`` order differently), all of them means over data sets, and

        - ``seeds``: how many have a value;
        - ``mean``, ``deviation``, ``lowest``, ``highest`` of the values;
        - ``low``, ``high``: 95 % interval of the mean (t distribution, seeds are independent);
        - ``above``: seeds with a value above that of no effect (an area of 0.5, a correlation or difference of 0);
        - ``distinguishable``: seeds in which a difference has the sign of the mean and is significant after Holm's
          correction;
        - ``covered``: seeds whose own 95 % interval contains the mean.

        What a quantity does not have is missing.
    """
    rows = pd.concat(map(_conclusions, runs), ignore_index=True)
    groups = rows.groupby(CONCLUSION, sort=False, dropna=False)
    return pd.DataFrame([dict(zip(CONCLUSION, keys, strict=True)) | _summary(group) for keys, group in groups])


def _conclusions(run):
    """Return a run's values with their intervals, p values and values of no effect, a row for each of `CONCLUSION`."""
    general, differences = (
        overall(table[table["exclusion"] == EVERYTHING]) for table in (run.generalisation, run.differences)
    )
    faithfulness = pd.DataFrame(
        {
            **{name: general[name] for name in CONCLUSION if name in general},
            "quantity": "faithfulness",
            "estimate": general["faithfulness"],
            "low": general["faithfulness_low"],
            "high": general["faithfulness_high"],
            "nothing": general["statistic"].map(chance_level),
        }
    )
    differences = differences.assign(quantity="difference", estimate=differences["difference"], nothing=0.0)
    columns = ["kind", "reference", "metric", "other"]
    contradictions = run.contradictions.groupby(columns, sort=False, as_index=False)["value"].mean()
    contradictions = contradictions.assign(quantity="contradiction", estimate=contradictions["value"])
    names = [*CONCLUSION, "estimate", "low", "high", "nothing", "p_holm"]
    return pd.concat(
        [each.reindex(columns=names) for each in (faithfulness, differences, contradictions)], ignore_index=True
    )


def _summary(group):
    """Return what the seeds say about one quantity."""
    group = group.dropna(subset="estimate")
    values, number = group["estimate"], len(group)
    mean = values.mean()
    margin = mean_margin(number, values.sem())
    same_way = np.sign(values - group["nothing"]) == np.sign(mean - group["nothing"])
    significant = (group["p_holm"] < SIGNIFICANT) & same_way
    covered = (group["low"] <= mean) & (mean <= group["high"])
    return {
        "seeds": number,
        "mean": mean,
        "deviation": values.std(),
        "low": mean - margin,
        "high": mean + margin,
        "lowest": values.min(),
        "highest": values.max(),
        "above": _counted(values > group["nothing"], group["nothing"]),
        "distinguishable": _counted(significant, group["p_holm"]),
        "covered": _counted(covered, group["low"]),
    }


def _counted(holds, known):
    """Return how many rows hold, or nothing if none of them knows."""
    return holds.sum() if known.notna().any() else np.nan
