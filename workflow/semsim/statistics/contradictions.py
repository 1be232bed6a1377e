"""Contradictions: how often two metrics, or a metric and the annotators, put two reconstructions in opposite order.

Only reconstructions of the same original are compared: which of two target models leaks more about this image?
"""

from itertools import combinations

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

ANNOTATORS = "annotators"
CLEAR_GAP = 0.6
"""Annotators clearly separate two reconstructions whose recognition rates differ by this much: three of five labels."""
MISSING = 2
"""In an order of pairs, where one of the two has no value."""
BLOCK = 512
"""Resamples that are counted at once, at most."""
COLUMNS = [*GROUP, "metric", "other", "value", "low", "high", "pairs", "tied", "note"]


def count_contradictions(crossings, higher_is_better, resamples, seed, clear_gap=CLEAR_GAP):
    """Count in how many pairs of reconstructions of one original two metrics contradict each other, or the annotators.

    Parameters
    ----------
    crossings : dict of (str, str, str) to semsim.statistics.crossing.Crossing
        By dataset, kind (of the annotators) and reference.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value is a better reconstruction.
    resamples : int
        How often target models and originals are drawn anew for the intervals.
    seed : int
        Of the draws; those of a data set and kind of annotators are the same whatever else is measured.
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
    for (dataset, kind, reference), crossing in crossings.items():
        draws = draw(crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
        first, second = np.triu_indices(len(crossing.models), 1)
        orders = {
            name: _order(x[first] - x[second]) * (1 if higher_is_better[name] else -1)
            for name, x in crossing.metrics.items()
        }
        # Rates are shares such as 3/5, so a gap of exactly 0.6 may be off by rounding.
        orders[ANNOTATORS] = _order(crossing.rates[first] - crossing.rates[second], clear_gap - 1e-9)
        about = {"dataset": dataset, "kind": kind, "reference": reference}
        compared = list(combinations(orders, 2))
        resampled = _resampled_shares([(orders[one], orders[other]) for one, other in compared], draws, first, second)
        rows += [
            about | {"metric": one, "other": other} | _compare(orders[one], orders[other], shares)
            for (one, other), shares in zip(compared, resampled, strict=True)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _order(differences, least=0):
    """Return the order of pairs as int8: 1 or -1, 0 for a tie, `MISSING` where there is no value."""
    order = np.where(np.abs(differences) >= least, np.sign(differences), 0)
    return np.where(np.isnan(differences), MISSING, order).astype(np.int8)


def _compare(one, other, resampled):
    """Compare two orders of pairs, [pairs, originals], whose shares of opposite pairs in all resamples are known."""
    opposite, ordered = _opposite_and_ordered(one, other)
    known = (np.abs(one) != MISSING) & (np.abs(other) != MISSING)
    counts = {"pairs": int(ordered.sum()), "tied": int((known & ~ordered).sum())}
    if not counts["pairs"]:
        return counts | {"value": np.nan, "low": np.nan, "high": np.nan, "note": "no pair that both put in an order"}
    low, high = percentile_interval(resampled)
    return counts | {"value": opposite.sum() / ordered.sum(), "low": low, "high": high, "note": ""}


def _opposite_and_ordered(one, other):
    """Return which pairs two orders put in opposite order, and which both put in any order, [pairs, originals]."""
    product = one * other
    return product == -1, np.abs(product) == 1


def _resampled_shares(compared, draws, first, second):
    """Return the shares of opposite pairs, [comparisons, resamples], for one block of resamples after the other."""
    shares = np.empty((len(compared), len(draws.columns)), dtype=np.float32)
    for block in blocks_of_resamples(*draws.originals.shape, BLOCK):
        columns, originals = draws.columns[block], draws.originals[block]
        weights = columns[:, first] * columns[:, second]
        for number, orders in enumerate(compared):
            shares[number, block] = _share(*_opposite_and_ordered(*orders), weights, originals)
    return shares


def _share(part, whole, pair_weights, original_weights):
    """Return the share of each resample, [resamples]; a pair of rows counts as often as the product of their counts."""
    part, whole = (
        np.einsum("rp,rp->r", pair_weights, original_weights @ table.T.astype(original_weights.dtype))
        for table in (part, whole)
    )
    return ratio(part, whole)
