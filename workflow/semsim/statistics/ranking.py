"""When can a ranking be trusted: how often does a metric order two target models as annotators do?

That depends on how far the models are apart and on how many originals the metric sees. Originals are split at random:
the metric sees some of them, and the correct order is that of the recognition rates of other originals. One annotator
is judged alike, by the rates of the others; so are the metrics, by the same splits.

Two target models are compared under the same attack. A resample draws models and originals (see
`semsim.statistics.crossing`) and is split itself. What a metric sees are distinct originals, drawn one after another
with the chance that their number of copies gives them, so that it never sees one that the truth sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.contradictions import EVERYONE, PERSON
from semsim.statistics.crossing import GROUP, draw
from semsim.statistics.person import rates_of_others
from semsim.statistics.resampling import blocks_of_resamples, percentile_interval, ratio

if TYPE_CHECKING:
    from semsim.statistics.crossing import Crossing
    from semsim.statistics.person import Panel

SIZES = (3, 6, 12, 25, 50, 100, 200)
"""Numbers of originals that a metric sees; at most a third of those that there are."""
RATES, OWN = "recognition", "metric"
"""What a gap is a difference of: annotators' recognition rates of two models, or the metric's own means of them."""
GAPS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""The least gaps between recognition rates."""
QUANTILES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
"""The least gaps between means of a metric are these quantiles of the gaps that there are."""
TRUSTED = 0.9
"""A ranking may be trusted where the lower bound of the share that is ordered right reaches this."""
RESAMPLES = 1000
"""At most so many resamples for the intervals."""
SPLITS = 10
"""Splits of each resample."""
SPLITS_OF_VALUE = 2000
RANKING = [*GROUP, "metric", "by", "originals"]
"""Columns that identify a way to rank target models."""
COLUMNS = [*RANKING, "gap", "value", "low", "high", "these_low", "these_high", "pairs", "undefined", "note"]
NO_OTHERS = "nobody else labelled the other originals, or there are no two models under one attack"


class Judged(NamedTuple):
    """What orders the target models of one data set, and what they are ordered by.

    Attributes
    ----------
    names : list of str
        Metrics, `EVERYONE` and `PERSON`.
    tables : numpy.ndarray
        All but the person, [names - 1, columns, originals], larger for better reconstructions; NaN where missing.
    answers, others : numpy.ndarray
        Each annotator's answers, and the rates of the others, [annotators, columns, originals].
    first, second : numpy.ndarray
        [pairs], the columns of two target models under one attack.
    steps : numpy.ndarray
        [names, gaps], the least gaps between means of each.
    """

    names: list[str]
    tables: np.ndarray
    answers: np.ndarray
    others: np.ndarray
    first: np.ndarray
    second: np.ndarray
    steps: np.ndarray


def measure_ranking(
    panels: dict[tuple[str, str, str], Panel], higher_is_better: dict[str, bool], resamples: int, seed: int
) -> pd.DataFrame:
    """Measure how often metrics, and one more person, order two target models as annotators do.

    Parameters
    ----------
    panels : dict of (str, str, str) to semsim.statistics.person.Panel
        By dataset, kind (of the annotators) and reference.
    higher_is_better : dict of str to bool
        The metrics, and whether a higher value means a better reconstruction.
    resamples : int
        Number of bootstrap resamples of target models and originals, at most `RESAMPLES`.
    seed : int
        Seed of resamples and splits; those of a data set and kind do not depend on what else is measured.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, metric (or `EVERYONE`: all annotators' rate of the originals that the metric sees, or
        `PERSON`), by (what gap is a difference of: `RATES` or `OWN`), originals (that the metric sees), gap (the least;
        of rates, those of other originals), value (share of pairs in the order of the others' rates of other originals,
        the metric's ties counting half), low, high (95 % interval), these_low, these_high (interval for exactly these
        target models: only originals are drawn), pairs (their mean number in a split), undefined (resamples without a
        pair) and note.
    """
    rows = []
    for (dataset, kind, reference), panel in panels.items():
        judged = judge(panel, higher_is_better)
        generator = np.random.default_rng(seed_for(seed, "ranking", dataset, kind))
        draws = draw(panel.crossing, min(resamples, RESAMPLES), generator)
        columns, originals = panel.crossing.rates.shape
        these = np.ones_like(draws.columns), draws.originals
        repeats = SPLITS_OF_VALUE // SPLITS
        once = np.ones((repeats, columns)), np.ones((repeats, originals))
        for size in (size for size in SIZES if 3 * size <= originals):
            counted = [count_right(judged, size, *weights, generator) for weights in (once, draws, these)]
            about = {"dataset": dataset, "kind": kind, "reference": reference, "originals": size}
            rows += [about | row for row in _described(judged, *counted)]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(RANKING[:3], kind="stable", ignore_index=True)


