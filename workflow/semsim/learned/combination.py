"""The other learned baseline: hand-crafted metrics, combined by logistic regression."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semsim.io.tables import KEYS
from semsim.labels.recognition import MAJORITY, missing_triplets
from semsim.learned.folds import make_folds


def combine_metrics(table, metrics, exclusion, parts, seed):
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
