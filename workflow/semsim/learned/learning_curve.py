"""How well recognition is predicted, by the number of originals that were labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from semsim.labels.recognition import MAJORITY
from semsim.learned.difficulty import predict_chances, predict_difficulty, rows_of
from semsim.learned.scales import COMBINATION
from semsim.seeds import seed_for
from semsim.statistics.content import CLASS, NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (10, 25, 50, 100, 200, 400)
"""Numbers of labelled originals of each data set at which the learning curve is drawn."""
DIVISIONS = 10
"""Random divisions of the originals behind each point of it."""
HELD_OUT = 1 / 3
"""Share of the originals on which it is measured."""
CURVE_COLUMNS = ["dataset", "originals", "labels", "metric", "difficulty", "value", "low", "high", "note"]


def learning_curve(
    table: pd.DataFrame, originals: pd.DataFrame, features: np.ndarray, columns: Sequence[str], seed: int
) -> pd.DataFrame:
    """Measure how well recognition is predicted, by the number of originals that were labelled.

    In each of `DIVISIONS`, a share of the originals is held out, and more and more of the others are learned from.

    Parameters
    ----------
    table, originals
        As in `try_difficulty`.
    features : numpy.ndarray
        [originals, features] from which difficulty is predicted: the classes.
    columns : sequence of str
        The metrics, used together.
    seed : int

    Returns
    -------
    pandas.DataFrame
        dataset, originals (labelled ones of each data set), labels (that they got), metric (``combination``),
        difficulty (`NOTHING` or `CLASS`), value (area under the ROC curve over all reconstructions of the held-out
        originals, mean over divisions), low, high (of the divisions) and note.
    """
    row_of = rows_of(originals, table)
    difficulty, datasets = originals["difficulty"].to_numpy(dtype=float), originals["dataset"].to_numpy()
    areas = []
    for division in range(DIVISIONS):
        generator = np.random.default_rng(seed_for(seed, "learning curve", division))
        rank = pd.Series(generator.random(len(originals))).groupby(datasets).rank().to_numpy()
        size = pd.Series(datasets).groupby(datasets).transform("size").to_numpy()
        tested = rank > np.floor(size * (1 - HELD_OUT))
        for count in (count for count in SIZES if count <= (size * (1 - HELD_OUT)).min()):
            training = rank <= count
            known = table.assign(**{CLASS: predict_difficulty(features, difficulty, training)[row_of]})
            learned, test = known[training[row_of]], known[tested[row_of]]
            for source, used in ((NOTHING, [*columns]), (CLASS, [*columns, CLASS])):
                chances = pd.Series(predict_chances(learned, test, used), index=test.index)
                for dataset, rows in test.groupby("dataset", sort=False):
                    labels = originals.loc[training & (datasets == dataset), "labels"].sum()
                    area = _area(rows["recognition_rate"] > MAJORITY, chances[rows.index])
                    areas.append((dataset, count, labels, COMBINATION, source, area))
    keys = CURVE_COLUMNS[:2] + CURVE_COLUMNS[3:5]
    areas = pd.DataFrame(areas, columns=[*CURVE_COLUMNS[:5], "value"])
    if areas.empty:
        return pd.DataFrame(columns=CURVE_COLUMNS)
    area = {name: ("value", how) for name, how in (("value", "mean"), ("low", "min"), ("high", "max"))}
    points = areas.groupby(keys, sort=False).agg(labels=("labels", "mean"), **area).reset_index()
    notes = np.where(points["value"].isna(), "nothing to learn, or nothing to tell apart", "")
    return points.assign(note=notes)[CURVE_COLUMNS]


def _area(recognised, chances):
    """Return the area under the ROC curve; NaN if there is none."""
    if chances.isna().any() or recognised.all() or not recognised.any():
        return np.nan
    return roc_auc_score(recognised, chances)
