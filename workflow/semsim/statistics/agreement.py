"""How well annotators agree: beyond chance, in pairs, and individually; with intervals over originals.

`answers` is the table of `semsim.labels.with_truth`. Two kinds of answer are compared: `recognised` (named the true
class or not) and `named` (which class; "can't tell" is one of its own).
"""

from __future__ import annotations

from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd

from semsim.labels.table import CANNOT_TELL
from semsim.seeds import seed_for
from semsim.statistics.resampling import (
    DrawnCounts,
    centred_interval,
    few_units,
    percentile_interval,
    ratio,
    share_interval,
)

ANSWERS = ("recognised", "named")
COLUMNS = ["dataset", "kind", "statistic", "answer", "annotator", "other", "value", "low", "high", "count", "note"]


def count_answers(answers: pd.DataFrame, column: str) -> np.ndarray:
    """Count how many annotators gave each answer about each image.

    Parameters
    ----------
    answers : pandas.DataFrame
        One row per label.
    column : {"recognised", "named"}

    Returns
    -------
    numpy.ndarray
        [images, different answers]; images in the order of their first label.
    """
    (images, names), (values, kinds) = (pd.factorize(answers[name]) for name in ("image", column))
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (images, values), 1)
    return counts


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Return Krippendorff's alpha of unordered answers; NaN where all answers are equal or nobody shares an image.

    The package `krippendorff` computes it for each answer against all others, and the mean is taken with the weights
    that make it the alpha of all answers: what is expected by chance of each. (Given all answers at once, the package
    needs memory for every pair of answers of every image: gigabytes for 100 classes.)

    Parameters
    ----------
    counts : numpy.ndarray
        [images, different answers]. Images with fewer than two labels do not count.

    Returns
    -------
    float
        1 for full agreement, 0 for what chance gives.

    References
    ----------
    Krippendorff: "Content Analysis", 2004, chapters 11 and 12.
    """
    labels = counts.sum(axis=1)
    counts, labels = counts[labels > 1], labels[labels > 1]
    given = counts.sum(axis=0)
    expected = given * (given.sum() - given)  # of an answer and any other one in a pair, up to a factor
    if not expected.any():
        return np.nan
    alphas = [
        krippendorff.alpha(value_counts=np.stack([own, labels - own], axis=1), level_of_measurement="nominal")
        for own in counts.T[expected > 0]
    ]
    return float(np.average(alphas, weights=expected[expected > 0]))


def fleiss_kappa(counts: np.ndarray) -> float:
    """Return Fleiss' kappa; NaN where all answers are equal, or images have different numbers of labels.

    Parameters
    ----------
    counts : numpy.ndarray
        [images, different answers].

    Returns
    -------
    float
        1 for full agreement, 0 for what chance gives.

    References
    ----------
    Fleiss: "Measuring nominal scale agreement among many raters", Psychological Bulletin 76, 1971.
    """
    labels = counts.sum(axis=1)
    if not len(labels) or labels[0] < 2 or (labels != labels[0]).any():
        return np.nan
    agreement = ((counts**2).sum(axis=1) - labels) / (labels * (labels - 1))
    by_chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((agreement.mean() - by_chance) / (1 - by_chance)) if by_chance < 1 else np.nan


def resampled_alpha(counts: np.ndarray, originals: np.ndarray, weights: np.ndarray | DrawnCounts) -> np.ndarray:
    """Return Krippendorff's alpha of each resample.

    Alpha depends on two sums over images, so a resample only weighs the originals' shares of them.

    Parameters
    ----------
    counts : numpy.ndarray
        [images, different answers].
    originals : numpy.ndarray
        [images], the number of each image's original.
    weights : numpy.ndarray or semsim.statistics.resampling.DrawnCounts
        [resamples, originals], how often each original was drawn.

    Returns
    -------
    numpy.ndarray
        [resamples]; NaN where all answers are equal.
    """
    labels = counts.sum(axis=1, keepdims=True)
    paired = labels[:, 0] > 1
    counts, labels, originals = counts[paired], labels[paired], originals[paired]
    disagreement = (labels**2 - (counts**2).sum(axis=1, keepdims=True)) / (labels - 1)
    sums = _sums_by(originals, np.hstack([disagreement, counts]), weights.shape[1])
    observed, answers = np.split(weights @ sums, [1], axis=1)
    total = answers.sum(axis=1)
    expected = (total**2 - (answers**2).sum(axis=1)) / (total - 1)
    return 1 - ratio(observed[:, 0], expected)


def describe_agreement(answers: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Describe how well annotators agree.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.
    resamples : int
        Number of bootstrap resamples of the originals, for the intervals.
    seed : int
        Seed of the resamples; those of a data set and kind of annotators do not depend on what else is measured.

    Returns
    -------
    pandas.DataFrame
        For each data set and kind of annotators: columns dataset, kind, statistic, answer, annotator, other, value,
        low, high (95 % interval: of shares, Wilson's; else from resamples of the originals), count (of images, or of
        labels for one annotator) and note (why a value is undefined, or that its interval is rough because few
        originals stand behind it). The statistics:

        - krippendorff_alpha and fleiss_kappa, of either answer;
        - pairwise_agreement, the share of images on which two annotators give the same answer, of either kind;
        - for each annotator recognition_rate, cannot_tell_rate, and bias: the annotator's recognition rate minus that
          of the others on the same images.
    """
    rows = []
    for (dataset, kind), group in answers.groupby(["dataset", "kind"], sort=False):
        clusters, originals = pd.factorize(group["original"])
        group = group.assign(cluster=clusters)
        generator = np.random.default_rng(seed_for(seed, dataset, kind))
        weights = DrawnCounts(len(originals), resamples, generator)
        described = (*_chance_corrected(group, weights), *_pairwise(group), *_annotators(group, weights))
        rows += [{"dataset": dataset, "kind": kind} | row for row in described]
    return pd.DataFrame(rows, columns=COLUMNS)


