"""Contradictions: how often two metrics, or a metric and the annotators, order two reconstructions differently.

Only reconstructions of the same original are compared: which of two target models leaks more about this image?
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

if TYPE_CHECKING:
    from semsim.statistics.crossing import Crossing

ANNOTATORS = "annotators"
CLEAR_GAP = 0.6
"""Annotators clearly separate two reconstructions whose recognition rates differ by this much: three of five labels."""
MISSING = 2
"""In an order of pairs: one of the two has no value."""
BLOCK = 512
"""Maximum number of resamples that are counted at once."""
COLUMNS = [*GROUP, "metric", "other", "value", "low", "high", "pairs", "tied", "note"]


def count_contradictions(
    crossings: dict[tuple[str, str, str], Crossing],
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
    clear_gap: float = CLEAR_GAP,
) -> pd.DataFrame:
    """Count pairs of reconstructions of one original on which two metrics, or a metric and annotators, contradict.

    Parameters
    ----------
    crossings : dict of (str, str, str) to semsim.statistics.crossing.Crossing
        By dataset, kind (of the annotators) and reference.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value means a better reconstruction.
    resamples : int
        Number of bootstrap resamples of target models and originals, for the intervals.
    seed : int
        Seed of the resamples; those of a data set and kind of annotators do not depend on what else is measured.
    clear_gap : float
        Annotators separate only pairs whose recognition rates differ by at least this.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, metric, other (a metric, or `ANNOTATORS`), value (the share of pairs in opposite
        order), low, high (95 % interval), pairs (that both order strictly), tied (pairs that at least one of them ties,
        which are left out; annotators tie all that they do not clearly separate) and note (why a value is undefined).
    """
    rows = []
    for (dataset, kind, reference), crossing in crossings.items():
        draws = draw(crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
        first, second = np.triu_indices(len(crossing.models), 1)
        orders = {
            name: _order(x[first] - x[second]) * (1 if higher_is_better[name] else -1)
            for name, x in crossing.metrics.items()
        }
        # Rates are shares such as 3/5, so a gap of exactly 0.6 is subject to rounding.
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
    """Compare two orders of pairs, [pairs, originals], given their shares of opposite pairs in all resamples."""
    opposite, ordered = _opposite_and_ordered(one, other)
    known = (np.abs(one) != MISSING) & (np.abs(other) != MISSING)
    counts = {"pairs": int(ordered.sum()), "tied": int((known & ~ordered).sum())}
    if not counts["pairs"]:
        return counts | {"value": np.nan, "low": np.nan, "high": np.nan, "note": "no pair that both order strictly"}
    low, high = percentile_interval(resampled)
    return counts | {"value": opposite.sum() / ordered.sum(), "low": low, "high": high, "note": ""}


def _opposite_and_ordered(one, other):
    """Return which pairs are in opposite order, and which both order strictly, [pairs, originals]."""
    product = one * other
    return product == -1, np.abs(product) == 1


def _resampled_shares(compared, draws, first, second):
    """Return the shares of opposite pairs, [comparisons, resamples], computed in blocks of resamples."""
    shares = np.empty((len(compared), len(draws.columns)), dtype=np.float32)
    for block in blocks_of_resamples(*draws.originals.shape, BLOCK):
        columns, originals = draws.columns[block], draws.originals[block]
        weights = columns[:, first] * columns[:, second]
        for number, orders in enumerate(compared):
            shares[number, block] = _share(*_opposite_and_ordered(*orders), weights, originals)
    return shares


def _share(part, whole, pair_weights, original_weights):
    """Return the share in each resample, [resamples]; the weight of a pair of rows is the product of their counts."""
    part, whole = (
        np.einsum("rp,rp->r", pair_weights, original_weights @ table.T.astype(original_weights.dtype))
        for table in (part, whole)
    )
    return ratio(part, whole)
