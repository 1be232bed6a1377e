"""The contact sheet of a data set: its originals, and below them their reconstructions by each attack."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from semsim.errors import SemsimError
from semsim.figures.style import FAINT, INK, styled
from semsim.io.stored_arrays import StoredArray, open_arrays, same_rows
from semsim.io.tensors import read_metadata

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

# Lengths in inches, text in points, both times the scale of a sheet.
CELL, GAP, NUMBERS, MARGIN, LETTER, LINE = 0.52, 0.07, 0.26, 0.1, 0.075, 0.15
SMALL, NORMAL = 7.5, 8
WIDEST = 12  # columns: with names on the left, the width of a page
WHOLE, EXCERPT = 1, 1.3  # scales
LONGEST = 9  # letters of a line above a column
FEW_TARGETS, FEW_ORIGINALS = 4, 8  # of an excerpt
ATTACKED = "as attacked"
"""The name of a row of attacked images, where they differ from the originals."""


@styled
def draw_contact_sheet(
    dataset: str, classes: Sequence[str], paths: list[str | os.PathLike], metrics: pd.DataFrame, excerpt: bool = False
) -> Figure:
    """Draw originals in the first row, then one row per target model and attack.

    PSNR and SSIM against the attacked image are printed under each reconstruction. Where augmentation changed the
    images, the target model's rows begin with one that shows the attacked images.

    Parameters
    ----------
    dataset : str
        Its name.
    classes : sequence of str
        Class names by label.
    paths : list of path-like
        Reconstructions of this data set (safetensors files), grouped by target model.
    metrics : pandas.DataFrame
        The table of metrics, with the rows of these reconstructions.
    excerpt : bool
        Draw a few originals, larger, and of the target models a few that span the range of mean SSIM, each under the
        attack that comes closest to the attacked images and the one that stays furthest from them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SemsimError
        If a file is of another data set, or the table lacks its rows.
    """
    if excerpt:
        paths = _spanning(dataset, paths, metrics)
    rows, labels = _rows(dataset, paths, metrics)
    shown = _spread(len(labels), FEW_ORIGINALS if excerpt else WIDEST)
    sheet = _Sheet(rows, len(shown), EXCERPT if excerpt else WHOLE, _caption(rows, shown))
    share = f"{len(shown)} of {len(labels)}" if len(shown) < len(labels) else len(labels)
    sheet.head(f"{dataset}: {share} originals", [classes[labels[i]] for i in shown])
    for row in rows:
        sheet.row(row, shown)
    sheet.foot()
    return sheet.figure


def _caption(rows, shown):
    """Say what the numbers are, and what is special about the images that are shown."""
    reference = "original"
    if any(row.attack == ATTACKED for row in rows):
        reference = f"attacked image: the original, or the row “{ATTACKED}” where augmentation changed it"
    text = f"Under each image: PSNR in dB, and SSIM below it, both against the {reference}."
    if any((row.scores["status"].iloc[shown] == "diverged").any() for row in rows if row.scores is not None):
        text += " Hatched: the attack diverged, so there is no score."
    return text


def _spread(count, most):
    """Return at most so many numbers below `count`, evenly spread from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def _spanning(dataset, paths, metrics):
    """Return the files of the target models and attacks that an excerpt shows, in their order."""
    chosen = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == "attacked")]
    means = chosen.groupby(["target", "attack"])["ssim"].mean().dropna()
    targets = means.groupby("target").mean().sort_values().index
    kept = set()
    for target in targets[_spread(len(targets), FEW_TARGETS)]:
        of_target = means[target]
        kept |= {(target, of_target.idxmin()), (target, of_target.idxmax())}
    found = []
    for path in paths:
        about = read_metadata(path)
        if (about["target"], about["attack"]) in kept:
            found.append(path)
    return found


def _rows(dataset, paths, metrics):
    """Return the sheet's rows and the originals' class labels."""
    metrics = metrics[(metrics["dataset"] == dataset) & (metrics["reference"] == "attacked")]
    rows, target = [], None
    for path in paths:
        about, images = read_metadata(path), open_arrays(path)
        if about["dataset"] != dataset:
            raise SemsimError(f"{path}: reconstructions of {about['dataset']}, not of {dataset}. Omit this file.")
        scores = metrics[(metrics["target"] == about["target"]) & (metrics["attack"] == about["attack"])]
        if len(scores) != len(images["label"]):
            raise SemsimError(
                f"{path}: {len(images['label'])} reconstructions, but the table of metrics has {len(scores)} rows."
                " Collect the tables again."
            )
        if not rows:
            rows.append(_Row("original", "", images["original"]))
        first, target = about["target"] != target, about["target"]
        if first and not same_rows(images["attacked"], images["original"]):
            rows.append(_Row(target, ATTACKED, images["attacked"]))
            first = False
        rows.append(_Row(target if first else "", about["attack"], images["reconstruction"], scores))
    return rows, images["label"][:]


