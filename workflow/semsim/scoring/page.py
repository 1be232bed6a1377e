"""The scores of one set as a self-contained HTML page: distributions, and the nearest and farthest pairs."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from semsim import __version__
from semsim.figures.pictures import chart
from semsim.figures.style import COLOURS, INK, panels, styled
from semsim.html.blocks import Table
from semsim.html.templates import page_templates
from semsim.html.urls import data_url
from semsim.names import printable
from semsim.scoring.folders import read_again
from semsim.scoring.summary import DIRECTIONS, number, summarise, summary_columns
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scale
    from semsim.scoring.measures import Measure
    from semsim.scoring.scores import Scores

MOST_SHOWN = 60
"""Number of pairs on a page, half of them from each end."""
THUMBNAIL = 96  # pixels a side, at most
MOST_BINS = 40


def render_page(
    scores: Scores,
    measures: Sequence[Measure],
    sort: str,
    originals: str | os.PathLike,
    reconstructions: str | os.PathLike,
    about: Sequence[str],
) -> str:
    """Return the page.

    Parameters
    ----------
    scores : semsim.scoring.scores.Scores
        Of one set.
    measures : list of semsim.scoring.measures.Measure
    sort : str
        The metric whose nearest and farthest pairs are shown.
    originals, reconstructions : path-like
        What was compared, for the heading.
    about : list of str
        Sentences to stand below the numbers.

    Returns
    -------
    str
        An HTML document; pictures are inside it, so no request leaves it.

    Raises
    ------
    SemsimError
        If an image that was scored can no longer be read.
    """
    scales = {measure.name: measure.scale for measure in measures}
    columns = summary_columns(summarise(scores), measures)
    pairs = counted(len(scores.groups), "pairs")
    blocks = [Table(pd.DataFrame(columns), f"{pairs}. {DIRECTIONS}", tuple(columns)[1:])]
    if len(scores.groups) > 1:
        blocks.append(
            chart(
                distribution_chart(scores, measures),
                "A histogram of each metric.",
                "Number of pairs by value. The dashed line is the median.",
            )
        )
    return (
        page_templates("semsim.scoring")
        .get_template("scores.html.j2")
        .render(
            originals=printable(originals),
            reconstructions=printable(reconstructions),
            about=about,
            blocks=blocks,
            ends=ends_of(scores, scales[sort]),
            version=__version__,
        )
    )


@styled
def distribution_chart(scores: Scores, measures: Sequence[Measure]) -> Figure:
    """Draw a histogram of each metric, with its median.

    Parameters
    ----------
    scores : semsim.scoring.scores.Scores
    measures : list of semsim.scoring.measures.Measure

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = panels(len(measures), height=2.0)
    for panel, measure in zip(axes, measures, strict=True):
        values = scores.values[measure.name]
        values = values[np.isfinite(values)]
        if len(values):
            panel.hist(values, bins=min(MOST_BINS, 2 + len(values) // 4), color=COLOURS[0])
            panel.axvline(np.median(values), color=INK, linewidth=1, linestyle="--")
        panel.set(xlabel=measure.scale.axis_label, ylabel="Pairs")
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.grid(False, axis="x")
    return figure


def ends_of(scores: Scores, scale: Scale) -> list[dict]:
    """Return the pairs to show: the nearest and the farthest by a metric, or all if there are few.

    Parameters
    ----------
    scores : semsim.scoring.scores.Scores
    scale : semsim.metrics.scales.Scale
        Of the metric.

    Returns
    -------
    list of dict
        title, and pairs: dicts of name, value, and the addresses of both pictures.

    Raises
    ------
    SemsimError
        If an image can no longer be read.
    """
    values = scores.values[scale.metric][:, 0]
    order = np.argsort(-values if scale.higher_is_better else values, kind="stable")
    order = order[: np.isfinite(values).sum()]  # NaN is sorted to the end
    half = MOST_SHOWN // 2
    if not len(order):
        return []
    if len(order) <= MOST_SHOWN:
        parts = {f"All pairs by {scale.axis_label}, nearest first": order}
    else:
        parts = {
            f"Nearest {half} of {len(order):,} by {scale.axis_label}": order[:half],
            f"Farthest {half} by {scale.axis_label}, farthest first": order[: -half - 1 : -1],
        }
    return [
        {"title": title, "pairs": [_shown(scores.groups[place], scale, values[place]) for place in places]}
        for title, places in parts.items()
    ]


def _shown(group, scale, value):
    """Return a pair in the form that the template expects."""
    paths = group.original, *group.reconstructions
    original, reconstruction = map(small_picture, paths)
    return {
        "name": printable(group.name),
        "value": f"{scale.label} {number(value)}",
        "original": original,
        "reconstruction": reconstruction,
    }


def small_picture(path: str | os.PathLike) -> str:
    """Return an image file as the address of a picture for a page, scaled down if it is large.

    Raises
    ------
    SemsimError
        If it can no longer be read.
    """
    image = read_again(path)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return data_url("image/png", buffer.getvalue())
