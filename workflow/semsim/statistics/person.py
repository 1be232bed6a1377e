"""A fair ceiling: one annotator and a metric, judged in the same way.

Both give a binary answer for each reconstruction, and both are compared with what the majority of the other annotators
recognised. A metric says yes as often as the person does, to the reconstructions that it rates best. The area under the
ROC curve of such answers is the mean of the shares of right answers to what the others recognised, and to what they did
not; it counts ties alike for both.

If labels were published without names, an annotator is a position in the list of labels, not necessarily the same
person throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.io.tables import KEYS
from semsim.labels.recognition import MAJORITY
from semsim.seeds import seed_for
from semsim.statistics.baselines import CANNOT_TELL, with_baselines
from semsim.statistics.crossing import GROUP, RATE, Crossing, cross_parts, draw, without_targets
from semsim.statistics.faithfulness import with_holm
from semsim.statistics.resampling import blocks_of_resamples, p_of_no_difference, percentile_interval, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVELS = ("originals", "cells", "reconstructions")
"""The levels at which single answers can be judged."""
NOBODY = "none"
"""In the column without: every target model is there."""
BLOCK = 256
"""Maximum number of resamples that are evaluated at once."""
ESTIMATES = ("person", "value", "difference")
COLUMNS = [
    *GROUP,
    "without",
    "level",
    "metric",
    *(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")),
]
COLUMNS += ["p", "p_holm", "tests", "yes", "count", "undefined", "note"]


class Panel(NamedTuple):
    """Metrics beside the answers of single annotators.

    Attributes
    ----------
    crossing : semsim.statistics.crossing.Crossing
        The metrics and the recognition rates of all annotators.
    answers : numpy.ndarray
        What each annotator recognised, 0 or 1, [annotators, columns, originals]; NaN where one did not answer.
    """

    crossing: Crossing
    answers: np.ndarray

    @property
    def others(self) -> np.ndarray:
        """The recognition rate of the other annotators, beside each answer; NaN where there are none."""
        return np.where(np.isfinite(self.answers), rates_of_others(self.answers), np.nan)


def rates_of_others(answers: np.ndarray) -> np.ndarray:
    """Return the recognition rate of the other annotators, whether an annotator answered or not.

    Parameters
    ----------
    answers : numpy.ndarray
        0 or 1, [annotators, columns, originals]; NaN where one did not answer.

    Returns
    -------
    numpy.ndarray
        Of the same shape; NaN where nobody else answered.
    """
    known, own = np.isfinite(answers).astype(float), np.nan_to_num(answers)
    return ratio(own.sum(axis=0) - own, known.sum(axis=0) - known)


def seat_panels(
    parts: Iterable[pd.DataFrame], answers: pd.DataFrame, metrics: Iterable[str]
) -> dict[tuple[str, str, str], Panel]:
    """Arrange metrics and the answers of single annotators by target model and original.

    Parameters
    ----------
    parts : iterable of pandas.DataFrame
        The table of metrics in parts, as for `semsim.statistics.crossing.cross_parts`.
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.
    metrics : iterable of str

    Returns
    -------
    dict of (str, str, str) to Panel
        By dataset, kind and reference.
    """
    metrics = list(metrics)
    rates = answers.groupby([*KEYS, "kind"], sort=False)["recognised"].mean().rename(RATE).reset_index()
    wide = answers.pivot(index=KEYS, columns=["kind", "annotator"], values="recognised").astype(float)
    places = list(wide.columns)
    wide = wide.set_axis(places, axis=1).reset_index()
    crossings = cross_parts((part.merge(wide, on=KEYS) for part in parts), rates, [*metrics, *places])
    panels = {}
    for (dataset, kind, reference), crossing in crossings.items():
        given = np.stack([crossing.metrics[place] for place in places if place[0] == kind])
        panel = crossing._replace(metrics={name: crossing.metrics[name] for name in metrics})
        panels[dataset, kind, reference] = Panel(panel, given[np.isfinite(given).any(axis=(1, 2))])
    return panels


def compare_with_person(
    panels: dict[tuple[str, str, str], Panel],
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
    without: Iterable[str] = (),
) -> pd.DataFrame:
    """Measure how far each metric is behind one more person who is judged alike.

    Parameters
    ----------
    panels : dict of (str, str, str) to Panel
        From `seat_panels`.
    higher_is_better : dict of str to bool
        The metrics, and the trivial baselines.
    resamples : int
        Number of bootstrap resamples of target models and originals, for the intervals.
    seed : int
    without : iterable of str
        Target models without which everything is measured once more.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, reference, without (target models that are left out, or `NOBODY`), level (`LEVELS`), metric;
        person and value (of the metric): areas, means over annotators, with 95 % intervals (person_low, ..., low as
        value_low); difference (person - metric, in the same resamples), with its interval, p and p_holm (corrected
        over metrics and levels, `tests` of them); yes (how often the person, and so the metric, says yes), count (of
        reconstructions), undefined (resamples without a difference) and note.
    """
    without = sorted(without)
    tables = []
    for (dataset, kind, reference), panel in panels.items():
        for left_out in [(), tuple(without)] if without else [()]:
            seat = without_models(panel, left_out)
            seat = seat._replace(crossing=with_baselines(seat.crossing))
            draws = draw(seat.crossing, resamples, np.random.default_rng(seed_for(seed, dataset, kind)))
            rows = _compared(seat, draws, higher_is_better)
            about = {"dataset": dataset, "kind": kind, "reference": reference, "without": ", ".join(left_out) or NOBODY}
            tables.append(rows.assign(**about))
    return with_holm(pd.concat(tables, ignore_index=True), [*GROUP, "without"])[COLUMNS]


def without_models(panel: Panel, targets: Iterable[str]) -> Panel:
    """Return a panel without some target models."""
    kept = ~np.isin(np.array(panel.crossing.targets)[panel.crossing.models], list(targets))
    return Panel(without_targets(panel.crossing, targets), panel.answers[:, kept])


def _compared(panel, draws, higher_is_better):
    """Return a row for each level and metric."""
    others, answers = panel.others, panel.answers
    truths = np.where(np.isfinite(others), others > MAJORITY, np.nan)
    once = tuple(np.ones((1, size)) for size in panel.crossing.rates.shape)
    rows, people = [], {}
    for metric, x in panel.crossing.metrics.items():
        x = x if higher_is_better[metric] else -x
        # Both are judged by the same reconstructions, which are the same for most metrics.
        judged = np.where(np.isfinite(x) & np.isfinite(truths), answers, np.nan)
        known = np.isfinite(judged).tobytes()
        if known not in people:
            people[known] = [_mean_areas(judged, truths, *weights) for weights in (once, draws)]
        person = people[known]
        said = np.stack([as_often(x, own) for own in judged])
        areas = [_mean_areas(said, truths, *weights) for weights in (once, draws)]
        for level in LEVELS:
            values, resampled = ((one[level], other[level]) for one, other in zip(person, areas, strict=True))
            row = {"level": level, "metric": metric, "yes": np.nanmean(answers)}
            reason = CANNOT_TELL.get((metric, level)) or _why_undefined(values)
            row |= {"count": int(np.isfinite(x + panel.crossing.rates).sum()), "note": reason}
            rows.append(row | _estimates(*values, *resampled, reason))
    return pd.DataFrame(rows)


def _estimates(person, value, people, values, reason):
    """Return the areas and their difference with intervals; nothing about a metric if there is a reason."""
    found = {}
    pairs = {"person": (person, people), "value": (value, values), "difference": (person - value, people - values)}
    for name, (once, resampled) in pairs.items():
        kept = name == "person" or not reason
        found[name] = float(once[0]) if kept else np.nan
        found[f"{name}_low"], found[f"{name}_high"] = percentile_interval(resampled) if kept else (np.nan, np.nan)
    gaps = people - values
    p = np.nan if reason else p_of_no_difference(gaps)
    return found | {"p": p, "undefined": int(len(gaps) if reason else np.isnan(gaps).sum())}


def _why_undefined(values):
    """Return why the difference of two areas is undefined, or an empty text."""
    person, metric = (np.isfinite(value[0]) for value in values)
    if not person:
        return "the others recognised all, or none, or there are no others"
    return "" if metric else "no reconstruction has both a value and labels"


def as_often(x: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return a metric's answers, which say yes as often as a person does.

    Parameters
    ----------
    x : numpy.ndarray
        A metric, higher for better reconstructions; NaN where missing.
    answers : numpy.ndarray
        A person's, 0 or 1, of the same shape; NaN where missing.

    Returns
    -------
    numpy.ndarray
        1 for the largest values, 0 for the smallest; a share of yes for those that are tied in between; NaN where one
        is missing.

    Examples
    --------
    >>> as_often(np.array([0.1, 0.5, 0.5, 0.9]), np.array([1, 0, 0, 1]))
    array([0. , 0.5, 0.5, 1. ])
    """
    known = np.isfinite(x) & np.isfinite(answers)
    said = np.full(x.shape, np.nan)
    if known.any():
        said[known] = answers_above(x[known], *threshold_of(x[known], answers[known].sum()))
    return said


