"""Dawid and Skene's model: how reliable each annotator is, and what was most likely shown, without the true classes.

The model says that an image shows one class, "can't tell" being one of its own, and that each annotator confuses
classes with probabilities that do not depend on the image. Expectation maximisation fits it, starting from the votes.

References
----------
Dawid, Skene: "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28, 1979.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from semsim.statistics.agreement import COLUMNS

TOLERANCE = 1e-9
"""Steps end when one gains less than this in the bound, in nats per answer."""
MOST_STEPS = 10_000
PSEUDO_COUNT = 1e-10
"""Added to how often an annotator names a class where another is shown, so that nothing is impossible for good."""
ALONE = "one annotator: there is nobody to compare with"
NOT_CONVERGED = f"not converged after {MOST_STEPS:,} steps"


class Fit(NamedTuple):
    """The model, fitted to the answers of several annotators.

    Attributes
    ----------
    shown : pandas.DataFrame
        The probability that an image shows a class: one row per image, one column per class that anybody named.
    accuracy : pandas.Series
        By annotator, the expected share of the annotator's answers that name what the image shows.
    bound : numpy.ndarray
        [steps], what the steps maximise: the log-likelihood of the answers in nats, plus the pseudo-counts' share of
        it, which is next to nothing. It never falls.
    converged : bool
        Whether the last step gained less than `TOLERANCE`.
    """

    shown: pd.DataFrame
    accuracy: pd.Series
    bound: np.ndarray
    converged: bool


def fit_dawid_skene(answers: pd.DataFrame) -> Fit:
    """Fit the model by expectation maximisation, from the share of votes for each class of each image.

    Where annotators are few and classes are many, the likelihood has many maxima. The one that is found is the one
    above the votes.

    Parameters
    ----------
    answers : pandas.DataFrame
        One row per answer: image, annotator, and named (the class). Annotators need not have seen every image.

    Returns
    -------
    Fit

    References
    ----------
    Dawid, Skene 1979, equations 2.3 to 2.5.

    Examples
    --------
    Ann and Ben agree, and Cat does not look:

    >>> named = {"Ann": [0, 0, 1, 1], "Ben": [0, 0, 1, 1], "Cat": [0, 1, 0, 1]}
    >>> wide = pd.DataFrame(named).rename_axis("image").reset_index()
    >>> answers = wide.melt("image", var_name="annotator", value_name="named")
    >>> fit_dawid_skene(answers).accuracy.round(3).to_dict()
    {'Ann': 1.0, 'Ben': 1.0, 'Cat': 0.5}
    """
    (image, images), (annotator, annotators) = (pd.factorize(answers[name]) for name in ("image", "annotator"))
    classes, named = np.unique(answers["named"], return_inverse=True)
    # A row for each pair of an annotator and an answer; 1 in the columns of images that were given this answer.
    rows = annotator * len(classes) + named
    given = csr_array((np.ones(len(rows)), (rows, image)), (len(annotators) * len(classes), len(images)))
    given_of = given.T.tocsr()
    shown = np.zeros((len(images), len(classes)))
    np.add.at(shown, (image, named), 1)
    shown /= shown.sum(axis=1, keepdims=True)
    bound, converged = [], False
    while not converged and len(bound) < MOST_STEPS:
        confusion = _confusion(given, shown, len(annotators))
        shown, log_likelihood = _shown(given_of, shown.mean(axis=0), confusion)
        bound.append(log_likelihood + PSEUDO_COUNT * np.log(confusion).sum())
        converged = len(bound) > 1 and bound[-1] - bound[-2] < TOLERANCE * len(answers)
    accuracy = pd.Series(shown[image, named]).groupby(annotators[annotator], sort=False).mean()
    return Fit(pd.DataFrame(shown, images, classes), accuracy, np.array(bound), converged)


def _confusion(given, shown, annotators):
    """Return the probability of each annotator's answers where images show each class, [annotators x answers, classes].

    This is the maximisation: expected counts, made shares of all answers of the annotator.
    """
    classes = shown.shape[1]
    together = (given @ shown).reshape(annotators, classes, classes) + PSEUDO_COUNT
    return (together / together.sum(axis=1, keepdims=True)).reshape(-1, classes)


def _shown(given_of, shares, confusion):
    """Return the probabilities of what images show, [images, classes], and the answers' log-likelihood.

    This is the expectation: Bayes' rule for each image, from the classes' shares and its answers.
    """
    with np.errstate(divide="ignore"):  # a class whose share has come to 0
        joint = np.log(shares) + given_of @ np.log(confusion)
    largest = joint.max(axis=1, keepdims=True)
    joint = np.exp(joint - largest)
    evidence = joint.sum(axis=1, keepdims=True)
    return joint / evidence, float((largest + np.log(evidence)).sum())


def estimate_reliability(answers: pd.DataFrame) -> pd.DataFrame:
    """Estimate every annotator's reliability from the annotators' answers alone.

    Annotators who agree with the others for a reason that the image does not show (the same bias, say) look more
    reliable than they are.

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
        about = {"dataset": dataset, "kind": kind, "answer": "named"}
        rows += [about | row for row in _estimates(group)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _estimates(answers):
    """Yield the rows of one data set and kind of annotators."""
    given = answers.groupby("annotator").size()
    truth = answers.drop_duplicates("image").set_index("image")["label"]
    if len(given) == 1:
        accuracy, recognised, note = {}, np.nan, ALONE
    else:
        fit = fit_dawid_skene(answers)
        accuracy, recognised = fit.accuracy, (fit.shown.idxmax(axis=1) == truth.loc[fit.shown.index]).mean()
        note = "" if fit.converged else NOT_CONVERGED
    for annotator, count in given.items():
        about = {"statistic": "dawid_skene_accuracy", "annotator": annotator, "count": count, "note": note}
        yield about | {"value": accuracy.get(annotator, np.nan)}
    yield {"statistic": "dawid_skene_recognition_rate", "value": recognised, "count": len(truth), "note": note}
