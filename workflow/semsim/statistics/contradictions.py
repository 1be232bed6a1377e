"""Contradictions: how often two metrics, or a metric and the annotators, put two reconstructions in opposite order.

Only reconstructions of the same original are compared: which of two target models leaks more about this image?
"""

from itertools import combinations

import numpy as np
import pandas as pd

from semsim.statistics.faithfulness import GROUP, cross, draw, with_rates
from semsim.statistics.resampling import percentile_interval

ANNOTATORS = "annotators"
CLEAR_GAP = 0.6
"""Annotators clearly separate two reconstructions whose recognition rates differ by this much: three of five labels."""
COLUMNS = [*GROUP, "metric", "other", "value", "low", "high", "pairs", "tied", "note"]


def count_contradictions(metrics, rates, higher_is_better, resamples, generator, clear_gap=CLEAR_GAP):
    """Count in how many pairs of reconstructions of one original two metrics contradict each other, or the annotators.

    Parameters
    ----------
    metrics : pandas.DataFrame
        dataset, target, attack, original, reference and a column a metric.
    rates : pandas.DataFrame
        dataset, target, attack, original, kind (of the annotators), recognition_rate.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value is a better reconstruction.
    resamples : int
        How often target models and originals are drawn anew for the intervals.
    generator : numpy.random.Generator
    clear_gap : float
        Annotators are asked only about pairs whose recognition rates differ by at least this.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, metric, other (a metric, or `ANNOTATORS`), value (the share of pairs in opposite
        order), low, high (95 % interval), pairs (how many both put in an order), tied (how many at least one did not,
        and which are left out; annotators tie all that they do not clearly separate) and note (why a value is
        undefined).
    """
    rows = []
    for keys, group in with_rates(metrics, rates).groupby(GROUP, sort=False):
        crossing = cross(group, higher_is_better)
        draws = draw(crossing, resamples, generator)
        first, second = np.triu_indices(len(crossing.models), 1)
        weights = draws.columns[:, first] * draws.columns[:, second], draws.originals

        gaps = crossing.rates[first] - crossing.rates[second]
        orders = {
            name: np.sign(x[first] - x[second]) * (1 if higher_is_better[name] else -1)
            for name, x in crossing.metrics.items()
        }
        # Rates are shares such as 3/5, so a gap of exactly 0.6 may be off by rounding.
        orders[ANNOTATORS] = np.where(
            np.abs(gaps) >= clear_gap - 1e-9, np.sign(gaps), np.where(np.isnan(gaps), gaps, 0)
        )
        about = dict(zip(GROUP, keys, strict=True))
        rows += [
            about | {"metric": one, "other": other} | _compare(orders[one], orders[other], weights)
            for one, other in combinations(orders, 2)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _compare(one, other, weights):
    """Compare two orders of pairs, [pairs, originals]: 1, -1, 0 for a tie, NaN where a value is missing."""
    product = one * other
    ordered, opposite = np.abs(product) == 1, product == -1
    counts = {"pairs": int(ordered.sum()), "tied": int((product == 0).sum())}
    if not counts["pairs"]:
        return counts | {"value": np.nan, "low": np.nan, "high": np.nan, "note": "no pair that both put in an order"}
    low, high = percentile_interval(_share(opposite, ordered, *weights))
    return counts | {"value": opposite.sum() / ordered.sum(), "low": low, "high": high, "note": ""}


def _share(part, whole, pair_weights, original_weights):
    """Return the share of each resample, [resamples]; a pair of rows counts as often as the product of their counts."""
    part, whole = (
        np.einsum("rp,rp->r", pair_weights, original_weights @ table.T.astype(original_weights.dtype))
        for table in (part, whole)
    )
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