def threshold_of(values: np.ndarray, yes: float) -> tuple[float, float]:
    """Return the threshold at which a metric says yes a given number of times.

    Parameters
    ----------
    values : numpy.ndarray
        [n], n at least 1; higher for better reconstructions.
    yes : float
        From 0 to n.

    Returns
    -------
    threshold : float
        One of the values.
    tied : float
        The share of yes for values that equal it.

    Examples
    --------
    >>> threshold_of(np.array([0.1, 0.5, 0.5, 0.9]), 2)
    (0.5, 0.5)
    """
    threshold = np.sort(values)[-max(1, int(np.ceil(yes)))]
    above, equal = (values > threshold).sum(), (values == threshold).sum()
    return float(threshold), float((yes - above) / equal)


def answers_above(values: np.ndarray, threshold: float, tied: float) -> np.ndarray:
    """Return 1 for values above a threshold, 0 for those below, and `tied` for those that equal it."""
    return np.where(values == threshold, tied, values > threshold)


def _mean_areas(answers, truths, columns, originals):
    """Return the areas by level, [resamples], as means over annotators for whom they are defined."""
    each = [areas(said, truth, columns, originals) for said, truth in zip(answers, truths, strict=True)]
    found = {}
    for level in LEVELS:
        stacked = np.stack([one[level] for one in each])
        found[level] = ratio(np.nansum(stacked, axis=0), np.isfinite(stacked).sum(axis=0).astype(float))
    return found


