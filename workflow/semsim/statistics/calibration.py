"""Whether chances are calibrated: of reconstructions with a chance of 0.3, three in ten should be recognised.

A chance is the probability that one annotator recognises one reconstruction, so labels count one by one, as recognition
rates. A set of reconstructions (a target model under an attack) deviates as a whole from the average, because some
models and attacks give clearer images at the same distance. This deviation is modelled as an intercept and a slope on
the scale of log-odds, Cox's recalibration: ``logit(p) -> a + b * logit(p)``. Its covariance has two parts: how
uncertain intercept and slope are, by a bootstrap of target models and originals; and how far apart sets are, a variance
of the intercept by the method of moments (the squared error of the count of a set, less what chance gives it).

References
----------
Cox: "Two further applications of a model for binary regression", Biometrika 45, 1958. Nguyen, O'Connor: "Posterior
calibration and exploratory analysis for natural language processing models", EMNLP 2015 (groups of equal size). Owen:
"The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.labels.recognition import MAJORITY
from semsim.seeds import seed_for
from semsim.statistics.content import NOTHING
from semsim.statistics.crossing import COLUMN, RATE
from semsim.statistics.generalisation import EVERYTHING
from semsim.statistics.recalibration import count_interval, log_odds, shares
from semsim.statistics.resampling import blocks_of_resamples, draw_counts, percentile_interval
from semsim.text import WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANCE = "chance"
SETS = ["dataset", *COLUMN]
"""Reconstructions with the same of these are a set."""
GROUPS = 10
"""Groups of about equal size, by their chance, whose shares are compared with their mean chances."""
RESAMPLES = 200
"""At most so many resamples."""
PRIOR = 0.01
"""Precision of a normal prior on intercept and slope: it keeps them finite where chances are perfect."""
STEPS = 30
"""Of Newton's method; it takes about six."""
CALIBRATED = ["kind", "reference", "folds", "dataset", "metric", "difficulty"]
"""Columns that identify the chances whose calibration is measured."""
COLUMNS = [
    *CALIBRATED,
    "value",
    "brier",
    "brier_low",
    "brier_high",
    "constant",
    "error",
    "excess",
    "excess_low",
    "excess_high",
]
COLUMNS += ["slope", "slope_low", "slope_high", "covered", "sets", "count", "note"]


class Deviation(NamedTuple):
    """How a set deviates from chances that are right on average.

    Attributes
    ----------
    intercept, slope : float
        What chances should be recalibrated by, 0 and 1 if they are calibrated.
    resampled : numpy.ndarray
        The same in resamples, [resamples, 2].
    spread : float
        Variance of the intercept between sets.
    """

    intercept: float
    slope: float
    resampled: np.ndarray
    spread: float

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of intercept and slope of a new set, [2, 2]."""
        return np.cov(self.resampled.T) + np.diag([self.spread, 0])


def measure_deviation(trials: pd.DataFrame, resamples: int, seed: int) -> Deviation:
    """Measure how sets deviate from their chances.

    Parameters
    ----------
    trials : pandas.DataFrame
        Chances on held-out originals: dataset, target, attack, original, recognition_rate, chance.
    resamples : int
        At most `RESAMPLES`.
    seed : int
    """
    logits, rates = log_odds(trials[CHANCE].to_numpy()), trials[RATE].to_numpy()
    (intercept, slope), *_ = _recalibrate(logits, rates, np.ones((1, len(trials))))
    resampled = [_recalibrate(logits, rates, weights) for weights in _resamples(trials, resamples, seed)]
    return Deviation(intercept, slope, np.concatenate(resampled), _spread(trials))


def measure_calibration(trials: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Measure how well chances are calibrated.

    Parameters
    ----------
    trials : pandas.DataFrame
        Chances on held-out data: kind, reference, folds, dataset, target, attack, original, recognition_rate, metric,
        difficulty (`semsim.statistics.content.SOURCES` or another), chance; NaN where there is none.
    resamples, seed
        As for `measure_deviation`.

    Returns
    -------
    pandas.DataFrame
        `CALIBRATED` (dataset may be `EVERYTHING`); value (area under the ROC curve over all reconstructions); brier
        (mean squared error of the chances, over labels) with its 95 % interval; constant (the Brier score of a chance
        that is the same for all: their rate); error (mean distance of chance and rate in `GROUPS` of equal size);
        excess (mean chance minus rate) with its interval; slope (1 if calibrated, below if chances are too extreme)
        with its interval; covered (share of sets whose count lies in the interval that is predicted for it); sets,
        count (of reconstructions) and note.
    """
    rows, of_all = [], [key for key in CALIBRATED if key != "dataset"]
    for keys, tried in trials.groupby(of_all, sort=False):
        known = tried.dropna(subset=[CHANCE, RATE])
        if known.empty:
            found = {EVERYTHING: {"count": 0, "note": "nothing to learn from"}}
        else:
            found = _described(known, resamples, seed)
        rows += [dict(zip(of_all, keys, strict=True)) | {"dataset": dataset} | row for dataset, row in found.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _described(trials, resamples, seed):
    """Return what `measure_calibration` says of all data sets together and, if there are several, of each."""
    deviation = measure_deviation(trials, resamples, seed)
    inside = _covered(trials, deviation.covariance)
    found = {EVERYTHING: _errors(trials, deviation, inside, resamples, seed)}
    if trials["dataset"].nunique() > 1:
        for dataset, rows in trials.groupby("dataset", sort=False):
            of_dataset = inside[inside.index.get_level_values("dataset") == dataset]
            found[dataset] = _errors(rows, measure_deviation(rows, resamples, seed), of_dataset, resamples, seed)
    return found


def _errors(trials, deviation, inside, resamples, seed):
    """Return a row of `measure_calibration` without its keys."""
    from sklearn.metrics import roc_auc_score  # which notebooks do without

    chances, rates = trials[CHANCE].to_numpy(), trials[RATE].to_numpy()
    squared = brier_scores(trials).to_numpy()
    both = np.stack([squared, chances - rates], 1)
    means = [weights @ both / weights.sum(1, keepdims=True) for weights in _resamples(trials, resamples, seed)]
    briers, excesses = np.concatenate(means).T
    recognised = rates > MAJORITY
    row = {"value": np.nan if recognised.all() or not recognised.any() else roc_auc_score(recognised, chances)}
    row |= {"brier": squared.mean(), "constant": rates.mean() * (1 - rates.mean())}
    row |= {"error": grouped_error(chances, rates), "excess": (chances - rates).mean(), "slope": deviation.slope}
    for name, values in {"brier": briers, "excess": excesses, "slope": deviation.resampled[:, 1]}.items():
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(values)
    return row | {"covered": inside.mean(), "sets": len(inside), "count": len(trials), "note": ""}


def brier_scores(trials: pd.DataFrame) -> pd.Series:
    """Return the mean squared error of each chance over the labels that its reconstruction got."""
    chances, rates = trials[CHANCE], trials[RATE]
    return rates * (1 - chances) ** 2 + (1 - rates) * chances**2


def difficulty_used(errors: pd.DataFrame) -> str:
    """Return the source of difficulty with which chances are best on held-out originals: `NOTHING` if none helps.

    Parameters
    ----------
    errors : pandas.DataFrame
        From `measure_calibration`, of one metric.
    """
    rows = errors[(errors["dataset"] == EVERYTHING) & (errors["folds"] == WITHIN)].set_index("difficulty")["brier"]
    others = rows.drop(NOTHING)[rows.drop(NOTHING) < rows[NOTHING]]
    return others.idxmin() if len(others) else NOTHING


def grouped_error(chances: np.ndarray, rates: np.ndarray, groups: int = GROUPS) -> float:
    """Return the mean distance between chance and rate in groups of about equal size, ordered by chance.

    This is the expected calibration error with adaptive groups.

    Examples
    --------
    >>> float(grouped_error(np.array([0.2, 0.2, 0.6, 0.6]), np.array([0, 0, 1, 0]), groups=2).round(2))
    0.15
    """
    order = np.argsort(chances, kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part)]
    return sum(len(part) * abs(chances[part].mean() - rates[part].mean()) for part in parts) / len(order)


