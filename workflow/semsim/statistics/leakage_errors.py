"""False and missed leakage: how often a metric is wrong about whether a reconstruction gives its image away.

A metric calls a reconstruction leaked if it rates it above a threshold. The threshold is chosen on other originals than
those to which it is applied, such that the metric calls as many reconstructions leaked as the majority of annotators
recognises. Binary metrics, such as the target model's own top-1, need none. SemSim's distances are for originals that
it was not trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.labels.recognition import MAJORITY
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES, with_baselines
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.person import answers_above, threshold_of
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

if TYPE_CHECKING:
    from semsim.statistics.person import Panel

PARTS = 5
"""Parts of the originals; the threshold for each is chosen on the others."""
BLOCK = 512
"""Maximum number of resamples that are evaluated at once."""
ERRORS = ("false", "missed", "nobody")
COLUMNS = [*GROUP, "metric", "threshold", "yes", *(f"{name}{end}" for name in ERRORS for end in ("", "_low", "_high"))]
COLUMNS += ["recognised", "by_nobody", "count", "undefined", "note"]


def measure_leakage_errors(
    panels: dict[tuple[str, str, str], Panel], higher_is_better: dict[str, bool], resamples: int, seed: int
) -> pd.DataFrame:
    """Measure how often each metric calls leaked what annotators cannot tell, and how often it misses what they can.

    Parameters
    ----------
    panels : dict of (str, str, str) to semsim.statistics.person.Panel
        By dataset, kind (of the annotators) and reference; it has the recognition rates of all annotators.
    higher_is_better : dict of str to bool
        The metrics.
    resamples : int
        Number of bootstrap resamples of target models and originals, for the intervals; thresholds stay as they are.
    seed : int
        Of the resamples, and of the division of the originals.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, metric; threshold (mean over the parts, in the metric's unit; NaN for one that says
        yes or no by itself), yes (the share that it calls leaked); false (the share that it calls leaked of those that
        the majority did not recognise), missed (the share that it does not call leaked of those that the majority did)
        and nobody (the share that it calls leaked of those that no annotator recognised), with 95 % intervals;
        recognised (by the majority), by_nobody and count (of reconstructions), undefined (resamples that lack false or
        missed), and note.
    """
    directions, rows = higher_is_better | BASELINES.directions, []
    for (dataset, kind, reference), panel in panels.items():
        crossing = with_baselines(panel.crossing)
        generator = np.random.default_rng(seed_for(seed, "leakage errors", dataset, kind))
        parts = generator.permutation(np.arange(crossing.rates.shape[1]) % PARTS)
        draws = draw(crossing, resamples, generator)
        for metric, x in crossing.metrics.items():
            sign = 1 if directions[metric] else -1
            called, threshold = call_leaked(sign * x, crossing.rates, parts)
            about = {"dataset": dataset, "kind": kind, "reference": reference, "metric": metric}
            rows.append(about | {"threshold": sign * threshold} | _described(called, crossing, draws))
    return pd.DataFrame(rows)[COLUMNS]


def call_leaked(x: np.ndarray, rates: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return which reconstructions a metric calls leaked, by thresholds chosen on other originals.

    Parameters
    ----------
    x : numpy.ndarray
        The metric, higher for better reconstructions, [columns, originals]; NaN where missing. One that has only the
        values 0 and 1 is taken at its word.
    rates : numpy.ndarray
        Recognition rates, of the same shape; NaN where missing.
    parts : numpy.ndarray
        The part of each original, [originals].

    Returns
    -------
    called : numpy.ndarray
        1 for leaked and 0 for not, of the same shape; a share for values that equal the threshold, NaN where there is
        nothing to call or to choose a threshold from.
    threshold : float
        The mean over parts; NaN for a metric that is taken at its word.
    """
    known = np.isfinite(x) & np.isfinite(rates)
    if np.isin(x[known], (0, 1)).all():
        return np.where(known, x, np.nan), np.nan
    called, thresholds = np.full(x.shape, np.nan), []
    for part in np.unique(parts):
        chosen, tested = known & (parts != part), known & (parts == part)
        if chosen.any() and tested.any():
            threshold, tied = threshold_of(x[chosen], (rates[chosen] > MAJORITY).sum())
            called[tested] = answers_above(x[tested], threshold, tied)
            thresholds.append(threshold)
    return called, float(np.mean(thresholds)) if thresholds else np.nan


def _described(called, crossing, draws):
    """Return the row of a metric: errors with intervals, and what stands behind them."""
    known, rates = np.isfinite(called), crossing.rates
    recognised, by_nobody = known & (rates > MAJORITY), known & (rates == 0)
    errors = (called, known & ~recognised), (1 - called, recognised), (called, by_nobody)
    once = tuple(np.ones((1, size)) for size in rates.shape)
    row = {"yes": called[known].mean() if known.any() else np.nan, "count": int(known.sum())}
    row |= {"recognised": int(recognised.sum()), "by_nobody": int(by_nobody.sum())}
    lacking = np.zeros(len(draws.columns), dtype=bool)
    for name, (said, where) in zip(ERRORS, errors, strict=True):
        row[name] = float(_shares(said, where, *once)[0])
        resampled = _shares(said, where, *draws)
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(resampled)
        if name != "nobody":
            lacking |= np.isnan(resampled)
    return row | {"undefined": int(lacking.sum()), "note": _why_undefined(known, recognised)}


def _why_undefined(known, recognised):
    """Return why a share is undefined, or an empty text."""
    if not known.any():
        return "no reconstruction has both a value and labels"
    if not recognised.any():
        return "the majority recognised none: nothing can be missed"
    return "" if recognised.sum() < known.sum() else "the majority recognised all: nothing can be called leaked falsely"


def _shares(said, where, columns, originals):
    """Return the mean of what is said of certain reconstructions, [resamples]; NaN where none of them was drawn."""
    tables = [np.where(where, values, 0.0) for values in (said, np.ones(said.shape))]
    parts = []
    for block in blocks_of_resamples(len(columns), said.size, BLOCK):
        sums = [((columns[block] @ table) * originals[block]).sum(axis=1) for table in tables]
        parts.append(ratio(*sums))
    return np.concatenate(parts)
