"""Trivial baselines: what a predictor reaches that never looks at the image.

One knows only the cell (the target model and the attack), the other only the original. Each predicts a recognition rate
from held-out labels: those of the same cell for all other originals, or of the same original under all other target
models. A metric that does not beat them has not shown that it sees anything.

Pooled, the pairs of one cell (or original) come out reversed, because what is left out lowers the prediction just where
the rate is high. These are few, and make a baseline look slightly worse, never better.

References
----------
Airola, Pahikkala, Waegeman, De Baets, Salakoski: "An experimental comparison of cross-validation techniques for
estimating the area under the ROC curve", Computational Statistics & Data Analysis 55, 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semsim.metrics.scales import Scale, Scales

if TYPE_CHECKING:
    import pandas as pd

    from semsim.statistics.crossing import Crossing

BASELINES = Scales(
    {
        scale.metric: scale
        for scale in (
            Scale("knows_cell", "Knows only the cell", "", 0, 1, True, "", "labels"),
            Scale("knows_original", "Knows only the original", "", 0, 1, True, "", "labels"),
        )
    }
)
"""The baselines, which stand beside the metrics in tables of faithfulness."""
CANNOT_TELL = {
    ("knows_cell", "cells"): "the same for all reconstructions of one cell",
    ("knows_cell", "models"): "predicts the very rate that it is compared with",
    ("knows_original", "originals"): "the same for all reconstructions of one original",
    ("knows_original", "models"): "the same for all target models",
}
"""Why a baseline says nothing at a level, by baseline and level. What it would be is noise of leaving out."""


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
    predictions = {
        name: np.divide(*sums, out=np.full(rates.shape, np.nan), where=sums[1] > 0)
        for name, sums in zip(BASELINES, (other_originals, other_models), strict=True)
    }
    return crossing._replace(metrics=crossing.metrics | predictions)


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
    predictions = {
        name: np.divide(*sides, out=np.full(len(table), np.nan), where=sides[1] > 0)
        for name, sides in zip(BASELINES, left, strict=True)
    }
    return table.assign(**predictions)
