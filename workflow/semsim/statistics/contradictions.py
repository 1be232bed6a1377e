"""Contradictions: how often two metrics, or a metric and the annotators, order two reconstructions differently.

Only reconstructions of the same original are compared: which of two target models leaks more about this image? How
often a metric contradicts annotators depends on how far apart their rates are, so contradictions are also counted by
the gap, and the same for one annotator against the others.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES, CANNOT_TELL, with_baselines
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

if TYPE_CHECKING:
    from semsim.statistics.crossing import Crossing
    from semsim.statistics.person import Panel

ANNOTATORS = "annotators"
CLEAR_GAP = 0.6
"""Annotators clearly separate two reconstructions whose recognition rates differ by this much: three of five labels."""
MISSING = 2
"""In an order of pairs: one of the two has no value."""
BLOCK = 512
"""Maximum number of resamples that are counted at once."""
COUNTS = ["value", "low", "high", "pairs", "tied", "undefined", "note"]
COLUMNS = [*GROUP, "metric", "other", *COUNTS]
PERSON = "person"
EVERYONE, OTHERS = "everyone", "others"
"""Whose recognition rates separate a pair: those of all annotators, or of all but one."""
GAPS = {EVERYONE: (0.2, 0.4, 0.6, 0.8, 1.0), OTHERS: (0.25, 0.5, 0.75, 1.0)}
"""The least gaps between two rates: those that five labels can have, and four."""
CURVE_COLUMNS = [*GROUP, "truth", "gap", "metric", *COUNTS]


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
        which are left out; annotators tie all that they do not clearly separate), undefined (resamples without a value)
        and note (why a value is undefined). The baseline that knows only the cell is treated like a metric.
    """
    rows = []
    for (dataset, kind, reference), measured in crossings.items():
        crossing = _with_baseline(measured)
        draws = draw(crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
        first, second = np.triu_indices(len(crossing.models), 1)
        orders = _orders(crossing, higher_is_better) | {ANNOTATORS: _order(_gaps(crossing.rates), clear_gap)}
        about = {"dataset": dataset, "kind": kind, "reference": reference}
        compared = list(combinations(orders, 2))
        counts = [_opposite_and_ordered(orders[one], orders[other]) for one, other in compared]
        resampled = _resampled_shares(counts, draws, first, second)
        rows += [
            about | {"metric": one, "other": other} | _described(*count, shares)
            for (one, other), count, shares in zip(compared, counts, resampled, strict=True)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def contradiction_curve(
    panels: dict[tuple[str, str, str], Panel], higher_is_better: dict[str, bool], resamples: int, seed: int
) -> pd.DataFrame:
    """Count pairs on which a metric, or a person, contradicts annotators, by how far these separate them at least.

    Parameters
    ----------
    panels : dict of (str, str, str) to semsim.statistics.person.Panel
        By dataset, kind (of the annotators) and reference.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value means a better reconstruction.
    resamples, seed : int
        For the intervals, as in `count_contradictions`.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, truth (whose rates: of `EVERYONE`, or of the `OTHERS` beside each annotator, over all
        annotators), gap (the least, from `GAPS`), metric (or `PERSON`, who can only be compared with the others), and
        the counts of `count_contradictions`; tied counts the pairs with such a gap that the metric or person ties.
    """
    rows = []
    for (dataset, kind, reference), panel in panels.items():
        crossing = _with_baseline(panel.crossing)
        draws = draw(crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
        pairs = np.triu_indices(len(crossing.models), 1)
        orders = _orders(crossing, higher_is_better)
        people = [_order(_gaps(own)) for own in panel.answers]
        truths = {EVERYONE: [_gaps(crossing.rates)], OTHERS: [_gaps(rates) for rates in panel.others]}
        compared, counts = [], []
        for truth, gaps in truths.items():
            judged = {name: [order] * len(gaps) for name, order in orders.items()}
            judged |= {PERSON: people} if truth == OTHERS else {}
            for gap, (name, each) in product(GAPS[truth], judged.items()):
                compared.append({"truth": truth, "gap": gap, "metric": name})
                counts.append(_summed([(order, _order(table, gap)) for order, table in zip(each, gaps, strict=True)]))
        resampled = _resampled_shares([count[:2] for count in counts], draws, *pairs)
        about = {"dataset": dataset, "kind": kind, "reference": reference}
        rows += [
            about | named | _described(*count, shares)
            for named, count, shares in zip(compared, counts, resampled, strict=True)
        ]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def _with_baseline(crossing):
    """Add the trivial baseline that can order two reconstructions of one original."""
    baselines = with_baselines(crossing).metrics
    kept = {name: x for name, x in baselines.items() if (name, "originals") not in CANNOT_TELL}
    return crossing._replace(metrics=kept)


def _gaps(table):
    """Return the differences of all pairs of columns, [pairs, originals]."""
    first, second = np.triu_indices(len(table), 1)
    return table[first] - table[second]


def _orders(crossing, higher_is_better):
    """Return the order of pairs by each metric and baseline."""
    directions = higher_is_better | BASELINES.directions
    return {name: _order(_gaps(x)) * (1 if directions[name] else -1) for name, x in crossing.metrics.items()}


def _order(differences, least=0.0):
    """Return the order of pairs as int8: 1 or -1, 0 for a tie, `MISSING` where there is no value."""
    # Rates are shares such as 3/5, so a gap of exactly 0.6 is subject to rounding.
    order = np.where(np.abs(differences) >= least - 1e-9, np.sign(differences), 0)
    return np.where(np.isnan(differences), MISSING, order).astype(np.int8)


def _opposite_and_ordered(one, other):
    """Return which pairs are in opposite order, which both order strictly, and which at least one of them ties."""
    product = one * other
    known = (np.abs(one) != MISSING) & (np.abs(other) != MISSING)
    return product == -1, np.abs(product) == 1, known & (product == 0)


def _summed(compared):
    """Add up over annotators the pairs that each order and truth have in opposite order, both order, and tie.

    Pairs that the truth does not separate are none of them.
    """
    sums = [0, 0, 0]
    for order, truth in compared:
        opposite, ordered, tied = _opposite_and_ordered(order, truth)
        for place, table in enumerate((opposite, ordered, tied & (np.abs(truth) == 1))):
            sums[place] = sums[place] + table.astype(np.int16)
    return sums


def tied_share(curve: pd.DataFrame) -> pd.Series:
    """Return which share of the pairs with a gap each row of the table ``contradiction_curve.csv`` ties, [rows]."""
    return curve["tied"] / (curve["pairs"] + curve["tied"])


def _described(opposite, ordered, tied, resampled):
    """Return the share of opposite pairs, its interval, and what it counts."""
    counts = {"pairs": int(ordered.sum()), "tied": int(tied.sum()), "undefined": int(np.isnan(resampled).sum())}
    if not counts["pairs"]:
        return counts | {"value": np.nan, "low": np.nan, "high": np.nan, "note": "no pair that both order strictly"}
    low, high = percentile_interval(resampled)
    return counts | {"value": opposite.sum() / ordered.sum(), "low": low, "high": high, "note": ""}


def _resampled_shares(counts, draws, first, second):
    """Return the shares of opposite pairs, [comparisons, resamples], computed in blocks of resamples."""
    shares = np.empty((len(counts), len(draws.columns)), dtype=np.float32)
    for block in blocks_of_resamples(*draws.originals.shape, BLOCK):
        columns, originals = draws.columns[block], draws.originals[block]
        weights = columns[:, first] * columns[:, second]
        for number, (opposite, ordered, *_) in enumerate(counts):
            shares[number, block] = _share(opposite, ordered, weights, originals)
    return shares


def _share(part, whole, pair_weights, original_weights):
    """Return the share in each resample, [resamples]; the weight of a pair of rows is the product of their counts."""
    part, whole = (
        np.einsum("rp,rp->r", pair_weights, original_weights @ table.T.astype(original_weights.dtype))
        for table in (part, whole)
    )
    return ratio(part, whole)