def _chance_corrected(answers, weights):
    """Yield the rows of alpha and kappa."""
    clusters = answers.drop_duplicates("image")["cluster"].to_numpy()
    for column in ANSWERS:
        counts = count_answers(answers, column)
        alpha, kappa = krippendorff_alpha(counts), fleiss_kappa(counts)
        resampled = resampled_alpha(counts, clusters, weights)
        about = {"answer": column, "count": len(counts)}
        same = "all answers are equal, or no image has two labels"
        originals = len(np.unique(clusters))
        yield about | _estimate("krippendorff_alpha", alpha, _beyond_chance(alpha, resampled), originals, same)
        # With m labels an image, 1 - kappa is 1 - alpha times n m / (n m - 1).
        labels = counts.sum()
        unequal = "images have different numbers of labels" if np.ptp(counts.sum(axis=1)) else same
        interval = _beyond_chance(kappa, 1 - (1 - resampled) * labels / (labels - 1))
        yield about | _estimate("fleiss_kappa", kappa, interval, originals, unequal)


def _beyond_chance(value, resampled):
    """Return the interval of a chance-corrected agreement, which is at most 1."""
    low, high = centred_interval(value, resampled)
    return low, min(high, 1.0)


def _pairwise(answers):
    """Yield the rows of pairs of annotators."""
    clusters = answers.groupby("image")["cluster"].first()
    for column in ANSWERS:
        given = answers.pivot(index="image", columns="annotator", values=column).astype(float)
        for one, other in combinations(given.columns, 2):
            both = given[[one, other]].dropna()
            equal = (both[one] == both[other]).to_numpy(dtype=float)
            yield {"answer": column, "annotator": one, "other": other, "count": len(both)} | _share(
                "pairwise_agreement", equal, clusters[both.index].to_numpy(), "no image labelled by both"
            )


def _annotators(answers, weights):
    """Yield the rows of individual annotators."""
    of_image = answers.groupby("image")["recognised"].agg(["sum", "size"])
    sums = of_image.loc[answers["image"]].reset_index(drop=True)
    own = answers["recognised"].reset_index(drop=True).astype(float)
    others = (sums["sum"] - own) / (sums["size"] - 1).where(sums["size"] > 1)
    shares = {"recognition_rate": own, "cannot_tell_rate": (answers["named"] == CANNOT_TELL).to_numpy(dtype=float)}
    values = pd.DataFrame(shares | {"bias": own - others})
    clusters = answers["cluster"].to_numpy()
    for annotator, places in sorted(values.groupby(answers["annotator"].to_numpy()).indices.items()):
        about = {"annotator": annotator, "count": len(places)}
        for statistic in shares:
            yield about | _share(statistic, values[statistic].iloc[places].to_numpy(), clusters[places], "")
        each = values["bias"].iloc[places].dropna()
        mean = each.mean() if len(each) else np.nan
        interval = percentile_interval(_resampled_mean(each, clusters[each.index], weights))
        originals = len(np.unique(clusters[each.index]))
        alone = "no other annotator labelled the same images"
        yield about | {"count": len(each)} | _estimate("bias", mean, interval, originals, alone)


def _share(statistic, values, clusters, why_undefined):
    """Return the columns of the share of ones among values, each of an original."""
    share, interval = (np.mean(values), share_interval(values, clusters)) if len(values) else (np.nan, None)
    return _estimate(statistic, share, interval, len(np.unique(clusters)), why_undefined)


def _estimate(statistic, value, interval, originals, why_undefined):
    """Return the columns of a value, its interval and, where it is NaN or rough, why."""
    if not np.isfinite(value):
        return {"statistic": statistic, "value": np.nan, "low": np.nan, "high": np.nan, "note": why_undefined}
    low, high = interval
    return {"statistic": statistic, "value": value, "low": low, "high": high, "note": few_units(originals)}


def _resampled_mean(values, clusters, weights):
    """Return the mean of values in each resample of their clusters."""
    columns = np.column_stack([values, np.ones(len(values))])
    total, count = (weights @ _sums_by(clusters, columns, weights.shape[1])).T
    return ratio(total, count)


def _sums_by(clusters, columns, count):
    """Return the sums of columns over each of `count` clusters."""
    sums = np.zeros((count, columns.shape[1]))
    np.add.at(sums, clusters, columns)
    return sums
