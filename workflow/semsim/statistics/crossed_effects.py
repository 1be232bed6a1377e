"""A crossed logistic model of labels: who answered, what was shown, and under which target model it was reconstructed.

The log-odds that an annotator recognises a reconstruction are a sum of four numbers: an average, and the effects of the
annotator, of the original, and of the cell (a target model under an attack). Effects are random, normal around zero.
The effect of an original is how easy it is to recognise, whoever labelled it and whatever it was reconstructed from;
unlike a recognition rate it can be compared where not every cell has every original.

Variances are estimated by Schall's iteration: effects are the most probable ones given the variances, and a variance is
the sum of squared effects over the number of effects that the labels determine. Labels of one reconstruction are more
alike than the model says, so the variance of the originals holds a small part of their interaction with the cells.

References
----------
Schall: "Estimation in generalized linear models with random effects", Biometrika 78, 1991. Breslow, Clayton:
"Approximate inference in generalized linear mixed models", Journal of the American Statistical Association 88, 1993.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from scipy.stats import chi2

from semsim.statistics.crossing import COLUMN
from semsim.statistics.resampling import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

FACTORS = {"annotator": ["annotator"], "original": ["original"], "cell": COLUMN}
"""The factors of the model, and the columns of a table of answers that tell their units apart."""
EFFECT_COLUMNS = ["dataset", "kind", "factor", "deviation", "low", "high", "units", "average", "note"]
DIFFICULTY_COLUMNS = ["dataset", "kind", "original", "label", "labels", "recognition_rate", "difficulty", "error"]
STEPS = 200
"""At most so many updates of the variances."""
CLOSE = 1e-4
"""Relative change of all variances at which the iteration ends."""
SMALLEST = 1e-6
"""A smaller variance is none."""
ALL_ALIKE = "all labels are recognised, or none"


class CrossedEffects(NamedTuple):
    """A fitted model.

    Attributes
    ----------
    average : float
        Log-odds of an average annotator, original and cell.
    variances : dict of str to float
        Of the effects of each factor, in squared log-odds.
    effects, errors : dict of str to numpy.ndarray
        By factor, [units]: the effects in log-odds, and their standard errors.
    freedom : dict of str to float
        By factor, the number of effects that the labels determine: at most that of the units.
    """

    average: float
    variances: dict[str, float]
    effects: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    freedom: dict[str, float]


def fit_crossed_effects(recognised: np.ndarray, factors: Mapping[str, np.ndarray]) -> CrossedEffects:
    """Fit the model to labels.

    Parameters
    ----------
    recognised : numpy.ndarray
        bool [labels]; some are recognised, and some are not.
    factors : mapping of str to numpy.ndarray
        For each factor the unit of each label, [labels], as a number from 0.

    Returns
    -------
    CrossedEffects

    Examples
    --------
    >>> recognised = np.array([True, True, True, False, True, False, False, False])
    >>> fit = fit_crossed_effects(recognised, {"original": np.array([0, 0, 0, 0, 1, 1, 1, 1])})
    >>> bool(fit.effects["original"][0] >= fit.effects["original"][1])
    True
    """
    sizes = [int(codes.max()) + 1 for codes in factors.values()]
    blocks = np.split(np.arange(1, 1 + sum(sizes)), np.cumsum(sizes)[:-1])
    columns = [codes + block[0] for codes, block in zip(factors.values(), blocks, strict=True)]
    rows = np.arange(len(recognised))
    places = np.tile(rows, 1 + len(columns)), np.concatenate([np.zeros_like(rows), *columns])
    design = sparse.csr_array((np.ones(len(places[0])), places), shape=(len(rows), 1 + sum(sizes)))
    variances, values = np.ones(len(sizes)), np.zeros(1 + sum(sizes))
    for _ in range(STEPS):
        precision = np.concatenate([[0], np.repeat(1 / variances, sizes)])
        values, spread = _most_probable(design, recognised, precision, values)
        undetermined = np.array([spread[block].sum() for block in blocks]) / variances
        freedom = np.maximum(np.array(sizes) - undetermined, SMALLEST)
        before, variances = variances, np.array([(values[block] ** 2).sum() for block in blocks]) / freedom
        variances = np.maximum(variances, SMALLEST)
        if np.allclose(variances, before, rtol=CLOSE, atol=SMALLEST):
            break
    of_factors = (variances, [values[block] for block in blocks], [np.sqrt(spread[block]) for block in blocks], freedom)
    return CrossedEffects(float(values[0]), *(dict(zip(factors, each, strict=True)) for each in of_factors))


def _most_probable(design, recognised, precision, values):
    """Return the most probable average and effects by Newton's method, and the variance of each."""
    for _ in range(STEPS):
        chances = expit(design @ values)
        information = (design.T @ (design * (chances * (1 - chances))[:, None])).toarray() + np.diag(precision)
        factor = cho_factor(information)
        step = cho_solve(factor, design.T @ (recognised - chances) - precision * values)
        values = values + np.clip(step, -2, 2)  # a long step from afar could miss
        if np.abs(step).max() < 1e-6:
            break
    return values, np.diag(cho_solve(factor, np.eye(len(values))))


def measure_difficulty(answers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the model to the labels of each data set by annotators of each kind.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.

    Returns
    -------
    effects : pandas.DataFrame
        dataset, kind, factor (`FACTORS`), deviation (standard deviation of its effects, in log-odds), low, high (95 %
        interval, from the chi-squared distribution), units, average (log-odds) and note (why there is no value).
    difficulty : pandas.DataFrame
        dataset, kind, original, label (true class), labels (how many it got), recognition_rate, difficulty (the
        log-odds by which it is recognised less often than an average original) and error (its standard error).
    """
    effects, difficulty = [], []
    for (dataset, kind), rows in answers.groupby(["dataset", "kind"], sort=False):
        about = {"dataset": dataset, "kind": kind}
        codes = {name: rows.groupby(columns, sort=True).ngroup().to_numpy() for name, columns in FACTORS.items()}
        recognised = rows["recognised"].to_numpy(dtype=bool)
        fit = fit_crossed_effects(recognised, codes) if 0 < recognised.mean() < 1 else None
        effects += [about | _described(fit, name, int(units.max()) + 1) for name, units in codes.items()]
        each = rows.groupby("original", sort=True).agg(
            label=("label", "first"), labels=("recognised", "size"), recognition_rate=("recognised", "mean")
        )
        found = (-fit.effects["original"], fit.errors["original"]) if fit else (np.nan, np.nan)
        difficulty.append(each.reset_index().assign(**about, difficulty=found[0], error=found[1]))
    return pd.DataFrame(effects)[EFFECT_COLUMNS], pd.concat(difficulty, ignore_index=True)[DIFFICULTY_COLUMNS]


def _described(fit, factor, units):
    """Return the row of a factor."""
    row = {"factor": factor, "units": units, "deviation": np.nan, "low": np.nan, "high": np.nan, "average": np.nan}
    if fit is None:
        return row | {"note": ALL_ALIKE}
    variance, freedom = fit.variances[factor], fit.freedom[factor]
    if variance <= SMALLEST or units < 2:
        return row | {"average": fit.average, "note": "no difference between its units can be seen"}
    ends = variance * freedom / chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], freedom)
    low, high = np.sqrt(ends)
    return row | {"deviation": np.sqrt(variance), "low": low, "high": high, "average": fit.average, "note": ""}