def _covered(trials, covariance):
    """Return for each set whether the annotators' mean number of recognised images lies in the predicted interval."""
    inside = {}
    for key, rows in trials.groupby(SETS, sort=False):
        low, high = count_interval(rows[CHANCE].to_numpy(), covariance)
        inside[key] = low <= round(rows[RATE].sum()) <= high
    return pd.Series(inside).rename_axis(SETS)


def _spread(trials):
    """Return the variance of the intercept between sets, by the method of moments; 0 if chance explains it all."""
    chances = trials[CHANCE]
    sums = pd.DataFrame({"error": trials[RATE] - chances, "variance": chances * (1 - chances)})
    sums = sums.groupby([trials[name] for name in SETS]).sum()
    return max(0.0, (sums["error"] ** 2 - sums["variance"]).sum() / (sums["variance"] ** 2).sum())


def _resamples(trials, resamples, seed) -> Iterator[np.ndarray]:
    """Yield how often each row was drawn, [resamples, rows] in blocks: target models by name, and originals."""
    resamples = min(resamples, RESAMPLES)
    generator = np.random.default_rng(seed_for(seed, "calibration"))
    targets, names = pd.factorize(trials["target"], sort=True)
    models = draw_counts(len(names), resamples, generator)
    originals = np.zeros((resamples, len(trials)), dtype=np.float32)
    for places in trials.groupby("dataset", sort=True).indices.values():
        codes, names = pd.factorize(trials["original"].iloc[places], sort=True)
        originals[:, places] = draw_counts(len(names), resamples, generator)[:, codes]
    for block in blocks_of_resamples(resamples, len(trials), resamples):
        yield models[block][:, targets] * originals[block]


def _recalibrate(logits, rates, weights):
    """Return the most probable intercept and slope of rates given log-odds, [resamples, 2], by Newton's method."""
    values = np.tile([0.0, 1.0], (len(weights), 1))
    for _ in range(STEPS):
        expected = shares(values[:, :1] + values[:, 1:] * logits)
        error, curvature = weights * (rates - expected), weights * expected * (1 - expected)
        gradient = np.stack([error.sum(1), error @ logits], 1) - PRIOR * (values - [0, 1])
        zeroth, first, second = curvature.sum(1) + PRIOR, curvature @ logits, curvature @ logits**2 + PRIOR
        turned = second * gradient[:, 0] - first * gradient[:, 1], zeroth * gradient[:, 1] - first * gradient[:, 0]
        step = np.stack(turned, 1) / (zeroth * second - first**2)[:, None]
        values += step
        if np.abs(step).max() < 1e-8:
            break
    return values
