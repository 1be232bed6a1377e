"""The most telling contradictions: pairs of reconstructions that a metric and the annotators order differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from semsim.figures.style import styled
from semsim.io.tables import KEYS
from semsim.metrics.reconstructions import open_by_attack
from semsim.metrics.scales import without_twins
from semsim.statistics.contradictions import CLEAR_GAP
from semsim.text import decimal, kind_of, listed, whole_percent

if TYPE_CHECKING:
    import os

    import pandas as pd

    from semsim.metrics.scales import Scale, Scales

CELL, WORDS, GAP = 1.15, 1.75, 0.15  # inches of an image, of the words beside it, and between what belongs together
SMALL, NORMAL = 8, 8.5  # points
LINE = 0.145  # inches of a line of numbers
PAIR = ["target", "attack", "original"]
REFERENCE_NAMES = {"attacked": "attacked image", "original": "original"}


@styled
def draw_contradictions(
    dataset: str,
    paths: list[str | os.PathLike],
    metrics: pd.DataFrame,
    recognition: pd.DataFrame,
    scales: Scales,
    reference: str = "attacked",
) -> Figure:
    """Draw, for each metric, the pair of reconstructions on which it contradicts the annotators most.

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
        the one that they recognise less often but it ranks higher, with all numbers beside them. Metrics that do not
        contradict annotators on any pair are left out, and so are twins, such as MSE beside PSNR.
    """
    chosen = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == reference)]
    kind = kind_of(recognition)
    table = chosen.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS)
    names = without_twins(name for name in scales if name in table)
    pairs = _by_pair({name: most_telling_pair(table, name, scales[name]) for name in names})
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
    axes.text(GAP, GAP, f"{dataset}: where a metric contradicts {kind} most", size=9, weight="bold", va="top")
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
    """Group metrics that have the same pair; leave out those without a pair.

    Returns
    -------
    list of (list of str, tuple of dict)
        Metrics, and the pair that they share.
    """
    found = {}
    for name, pair in telling.items():
        if pair is not None:
            key = tuple(shown[column] for shown in pair for column in PAIR)
            found.setdefault(key, ([], pair))[0].append(name)
    return list(found.values())


def most_telling_pair(table: pd.DataFrame, name: str, scale: Scale) -> tuple[dict | None, ...]:
    """Find two reconstructions of one original that annotators clearly separate and a metric orders the opposite way.

    Parameters
    ----------
    table : pandas.DataFrame
        target, attack, original, recognition_rate and the metric, for one data set, reference and kind of annotators.
    name : str
        The metric's column.
    scale : semsim.metrics.scales.Scale

    Returns
    -------
    tuple of dict, or None
        The row of the reconstruction that annotators recognise and that of the one that the metric prefers. Of all such
        pairs, the one whose ranks by the metric, among all reconstructions, are furthest apart.
    """
    known = table.dropna(subset=name).sort_values(PAIR).reset_index(drop=True)
    ranks = known[name].rank(pct=True, ascending=scale.higher_is_better)
    best, found = 0, None
    for _, group in known.groupby("original"):
        rates, places = group["recognition_rate"].to_numpy(), ranks[group.index].to_numpy()
        separated = rates[:, None] - rates >= CLEAR_GAP - 1e-9
        gaps = np.where(separated, places - places[:, None], 0)
        first, second = np.unravel_index(gaps.argmax(), gaps.shape)
        if gaps[first, second] > best:
            best = gaps[first, second]
            found = tuple(group.iloc[place].to_dict() for place in (first, second))
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