def areas(answers: np.ndarray, truth: np.ndarray, columns: np.ndarray, originals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the areas under the ROC curve of answers, yes or no, in resamples.

    Parameters
    ----------
    answers, truth : numpy.ndarray
        Shares of yes in [0, 1]; 0 or 1; [columns, originals], NaN where missing.
    columns, originals : numpy.ndarray
        How often each was drawn, [resamples, columns] and [resamples, originals].

    Returns
    -------
    dict of str to numpy.ndarray
        By level, [resamples]; within originals and cells, the mean over those in which both truths occur.
    """
    known = np.isfinite(answers) & np.isfinite(truth)
    sides = [known & (truth == side) for side in (1, 0)]
    right = [np.where(side, said, 0.0) for side, said in zip(sides, (answers, 1 - answers), strict=True)]
    tables = np.stack([right[0], sides[0], right[1], sides[1]]).astype(np.float32)
    # One product for all four: beside each other for each original, and for each column.
    wide = np.concatenate(tables, axis=1), np.concatenate(tables.transpose(0, 2, 1), axis=1)
    blocks = blocks_of_resamples(len(columns), answers.size, BLOCK)
    parts = [_areas(*wide, columns[block], originals[block]) for block in blocks]
    return {level: np.concatenate([part[level] for part in parts]) for level in LEVELS}


def _areas(by_original, by_column, columns, originals):
    of_originals, of_columns = (
        np.split(weights @ table, 4, axis=1) for weights, table in ((columns, by_original), (originals, by_column))
    )
    pooled = [(columns * sums).sum(axis=1, keepdims=True) for sums in of_columns]
    return {
        "originals": _mean_area(of_originals, originals),
        "cells": _mean_area(of_columns, columns),
        "reconstructions": _mean_area(pooled, np.ones_like(pooled[0])),
    }


def _mean_area(sums, weights):
    """Return the weighted mean, along the last axis, of the shares of right answers, where both truths occur."""
    right_yes, yes, right_no, no = sums
    known = weights * ((yes > 0) & (no > 0))
    shares = right_yes / np.maximum(yes, 1) + right_no / np.maximum(no, 1)  # numbers of answers: 0, or at least 1
    return ratio(np.einsum("ru,ru->r", known, shares), 2 * known.sum(axis=1))
