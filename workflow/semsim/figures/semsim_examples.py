"""Examples of SemSim: the nearest and the farthest reconstructions of held-out originals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.figures.style import panels, styled
from semsim.io.tables import KEYS
from semsim.labels.recognition import MAJORITY
from semsim.learned.folds import WITHIN
from semsim.metrics.reconstructions import open_by_attack
from semsim.text import decimal, kind_of, whole_percent

if TYPE_CHECKING:
    import os

    import pandas as pd
    from matplotlib.figure import Figure

EXAMPLES = 4
ROWS = {
    "nearest recognised": (True, True),
    "nearest not recognised": (False, True),
    "farthest recognised": (True, False),
    "farthest not recognised": (False, False),
}
"""Whether the majority recognised them, and whether they are the nearest."""
CELL = 1.55  # inches of the height of a pair of images and what is below


@styled
def draw_semsim_examples(
    dataset: str, paths: list[str | os.PathLike], trials: pd.DataFrame, recognition: pd.DataFrame
) -> Figure:
    """Draw the nearest and farthest pairs, original beside reconstruction, of recognised and unrecognised ones.

    Parameters
    ----------
    dataset : str
    paths : list of path-like
        Reconstructions of this data set (safetensors files).
    trials, recognition : pandas.DataFrame
        The table ``semsim.csv``, and that of recognition rates by annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = trials[(trials["folds"] == WITHIN) & (trials["dataset"] == dataset)]
    table = chosen.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS).dropna(subset="semsim")
    (reference,) = trials["reference"].unique()
    images = open_by_attack(paths)
    figure, axes = panels(len(ROWS) * EXAMPLES, height=CELL, columns=EXAMPLES)
    figure.suptitle(f"{dataset}: SemSim and {kind_of(recognition)}", size=9, weight="bold", x=0.01, ha="left")
    for number, (title, (recognised, nearest)) in enumerate(ROWS.items()):
        rows = table[(table["recognition_rate"] > MAJORITY) == recognised].sort_values("semsim", ascending=nearest)
        panels_of_row = axes[number * EXAMPLES : (number + 1) * EXAMPLES]
        panels_of_row[0].set_title(title, size=8.5, loc="left", weight="bold")
        for place, panel in enumerate(panels_of_row):
            panel.set_axis_off()
            if place < len(rows):
                _show(panel, rows.iloc[place], images, reference)
    return figure


def _show(panel, row, images, reference):
    """Show an original and its reconstruction side by side, with distance and recognition rate under them."""
    arrays = images[row["target"], row["attack"]]
    for place, name in enumerate((reference, "reconstruction")):
        image = arrays[name][row["original"]].transpose(1, 2, 0)
        panel.imshow(image, extent=(1.05 * place, 1.05 * place + 1, 0, 1), interpolation="nearest")
    panel.set(xlim=(0, 2.05), ylim=(-0.6, 1))
    lines = [f"{row['target']}, {row['attack']}", f"distance {decimal(row['semsim'])}"]
    lines += [f"recognised {whole_percent(row['recognition_rate'])}"]
    panel.text(0, -0.05, "\n".join(lines), size=8, va="top", linespacing=1.15)
