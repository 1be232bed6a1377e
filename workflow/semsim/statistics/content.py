"""What the content of an original is worth: metrics with and without the difficulty of the original, compared.

A metric with the difficulty is compared with the metric alone on single reconstructions: pooled, and within one target
model and attack, where only the content differs. Within one original the difficulty is the same for all. The family of
Holm's correction is all gains of a data set: metrics, sources of difficulty and levels, as printed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.association import PooledReconstructions, WithinCells
from semsim.statistics.crossing import cross, draw
from semsim.statistics.faithfulness import with_holm
from semsim.statistics.resampling import blocks_of_resamples, p_of_no_difference, percentile_interval

NOTHING, CLASS, IMAGE, OTHER_MODELS = SOURCES = ("none", "class", "image", "other_models")
"""Where the difficulty of an original comes from: none (not used), its class, its clear image, or its own recognition
rate under the other target models, which is what the others try to predict."""
EMBEDDING = "embedding"
"""A source that only SemSim has: its own embedding of the clear image."""
NOT_MEASURED = "not measured"
"""How the note of a row begins for which something that has to be downloaded was not there."""
NO_METRIC = "none"
"""In the column metric: no metric, only the difficulty."""
WORTH = 0.03
"""The gain from which the content of an original is worth knowing, if its interval lies above zero."""
RESAMPLES = 1000
"""At most so many resamples for the intervals."""
LEVELS = {"cells": WithinCells, "reconstructions": PooledReconstructions}
COLUMNS = ["dataset", "kind", "reference", "level", "metric", "difficulty", "value", "low", "high"]
COLUMNS += ["gain", "gain_low", "gain_high", "p", "p_holm", "tests", "count", "undefined", "note"]


def measure_content(trials: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Measure how well reconstructions are told apart with and without the difficulty of their originals.

    Parameters
    ----------
    trials : pandas.DataFrame
        Chances on held-out originals: kind, reference, dataset, target, attack, original, recognition_rate, metric,
        difficulty (one of `SOURCES`), chance.
    resamples : int
        Number of bootstrap resamples of target models and originals, at most `RESAMPLES`. What was learned in the folds
        is not learned again.
    seed : int

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, level, metric, difficulty; value (area under the ROC curve), low, high (95 %
        interval); gain (over the same metric without difficulty, in the same resamples) with its interval, p and p_holm
        (corrected over metrics, difficulties and levels, `tests` of them); count (of reconstructions), undefined
        (resamples without a value) and note.
    """
    rows = []
    for (dataset, kind, reference), of_study in trials.groupby(["dataset", "kind", "reference"], sort=False):
        generator, draws = np.random.default_rng(seed_for(seed, "content", dataset, kind)), None
        alone = {}
        for (metric, source), each in of_study.groupby(["metric", "difficulty"], sort=False):
            crossing = cross(each, ["chance"])
            draws = draws or draw(crossing, min(resamples, RESAMPLES), generator)
            about = {"dataset": dataset, "kind": kind, "reference": reference, "metric": metric, "difficulty": source}
            about["count"] = int(np.isfinite(crossing.metrics["chance"]).sum())
            for level in LEVELS:
                values = _areas(crossing, level, draws)
                if source == NOTHING:
                    alone[metric, level] = values
                rows.append(about | {"level": level} | _described(values, alone.get((metric, level)), source))
    table = with_holm(pd.DataFrame(rows), COLUMNS[:3])[COLUMNS]
    return table.sort_values(COLUMNS[:4], kind="stable", ignore_index=True)


def without_source(content: pd.DataFrame, source: str, reason: str) -> pd.DataFrame:
    """Add rows that say why the difficulty was not predicted from a source, one for each level."""
    rows = content.drop_duplicates(COLUMNS[:4])[[*COLUMNS[:4], "tests"]]
    rows = rows.assign(metric=NO_METRIC, difficulty=source, count=0, undefined=0, note=reason)
    return pd.concat([content, rows], ignore_index=True)


def _areas(crossing, level, draws):
    """Return the area under the ROC curve of all that there is, followed by those in resamples."""
    chances = crossing.metrics["chance"]
    if not np.isfinite(chances).any():
        return np.full(1 + len(draws.columns), np.nan)
    measure = LEVELS[level](chances, crossing.rates)
    parts = [measure.areas(*(np.ones((1, size), dtype=np.float32) for size in chances.shape))]
    for block in blocks_of_resamples(len(draws.columns), chances.size, RESAMPLES):
        parts.append(measure.areas(draws.columns[block], draws.originals[block]))
    return np.concatenate(parts)


def _described(values, alone, source):
    """Return a value and its gain over the metric alone, with intervals."""
    row = {"value": values[0], "undefined": int(np.isnan(values[1:]).sum()), "note": ""}
    row["low"], row["high"] = percentile_interval(values[1:])
    gains = values - alone if alone is not None and source != NOTHING else np.full(len(values), np.nan)
    row["gain"] = gains[0]
    row["gain_low"], row["gain_high"] = percentile_interval(gains[1:])
    row["p"] = p_of_no_difference(gains[1:])
    if np.isnan(values[0]):
        row["note"] = "too few labelled originals, or all recognised, or none"
    return row
