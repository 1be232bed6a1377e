"""The other learned baselines: hand-crafted metrics, combined by logistic regression, or the best of them.

The best metric is selected on other data than it is tested on; otherwise the best of many looks better than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semsim.io.tables import KEYS
from semsim.labels.recognition import MAJORITY, missing_triplets
from semsim.learned.folds import make_folds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def combine_metrics(table: pd.DataFrame, metrics: Sequence[str], exclusion: str, parts: int, seed: int) -> pd.DataFrame:
    """Learn from the metrics of one side of each fold whether the majority recognises, and tell it of the other.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a reconstruction: dataset, architecture, defence, attack, original, recognition_rate and the metrics.
    metrics : list of str
        Those that have a value in every row are used.
    exclusion, parts, seed
        As in `semsim.learned.folds.make_folds`.

    Returns
    -------
    pandas.DataFrame
        A row a tested reconstruction: dataset, target, attack, original, and combination, the log-odds of being
        recognised; NaN where there was nothing to learn, because all or none were recognised.
    """
    complete = [name for name in metrics if np.isfinite(table[name]).all()]
    found = []
    for fold in make_folds(table, exclusion, parts, seed):
        training, test = table[fold.training], table[fold.test]
        scores = np.nan
        if complete and not missing_triplets(training):
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(training[complete], training["recognition_rate"] > MAJORITY)
            scores = model.decision_function(test[complete])
        found.append(test[KEYS].assign(combination=scores))
    return pd.concat(found, ignore_index=True)


def choose_metric(
    table: pd.DataFrame, higher_is_better: Mapping[str, bool], exclusion: str, parts: int, seed: int
) -> pd.DataFrame:
    """Choose the metric that is best on one side of each fold, and tell it of the other.

    Parameters
    ----------
    table, exclusion, parts, seed
        As in `combine_metrics`.
    higher_is_better : dict of str to bool
        The metrics to choose from; the best has the largest area under the ROC curve, averaged over data sets.

    Returns
    -------
    pandas.DataFrame
        A row a tested reconstruction: dataset, target, attack, original, best_metric (the share of training
        reconstructions with a worse value of the chosen metric, which is comparable between folds) and chosen (the
        metric's name); NaN and None where there was nothing to choose by.
    """
    better = {name: table[name] if up else -table[name] for name, up in higher_is_better.items()}
    found = []
    for fold in make_folds(table, exclusion, parts, seed):
        training, test = table[fold.training], table[fold.test]
        areas = {name: _mean_area(values[fold.training], training) for name, values in better.items()}
        areas = {name: area for name, area in areas.items() if np.isfinite(area)}
        chosen, scores = None, np.nan
        if areas:
            chosen = max(areas, key=areas.get)
            scores = _share_below(better[chosen][fold.training], better[chosen][fold.test])
        found.append(test[KEYS].assign(best_metric=scores, chosen=chosen))
    return pd.concat(found, ignore_index=True)


def _mean_area(values, table):
    """Return the mean over data sets of the area under the ROC curve; NaN if it is undefined for all."""
    areas = []
    for _, rows in table.assign(value=values).dropna(subset="value").groupby("dataset"):
        recognised = rows["recognition_rate"] > MAJORITY
        if recognised.any() and not recognised.all():
            areas.append(roc_auc_score(recognised, rows["value"]))
    return np.mean(areas) if areas else np.nan


def _share_below(known, values):
    """Return the share of known values below each value, counting equal ones half; NaN where it is missing."""
    ordered = np.sort(known.dropna())
    below = sum(np.searchsorted(ordered, values, side) for side in ("left", "right")) / 2 / len(ordered)
    return np.where(np.isfinite(values), below, np.nan)