@dataclass(frozen=True)
class _Row:
    """A row of images and its labels; the target model is named in its first row only. Reconstructions have scores."""

    target: str
    attack: str
    images: StoredArray
    scores: pd.DataFrame | None = None

    @property
    def gap_above(self):
        """Space in inches above the first row of a target model."""
        return 2 * GAP if self.target else 0

    @property
    def height(self):
        """Height in inches of the images and the numbers under them."""
        return CELL + GAP + (0 if self.scores is None else NUMBERS)


class _Sheet:
    """A figure with one axes in inches from the top left corner, filled from the top."""

    def __init__(self, rows, columns, scale, caption):
        labels = LETTER * (max(len(name) for row in rows for name in (row.target, row.attack)) + 1)
        self.width = labels + columns * (CELL + GAP) + 2 * MARGIN
        letters = int((self.width - 2 * MARGIN) * 72 / (0.53 * NORMAL))
        self.caption = textwrap.wrap(caption, letters)
        height = sum(row.gap_above + row.height for row in rows) + 0.75 + LINE * len(self.caption)
        self.figure, self.scale = Figure(figsize=(scale * self.width, scale * height)), scale
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.axis("off")
        self.left, self.top = MARGIN + labels, MARGIN
        self._limits = {"xlim": (0, self.width), "ylim": (height, 0)}

    def head(self, title, names):
        """Write the title and the class of each column."""
        self._text(MARGIN, self.top, title, size=9, weight="bold", va="top")
        self.top += 0.45
        for column, name in enumerate(names):
            wrapped = "\n".join(textwrap.wrap(name.replace("_", " "), LONGEST, max_lines=2, placeholder="…"))
            centre = self.left + column * (CELL + GAP) + CELL / 2
            self._text(centre, self.top - 0.06, wrapped, size=SMALL, ha="center", va="baseline", linespacing=1)

    def row(self, row, shown):
        """Draw the labels, images and numbers of a row."""
        self.top += row.gap_above
        if row.target:
            line = self.top - GAP
            self.axes.plot([MARGIN, self.width - MARGIN], [line, line], color="#cccccc", linewidth=0.6)
        self._text(MARGIN, self.top + 0.02, row.target, size=NORMAL, weight="bold", va="top")
        self._text(MARGIN, self.top + CELL / 2, row.attack, size=NORMAL, va="center")
        for column, index in enumerate(shown):
            score = None if row.scores is None else row.scores.iloc[index].to_dict()
            self._cell(self.left + column * (CELL + GAP), row.images[index], score)
        self.top += row.height

    def foot(self):
        """Write the caption."""
        self._text(MARGIN, self.top + 0.1, "\n".join(self.caption), size=NORMAL, va="top")
        self.axes.set(**self._limits)

    def _text(self, x, y, s, size, **look):
        """Write text whose size grows with the sheet."""
        self.axes.text(x, y, s, size=self.scale * size, **look)

    def _cell(self, left, image, score):
        """Draw an image, with its numbers if it has a score, or an empty frame if it diverged."""
        under = {"x": left + CELL / 2, "y": self.top + CELL + 0.02, "size": SMALL, "ha": "center", "va": "top"}
        under["linespacing"] = 1
        if score and score["status"] == "diverged":
            frame = {"facecolor": "white", "edgecolor": FAINT, "hatch": "////", "linewidth": 0.4}
            self.axes.add_patch(Rectangle((left, self.top), CELL, CELL, **frame))
            self._text(s="diverged", color=INK, **under)
            return
        extent = (left, left + CELL, self.top + CELL, self.top)
        self.axes.imshow(image.transpose(1, 2, 0), extent=extent, interpolation="nearest", aspect="auto")
        if score:
            ssim = round(score["ssim"], 2) + 0.0  # no minus before a zero
            self._text(s=f"{score['psnr']:.1f}\n{ssim:.2f}".replace("-", "−"), **under)
