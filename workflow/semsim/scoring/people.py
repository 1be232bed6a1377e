"""How often people recognised reconstructions with such values of a hand-crafted metric, in the published human study.

People labelled reconstructions of CIFAR-100 at 32 pixels, under 14 target models and one attack. `CHANCES` has a row
per metric whose settings are documented with the published values: the log-odds of its chance, how far a set may
deviate, and its area under the ROC curve on held-out originals, which says how little a single chance means.
"""

from __future__ import annotations

import argparse
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.commandline import run
from semsim.io.tables import read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.statistics.recalibration import count_interval, shares
from semsim.text import NO_BREAK, counted, decimal, interval, listed  # noqa: F401 (an example has NO_BREAK)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from semsim.metrics.scales import Scales

CHANCES = files("semsim.scoring") / "people.csv"
"""Made by ``python -m semsim.scoring.people results/human-study/tables``, after ``make human-study``."""
COLUMNS = ["metric", "label", "intercept", "weight", "variance", "covariance", "slope_variance", "value"]
SIDE = 32
"""Pixels a side of the images that people labelled."""


@cache
def known_chances() -> pd.DataFrame:
    """Return the shipped table: `COLUMNS`."""
    with CHANCES.open() as file:
        return pd.read_csv(file)


def people_sentences(values: Mapping[str, np.ndarray], sizes: Collection[tuple[int, int]]) -> list[str]:
    """Say how many of as many reconstructions with these values of a metric people recognised in the human study.

    That holds of these values, not of these images, which can be quite unlike those that people saw.

    Parameters
    ----------
    values : mapping of str to numpy.ndarray
        [pairs] by metric; NaN where there is none.
    sizes : collection of (int, int)
        Heights and widths of the images.

    Returns
    -------
    list of str
        None for images of other sizes than people labelled, or where nothing is known of the metrics.
    """
    sentences = []
    for row in _known(values, sizes):
        known = values[row.metric][np.isfinite(values[row.metric])]
        if len(known):
            chances = shares(row.intercept + row.weight * known)
            covariance = [[row.variance, row.covariance], [row.covariance, row.slope_variance]]
            count = count_text(chances.sum(), *count_interval(chances, covariance), len(known))
            sentences.append(
                f"In the published human study, people recognised {count} at such values of {row.label}, which alone"
                f" says little (area under the ROC curve {decimal(row.value)}; a coin toss has 0.5)."
            )
    return sentences


def people_basis(metrics: Collection[str], sizes: Collection[tuple[int, int]]) -> list[str]:
    """Say what this is based on."""
    labels = [row.label for row in _known(metrics, sizes)]
    if not labels:
        return []
    return [
        f"What {listed(labels)} says about people is based on 42,000 published human labels of photographs of this size"
        " (CIFAR-100), and is weak: its area under the ROC curve is over all reconstructions, most of them of"
        " different originals."
    ]


def _known(metrics, sizes):
    """Return the rows of metrics of which something is known, for images of the size that people labelled."""
    table = known_chances()
    return [*table[table["metric"].isin([*metrics])].itertuples()] if set(sizes) == {(SIDE, SIDE)} else []


def count_text(expected: float, low: int, high: int, images: int) -> str:
    """Write how many images would be recognised.

    Examples
    --------
    >>> count_text(11.2, 7, 16, 32).replace(NO_BREAK, " ")
    'about 11 of 32 images (95 % interval 7 to 16)'
    """
    return f"about {expected:.0f} of {counted(images, 'images')} ({interval(low, high, str)})"


def chances_of(calibration: pd.DataFrame, scales: Scales) -> pd.DataFrame:
    """Return the table that is shipped, from the tables of the human study.

    Parameters
    ----------
    calibration : pandas.DataFrame
        From `semsim.learned.metric_chances.calibrate_metrics`.
    scales : semsim.metrics.scales.Scales
        Those of the study; a metric with a caveat is not comparable with what is computed here.
    """
    rows = calibration.dropna(subset="weight")
    rows = rows[[name in scales and not scales[name].caveat for name in rows["metric"]]]
    return rows.assign(label=rows["metric"].map(scales.labels))[COLUMNS]


def main() -> None:
    """Make the shipped table."""
    parser = argparse.ArgumentParser(description="Make the shipped table of chances from those of the human study.")
    parser.add_argument("tables", type=Path, help="results/human-study/tables")
    tables = parser.parse_args().tables
    scales = scales_of(read_table(tables / "scales.csv"))
    write_table(chances_of(read_table(tables / "calibration.csv"), scales), CHANCES)


if __name__ == "__main__":
    run(main)
