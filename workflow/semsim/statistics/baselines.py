"""Trivial baselines: predictors that never look at the image.

One knows only the cell (the target model and the attack), the other only the original. Each predicts a recognition rate
from held-out labels: those of all other originals in the same cell, or those of the same original under all other
target models. A metric that does not beat them has not been shown to see anything.

Two reconstructions of one cell (or original) are left out together, so a baseline ties them. Predictions that leave out
one at a time would reverse them, because what is left out lowers the prediction just where the rate is high; pooled,
the area under the ROC curve is corrected for that, and the rank correlation is not. What remains makes a baseline look
worse, never better: the prediction for an original comes from other models, which leak less if its own leaks more.

References
----------
Airola, Pahikkala, Waegeman, De Baets, Salakoski: "An experimental comparison of cross-validation techniques for
estimating the area under the ROC curve", Computational Statistics & Data Analysis 55, 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semsim.labels.recognition import MAJORITY
from semsim.metrics.scales import Scale, Scales
from semsim.statistics.association import Levels
from semsim.statistics.resampling import blocks_of_resamples, ratio

if TYPE_CHECKING:
    import pandas as pd

    from semsim.statistics.crossing import Crossing, Draws

MODEL_AND_ATTACK, ORIGINAL_ONLY = "knows_cell", "knows_original"
"""Their names in tables."""
BASELINES = Scales(
    {
        scale.metric: scale
        for scale in (
            Scale(MODEL_AND_ATTACK, "Model-and-attack baseline", "", 0, 1, True, "", "labels"),
            Scale(ORIGINAL_ONLY, "Original-only baseline", "", 0, 1, True, "", "labels"),
        )
    }
)
"""The baselines, which are listed with the metrics in tables of faithfulness."""
CANNOT_TELL = {
    (MODEL_AND_ATTACK, "cells"): "the same for all reconstructions of one cell",
    (MODEL_AND_ATTACK, "models"): "predicts the very rate that it is compared with",
    (ORIGINAL_ONLY, "originals"): "the same for all reconstructions of one original",
    (ORIGINAL_ONLY, "models"): "the same for all target models",
}
"""Why a baseline says nothing at a level, by baseline and level. Its value would only be noise from leaving out."""

BLOCK = 256
"""Maximum number of resamples that are evaluated at once."""


def with_baselines(crossing: Crossing) -> Crossing:
    """Add the predictions of both baselines to the metrics of a crossing.

    Parameters
    ----------
    crossing : semsim.statistics.crossing.Crossing

    Returns
    -------
    semsim.statistics.crossing.Crossing
        Predictions are rates in [0, 1]; NaN where there is nothing to predict from.
    """
    rates, known = np.nan_to_num(crossing.rates), np.isfinite(crossing.rates)
    of_model = np.equal.outer(crossing.models, crossing.models).astype(float)
    other_originals = [table.sum(axis=1, keepdims=True) - table for table in (rates, known)]
    other_models = [table.sum(axis=0) - of_model @ table for table in (rates, known)]
    predictions = map(_predicted, (other_originals, other_models))
    return crossing._replace(metrics=crossing.metrics | dict(zip(BASELINES, predictions, strict=True)))


def add_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """Add the predictions of both baselines to a table of reconstructions, as columns.

    Parameters
    ----------
    table : pandas.DataFrame
        dataset, target, attack, original, recognition_rate.

    Returns
    -------
    pandas.DataFrame
    """

    def sums(*keys):
        groups = table.groupby(["dataset", *keys])["recognition_rate"]
        return np.array([groups.transform("sum"), groups.transform("count")], dtype=float)

    rate = table["recognition_rate"]
    own = np.array([rate.fillna(0), rate.notna()], dtype=float)
    left = sums("target", "attack") - own, sums("original") - sums("original", "target")
    return table.assign(**dict(zip(BASELINES, map(_predicted, left), strict=True)))


def _predicted(left):
    """Return rates from the sums and the numbers of those that are left; NaN where none is."""
    sums, numbers = left
    # Rounded, so that equal rates are tied in whatever order they were summed.
    return np.round(np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0), 12)


def evaluate_metric(name: str, crossing: Crossing, *draws: Draws) -> list[dict[tuple[str, str], np.ndarray]]:
    """Evaluate a metric or a baseline of a crossing, as `semsim.statistics.association.evaluate_levels` does.

    Parameters
    ----------
    name : str
    crossing : semsim.statistics.crossing.Crossing
    *draws : semsim.statistics.crossing.Draws
        Sets of resamples.

    Returns
    -------
    list of dict of (str, str) to numpy.ndarray
        For each set, by level and statistic, [resamples].
    """
    levels = Levels(crossing.metrics[name], crossing.rates)
    found = [levels.evaluate(*each) for each in draws]
    if name in BASELINES:
        for each, values in zip(draws, found, strict=True):
            values["reconstructions", "auc"] = values["reconstructions", "auc"] + _regained(name, crossing, *each)
    return found


def _regained(name, crossing, columns, originals):
    """Return what the pooled area of a baseline gains if pairs of one group are tied, [resamples]."""
    x, rates = crossing.metrics[name], crossing.rates
    known = np.isfinite(x) & np.isfinite(rates)
    sides = known & (rates > MAJORITY), known & (rates <= MAJORITY)
    lost = _lost_within_columns if name == MODEL_AND_ATTACK else _lost_within_originals
    parts = []
    for block in blocks_of_resamples(len(columns), x.size, BLOCK):
        drawn = columns[block], originals[block]
        recognised, unrecognised = (((drawn[0] @ side) * drawn[1]).sum(axis=1) for side in sides)
        parts.append(ratio(lost(x, sides, *drawn), recognised * unrecognised))
    return np.concatenate(parts)


def _lost_within_columns(x, sides, columns, originals):
    """Return by how many pairs of one column a baseline falls short of ties: by half of them, as it reverses all."""
    recognised, unrecognised = (originals @ side.T for side in sides)
    return (columns**2 * recognised * unrecognised).sum(axis=1) / 2


def _lost_within_originals(x, sides, columns, originals):
    """Return by how many pairs of one original a baseline falls short of ties."""
    recognised, unrecognised = sides
    lost = np.zeros((len(x) * len(x), x.shape[1]), dtype=np.float32)
    for place, row in enumerate(x):
        contested = recognised[place] & unrecognised
        lost[place * len(x) : (place + 1) * len(x)] = contested * np.sign(x - row) / 2
    pairs = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    return np.einsum("rp,rp->r", pairs, originals**2 @ lost.T)
