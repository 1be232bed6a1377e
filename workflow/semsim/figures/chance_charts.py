"""Charts of chances: whether they are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semsim.figures.style import COLOURS, FAINT, panels, styled
from semsim.io.tables import KEYS
from semsim.statistics.calibration import CHANCE, GROUPS
from semsim.statistics.means import rate_of
from semsim.text import FOLDS, kind_of, sentence_case

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@styled
def reliability_chart(chances: pd.DataFrame, recognition: pd.DataFrame) -> Figure:
    """Draw how many reconstructions were recognised, by the chance that was predicted for them.

    Parameters
    ----------
    chances : pandas.DataFrame
        The table ``chances.csv``, one way to predict.
    recognition : pandas.DataFrame
        The table of recognition rates by annotators of the same kind.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each kind of held-out data: a point for each of ten groups of equal size, with 95 % intervals over
        originals (Wilson). Points on the diagonal are calibrated.
    """
    known = chances.dropna(subset=CHANCE).merge(recognition[[*KEYS, "labels"]], on=KEYS)
    known = known.assign(original=known["dataset"].astype(str) + " " + known["original"].astype(str))
    kinds = list(known["folds"].unique())
    figure, axes = panels(max(1, len(kinds)), height=2.4, columns=3, sharey=True)
    for panel, folds in zip(axes, kinds, strict=False):
        rows = known[known["folds"] == folds].sort_values(CHANCE, kind="stable")
        panel.axline((0, 0), slope=1, color=FAINT, linewidth=0.8)
        groups = [rows.iloc[part] for part in np.array_split(np.arange(len(rows)), GROUPS) if len(part)]
        points = [(group[CHANCE].mean(), *rate_of(group)) for group in groups]
        chance, rate, low, high = 100 * np.transpose(points)
        panel.vlines(chance, low, high, color=COLOURS[0], linewidth=1.1)
        panel.plot(chance, rate, marker="o", color=COLOURS[0], markersize=4, linewidth=1)
        panel.set(title=sentence_case(FOLDS[folds]), xlabel="Chance (%)", xlim=(-3, 103), ylim=(-3, 103))
    figure.supylabel(f"Recognised by\n{kind_of(chances)} (%)", size=8)
    return figure
