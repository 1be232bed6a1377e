"""Telling contradictions: pairs of reconstructions that a metric and the annotators order differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from semsim.figures.style import styled
from semsim.io.tables import KEYS
from semsim.metrics.reconstructions import open_by_attack
from semsim.metrics.scales import without_twins
from semsim.statistics.contradictions import CLEAR_GAP
from semsim.text import decimal, kind_of, listed, whole_percent

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from semsim.metrics.scales import Scale, Scales

CELL, WORDS, GAP = 1.15, 1.75, 0.15  # inches of an image, of the words beside it, and between what belongs together
SMALL, NORMAL = 8, 8.5  # points
LINE = 0.145  # inches of a line of numbers
PAIR = ["target", "attack", "original"]
REFERENCE_NAMES = {"attacked": "attacked image", "original": "original"}


class TellingPair(NamedTuple):
    """Two reconstructions of one original on which a metric contradicts the annotators.

    Attributes
    ----------
    gap : float
        Between their ranks by the metric among all reconstructions, in (0, 1).
    rows : (dict, dict)
        That of the reconstruction that annotators recognise, and of the one that the metric prefers.
    """

    gap: float
    rows: tuple[dict, dict]


@styled
def draw_contradictions(
    dataset: str,
    paths: list[str | os.PathLike],
    metrics: pd.DataFrame,
    recognition: pd.DataFrame,
    scales: Scales,
    reference: str = "attacked",
) -> Figure:
    """Draw, for each metric, one of the pairs of reconstructions on which it contradicts the annotators most.

    Parameters
    ----------
    dataset : str
    paths : list of path-like
        Reconstructions of this data set (safetensors files).
    metrics, recognition : pandas.DataFrame
        The tables of metrics, and of recognition rates by annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str
        What the metrics compare with.

    Returns
    -------
    matplotlib.figure.Figure
        The reference image, the reconstruction that annotators recognise more often but the metric ranks lower, and
        the one that they recognise less often but it ranks higher, with all numbers beside them. Rows show different
        originals where possible. Metrics that do not contradict annotators on any pair are left out, and so are twins,
        such as MSE beside PSNR.
    """
    chosen = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == reference)]
    kind = kind_of(recognition)
    table = chosen.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS)
    names = without_twins(name for name in scales if name in table)
    pairs = _by_pair(choose_pairs(table, scales, names))
    if not pairs:
        figure = Figure(figsize=(7.2, 0.8))
        text = f"{dataset}: no metric contradicts the {kind} on a pair that they clearly separate."
        figure.text(0.02, 0.5, text, size=8, va="center")
        return figure
    images = open_by_attack(paths)
    row_height, head = max(CELL, LINE * (len(names) + 3)) + 3 * GAP, 4 * GAP
    width = 3 * (CELL + GAP) + 2 * (WORDS + GAP) + GAP
    figure = Figure(figsize=(width, head + len(pairs) * row_height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.text(GAP, GAP, f"{dataset}: pairs that a metric orders against {kind}", size=9, weight="bold", va="top")
    for number, (metrics_of_pair, (recognised, preferred)) in enumerate(pairs):
        top = head + number * row_height
        by = listed([scales[name].label for name in metrics_of_pair])
        of_original = images[recognised["target"], recognised["attack"]][reference][recognised["original"]]
        left = _show(axes, GAP, top, of_original, REFERENCE_NAMES[reference])
        for shown, title in (
            (recognised, f"recognised more often by {kind}"),
            (preferred, f"closer by {by}"),
        ):
            image = images[shown["target"], shown["attack"]]["reconstruction"][shown["original"]]
            lines = [
                f"{shown['target']}, {shown['attack']}",
                f"recognised {whole_percent(shown['recognition_rate'])}",
                "",
            ]
            lines += [f"{scales[each].label} {_written(shown[each])}" for each in names]
            left = _show(axes, left, top, image, title, lines)
    axes.set(xlim=(0, width), ylim=(head + len(pairs) * row_height, 0))
    return figure


def _by_pair(telling):
    """Group metrics that have the same pair.

    Returns
    -------
    list of (list of str, tuple of dict)
        Metrics, and the pair that they share.
    """
    found = {}
    for name, pair in telling.items():
        key = tuple(shown[column] for shown in pair for column in PAIR)
        found.setdefault(key, ([], pair))[0].append(name)
    return list(found.values())


def choose_pairs(table: pd.DataFrame, scales: Scales, names: Sequence[str]) -> dict[str, tuple[dict, dict]]:
    """Choose a telling pair for each metric, of different originals as far as the metrics have such pairs.

    Parameters
    ----------
    table : pandas.DataFrame
        target, attack, original, recognition_rate and the metrics, for one data set, reference and kind of annotators.
    scales : semsim.metrics.scales.Scales
    names : sequence of str
        The metrics' columns.

    Returns
    -------
    dict of str to (dict, dict)
        By metric, in this order: the row of the reconstruction that annotators recognise, and that of the one that the
        metric prefers. Metrics without such a pair are left out.
    """
    found = {name: telling_pairs(table, name, scales[name]) for name in names}
    gaps = pd.DataFrame({name: {original: pair.gap for original, pair in of.items()} for name, of in found.items()})
    # Any pair is worth more than all gaps, which are below 1: no original is shown twice if that can be avoided.
    worth = (gaps + len(names)).fillna(0).to_numpy()
    own = {names[column]: gaps.index[row] for row, column in zip(*linear_sum_assignment(worth, True), strict=True)}
    chosen = {}
    for name, pairs in found.items():
        if pairs:
            widest = max(pairs, key=lambda original: pairs[original].gap)
            chosen[name] = pairs[own[name] if own.get(name) in pairs else widest].rows
    return chosen


def telling_pairs(table: pd.DataFrame, name: str, scale: Scale) -> dict[int, TellingPair]:
    """Find pairs of reconstructions of one original that annotators clearly separate and a metric orders the other way.

    Parameters
    ----------
    table : pandas.DataFrame
        As for `choose_pairs`.
    name : str
        The metric's column.
    scale : semsim.metrics.scales.Scale

    Returns
    -------
    dict of int to TellingPair
        For each original with such pairs, the one whose ranks are furthest apart.
    """
    known = table.dropna(subset=name).sort_values(PAIR).reset_index(drop=True)
    ranks = known[name].rank(pct=True, ascending=scale.higher_is_better)
    found = {}
    for original, group in known.groupby("original"):
        rates, places = group["recognition_rate"].to_numpy(), ranks[group.index].to_numpy()
        separated = rates[:, None] - rates >= CLEAR_GAP - 1e-9
        gaps = np.where(separated, places - places[:, None], 0)
        pair = np.unravel_index(gaps.argmax(), gaps.shape)
        if gaps[pair] > 0:
            found[original] = TellingPair(gaps[pair], tuple(group.iloc[place].to_dict() for place in pair))
    return found


def _show(axes, left, top, image, title, lines=()):
    """Show an image at a place in inches, with a title above and lines beside it; return where the next one begins."""
    axes.text(left, top, title, size=NORMAL, va="bottom")
    extent = (left, left + CELL, top + GAP / 2 + CELL, top + GAP / 2)
    axes.imshow(image.transpose(1, 2, 0), extent=extent, interpolation="nearest", aspect="auto")
    axes.text(left + CELL + GAP / 2, top + GAP / 2, "\n".join(lines), size=SMALL, va="top", linespacing=1.25)
    return left + CELL + GAP + (WORDS if lines else 0)


def _written(value):
    """Write a value of a metric."""
    return "–" if np.isnan(value) else decimal(value) if abs(value) >= 0.1 else f"{value:.3g}".replace("-", "−")
