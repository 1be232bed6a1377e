"""Dawid and Skene's model: how reliable each annotator is, and what was most likely shown, without the true classes.

References
----------
Dawid, Skene: "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28, 1979.
"""

import numpy as np
import pandas as pd
from crowdkit.aggregation.classification.dawid_skene import DawidSkene

from semsim.statistics.agreement import COLUMNS

ITERATIONS, TOLERANCE = 100, 1e-6
ALONE = "one annotator: there is nobody to compare with"


def estimate_reliability(answers):
    """Estimate every annotator's reliability from the annotators' answers alone.

    The model says that an image shows one class, "can't tell" being one of its own, and that each annotator confuses
    classes with probabilities that do not depend on the image. Annotators who agree with the others for a reason that
    the image does not show (the same bias, say) look more reliable than they are.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.

    Returns
    -------
    pandas.DataFrame
        The columns of `semsim.statistics.agreement.describe_agreement`, without intervals, for each data set and kind
        of annotators: dawid_skene_accuracy of each annotator, the estimated probability of naming what the image shows;
        and dawid_skene_recognition_rate, the share of images of which the most likely class is the true one.
    """
    rows = []
    for (dataset, kind), group in answers.groupby(["dataset", "kind"], sort=False):
        about = {"dataset": dataset, "kind": kind, "answer": "named", "note": ""}
        rows += [about | row for row in _estimates(group)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _estimates(answers):
    """Yield the rows of one data set and kind of annotators."""
    given = answers.groupby("annotator").size()
    truth = answers.drop_duplicates("image").set_index("image")["label"]
    if len(given) == 1:
        model, recognised, note = None, np.nan, {"note": ALONE}
    else:
        columns = {"image": "task", "annotator": "worker", "named": "label"}
        model = DawidSkene(n_iter=ITERATIONS, tol=TOLERANCE).fit(answers[[*columns]].rename(columns=columns))
        recognised, note = (model.labels_ == truth.loc[model.labels_.index]).mean(), {}
    for annotator, count in given.items():
        accuracy = _accuracy(model, annotator) if model else np.nan
        yield note | {"statistic": "dawid_skene_accuracy", "annotator": annotator, "value": accuracy, "count": count}
    yield note | {"statistic": "dawid_skene_recognition_rate", "value": recognised, "count": len(truth)}


def _accuracy(model, annotator):
    """Return the probability of naming the class that an image shows: that of each class, weighted by its share."""
    confusion = model.errors_.loc[annotator]  # [named, shown]
    named = confusion.index.intersection(confusion.columns)
    right = pd.Series(np.diag(confusion.loc[named, named]), named)
    return float((right * model.priors_[named]).sum())
