"""The most telling contradictions: pairs of reconstructions that a metric and the annotators order differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from semsim.figures.style import styled
from semsim.io.tables import KEYS
from semsim.metrics.reconstructions import open_by_attack
from semsim.statistics.contradictions import CLEAR_GAP
from semsim.text import decimal, kind_of, listed, percent

if TYPE_CHECKING:
    import os

    import pandas as pd

    from semsim.metrics.scales import Scale, Scales

CELL, SMALL = 1.15, 5.5  # inches of an image, points of the numbers under it
LINE = 0.1  # inches of a line of numbers
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
        the one that they recognise less often but it ranks higher, with all numbers under them. Metrics that do not
        contradict annotators on any pair are left out.
    """
    chosen = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == reference)]
    kind = kind_of(recognition)
    table = chosen.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS)
    names = [name for name in scales if name in table]
    pairs = _by_pair({name: most_telling_pair(table, name, scales[name]) for name in names})
    if not pairs:
        figure = Figure(figsize=(7.2, 0.8))
        text = f"{dataset}: no metric contradicts the {kind} on a pair that they clearly separate."
        figure.text(0.02, 0.5, text, size=8, va="center")
        return figure
    images = open_by_attack(paths)
    height = 0.55 + len(pairs) * (CELL + 0.3 + LINE * (len(names) + 2))
    figure = Figure(figsize=(7.2, height), layout="constrained")
    figure.suptitle(f"{dataset}: where a metric contradicts {kind} most", size=9, weight="bold", x=0.01, ha="left")
    rows = figure.subfigures(len(pairs), 1, squeeze=False)[:, 0]
    for row, (metrics_of_pair, (recognised, preferred)) in zip(rows, pairs, strict=True):
        by = listed([scales[name].label for name in metrics_of_pair])
        row.suptitle(f"By {by}", size=8, x=0.01, ha="left")
        axes = row.subplots(1, 3)
        of_original = images[recognised["target"], recognised["attack"]]
        _show(axes[0], of_original[reference][recognised["original"]], REFERENCE_NAMES[reference], [])
        for panel, shown, title in (
            (axes[1], recognised, f"recognised by {kind}"),
            (axes[2], preferred, f"closer by {by if len(metrics_of_pair) == 1 else 'these metrics'}"),
        ):
            image = images[shown["target"], shown["attack"]]["reconstruction"][shown["original"]]
            lines = [f"{shown['target']}, {shown['attack']}", f"recognised {percent(shown['recognition_rate'])}"]
            _show(panel, image, title, lines + [f"{scales[each].label} {_written(shown[each])}" for each in names])
    return figure


def _by_pair(telling):
    """Group metrics that have the same pair, such as MSE and PSNR; leave out those without a pair.

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


def _show(panel, image, title, lines):
    """Show an image with a title above and lines under it."""
    panel.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    panel.set_title(title, size=7, weight="normal", loc="center")
    panel.set_xlabel("\n".join(lines), size=SMALL, linespacing=1.15)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.grid(False)


def _written(value):
    """Write a value of a metric."""
    return "–" if np.isnan(value) else decimal(value) if abs(value) >= 0.1 else f"{value:.3g}"