def ranking_limits(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest gap from which each metric orders two models right often enough to be trusted.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From `measure_ranking`.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, metric, by, originals; gap (the smallest at which `low` reaches `TRUSTED`, and that
        every resample of target models has), these_gap (at which `these_low` does), NaN if none does; and note.
    """
    shown = {
        "gap": (ranking["low"] >= TRUSTED) & (ranking["undefined"] == 0),
        "these_gap": ranking["these_low"] >= TRUSTED,
    }
    limits = ranking[RANKING].drop_duplicates()
    for name, enough in shown.items():
        least = ranking[enough].groupby(RANKING)["gap"].min().rename(name).reset_index()
        limits = limits.merge(least, how="left", on=RANKING)
    nowhere = limits[[*shown]].isna()
    notes = np.select([nowhere.all(axis=1), nowhere["gap"]], ["at no gap", "only for exactly these target models"], "")
    return limits.assign(note=notes)


def judge(panel: Panel, higher_is_better: dict[str, bool]) -> Judged:
    """Return what orders the target models of a panel, in one direction, and the truths."""
    crossing = panel.crossing
    tables = [x if higher_is_better[name] else -x for name, x in crossing.metrics.items()]
    tables = np.stack([*tables, crossing.rates])
    others = rates_of_others(panel.answers)
    first, second = pairs_of(crossing)
    means = means_of(tables, np.ones((1, tables.shape[-1])))[0]
    apart = np.abs(means[:, first] - means[:, second])
    apart = np.concatenate([apart, apart[-1:]])  # a person's gaps are those of rates
    known = [gaps[np.isfinite(gaps)] for gaps in apart]
    steps = np.stack([np.quantile(gaps, QUANTILES) if len(gaps) else QUANTILES for gaps in known])
    steps[:, 0] = 0
    return Judged([*crossing.metrics, EVERYONE, PERSON], tables, panel.answers, others, first, second, steps)


def pairs_of(crossing: Crossing) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of columns that are two target models under one attack."""
    first, second = np.triu_indices(len(crossing.models), 1)
    kept = (crossing.attacks[first] == crossing.attacks[second]) & (crossing.models[first] != crossing.models[second])
    return first[kept], second[kept]


def means_of(tables: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted means over originals, [rows, tables, columns]; NaN where nothing is known.

    Parameters
    ----------
    tables : numpy.ndarray
        [tables, columns, originals]; NaN where missing.
    weights : numpy.ndarray
        [rows, originals].
    """
    flat = tables.reshape(-1, tables.shape[-1]).T
    known = np.isfinite(flat)
    counts = weights.sum(axis=1, keepdims=True) if known.all() else weights @ known.astype(float)
    # Rounded, so that equal means stay tied in whatever order they were summed.
    means = np.round(ratio(weights @ np.where(known, flat, 0.0), counts), 12)
    return np.broadcast_to(means, (len(weights), flat.shape[1])).reshape(-1, *tables.shape[:2])


def split(originals: np.ndarray, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw what a metric sees, and leave the rest to the truth.

    Parameters
    ----------
    originals : numpy.ndarray
        [rows, originals], how often each is there.
    size : int
        How many distinct originals are seen.
    generator : numpy.random.Generator

    Returns
    -------
    seen, unseen : numpy.ndarray
        [rows, originals]: 1 where an original is seen, else 0; and how often it is there where it is not.

    References
    ----------
    Efraimidis, Spirakis: "Weighted random sampling with a reservoir", Information Processing Letters 97, 2006.
    """
    waiting = np.full(originals.shape, np.inf)
    np.divide(generator.standard_exponential(originals.shape), originals, out=waiting, where=originals > 0)
    last = np.partition(waiting, size - 1, axis=1)[:, size - 1 : size]
    seen = (waiting <= last) & (originals > 0)
    return seen.astype(float), np.where(seen, 0.0, originals)


def count_right(
    judged: Judged, size: int, columns: np.ndarray, originals: np.ndarray, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Count pairs in the right order, and all pairs, by the least gap, in `SPLITS` splits of each resample.

    Parameters
    ----------
    judged : Judged
    size : int
        How many originals are seen.
    columns, originals : numpy.ndarray
        How often each was drawn, [resamples, columns] and [resamples, originals].
    generator : numpy.random.Generator
        It draws the splits.

    Returns
    -------
    dict of str to numpy.ndarray
        By `RATES` and `OWN`, [2, resamples, names, gaps]: weights of pairs in the right order, and of all.
    """
    parts = []
    values = SPLITS * max(originals.shape[1], len(judged.names) * len(judged.first))
    for block in blocks_of_resamples(len(columns), values, len(columns)):
        drawn = np.repeat(np.asarray(originals[block], dtype=float), SPLITS, axis=0)
        weights = columns[block][:, judged.first] * columns[block][:, judged.second]
        turns = np.arange(SPLITS * block.start, SPLITS * block.start + len(drawn)) % max(1, len(judged.answers))
        parts.append(_count_block(judged, turns, weights.astype(float), *split(drawn, size, generator)))
    return {by: np.concatenate([part[by] for part in parts], axis=1) for by in (RATES, OWN)}


def _count_block(judged, turns, weights, seen, unseen):
    """Count for some resamples, whose splits follow each other; in each, one annotator is the one more person."""
    shape = len(weights), len(judged.names)
    counts = {RATES: np.zeros((2, *shape, len(GAPS))), OWN: np.zeros((2, *shape, judged.steps.shape[1]))}
    for person in range(len(judged.answers)):
        rows = np.flatnonzero(turns == person)
        means = np.concatenate(
            [means_of(judged.tables, seen[rows]), means_of(judged.answers[person, None], seen[rows])], axis=1
        )
        truth = means_of(judged.others[person, None], unseen[rows])
        found, true = (values[..., judged.first] - values[..., judged.second] for values in (means, truth))
        known = np.isfinite(found) & np.isfinite(true) & (true != 0)
        right = (1 + np.sign(found) * np.sign(true)) / 2
        resample = rows // SPLITS
        weight = weights[resample][:, None] * known
        apart = np.broadcast_to(np.abs(true), found.shape), np.abs(found)
        steps = np.broadcast_to(GAPS, (shape[1], len(GAPS))), judged.steps
        for by, gaps, least in zip((RATES, OWN), apart, steps, strict=True):
            counts[by] += _tally(np.where(known, right, 0), weight, gaps, least, resample, len(weights))
    return counts


def _tally(right, weight, gaps, steps, resample, resamples):
    """Sum weights of right pairs, and of all, over rows and pairs whose gap reaches each step."""
    names, most = steps.shape
    # The number of steps that a gap reaches; rounding must not undo reaching one.
    reached = np.stack([np.searchsorted(least, gaps[:, name] + 1e-9, "right") for name, least in enumerate(steps)], 1)
    cells = ((resample[:, None, None] * names + np.arange(names)[:, None]) * (most + 1) + reached).ravel()
    sums = [np.bincount(cells, each.ravel(), resamples * names * (most + 1)) for each in (weight * right, weight)]
    exactly = np.stack(sums).reshape(2, resamples, names, most + 1)[..., 1:]
    return exactly[..., ::-1].cumsum(axis=-1)[..., ::-1]


def _described(judged, once, drawn, these):
    """Yield a row for each judge, kind of gap and gap."""
    for by in (RATES, OWN):
        right, pairs = once[by].sum(axis=1)
        values, resampled, of_these = ratio(right, pairs), ratio(*drawn[by]), ratio(*these[by])
        for place, name in enumerate(judged.names):
            for step, gap in enumerate(GAPS if by == RATES else judged.steps[place]):
                value, draws = values[place, step], resampled[:, place, step]
                row = {"metric": name, "by": by, "gap": gap, "value": value}
                row["low"], row["high"] = percentile_interval(draws)
                row["these_low"], row["these_high"] = percentile_interval(of_these[:, place, step])
                row["pairs"] = pairs[place, step] / SPLITS_OF_VALUE
                yield row | {"undefined": int(np.isnan(draws).sum()), "note": _why_undefined(value, gap)}


def _why_undefined(value, gap):
    """Return why a share is undefined, or an empty text."""
    if np.isfinite(value):
        return ""
    return NO_OTHERS if gap == 0 else "no pair is so far apart"
