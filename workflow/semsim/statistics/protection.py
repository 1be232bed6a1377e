"""What protection costs: how accurate each target model is, and how much of what it shares annotators recognise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.statistics.resampling import few_units, share_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = 0.05
"""Share of answers that name the true class below which nothing counts as recognised."""
NETWORK = ["dataset", "architecture", "augmentation"]
"""Columns of the table of protection within which target models differ by their gradient defence."""
ABOUT = ["architecture", "augmentation", "gradient_defence", "epsilon", "epsilon_shared", "delta"]
"""Columns of the table of target models that are kept."""


def measure_protection(answers: pd.DataFrame, accuracy: pd.DataFrame, datasets: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each target model, and the recognition rate under the attack that is worst for it.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.
    accuracy, datasets : pandas.DataFrame
        The tables of target models and of data sets.

    Returns
    -------
    pandas.DataFrame
        One row per target model and kind of annotators: dataset, target, kind, attack (under which most answers name
        the true class; the first of equal ones), `ABOUT`, accuracy (on held-out images), accuracy_low, accuracy_high,
        recognition_rate with low and high, count (originals), and note. Intervals are Wilson's, 95 %; answers about one
        original count as alike as they are.
    """
    held_out = datasets.set_index("dataset")[["originals", "public"]].sum(axis=1)
    rows = []
    for model in accuracy.itertuples(index=False):
        of_model = answers[(answers["dataset"] == model.dataset) & (answers["target"] == model.target)]
        images = int(held_out[model.dataset])
        right = np.arange(images) < round(model.validation_accuracy * images)
        accuracy_low, accuracy_high = share_interval(right.astype(float), np.arange(images))
        for kind, given in of_model.groupby("kind", sort=False):
            attack = given.groupby("attack", sort=False)["recognised"].mean().idxmax()
            shown = given[given["attack"] == attack]
            originals, clusters = np.unique(shown["original"], return_inverse=True)
            low, high = share_interval(shown["recognised"].to_numpy(float), clusters)
            rows.append(
                {
                    "dataset": model.dataset,
                    "target": model.target,
                    "kind": kind,
                    "attack": attack,
                    **{name: getattr(model, name) for name in ABOUT},
                    "accuracy": model.validation_accuracy,
                    "accuracy_low": accuracy_low,
                    "accuracy_high": accuracy_high,
                    "recognition_rate": shown["recognised"].mean(),
                    "low": low,
                    "high": high,
                    "count": len(originals),
                    "note": few_units(len(originals)),
                }
            )
    return pd.DataFrame(rows)


def noise_levels(protection: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], pd.DataFrame, pd.DataFrame]]:
    """Yield each network that is defended by differential privacy.

    Parameters
    ----------
    protection : pandas.DataFrame
        The table of protection, of annotators of one kind.

    Yields
    ------
    keys : tuple of str
        `NETWORK`.
    levels : pandas.DataFrame
        Its rows whose shared gradient is defended so, from the smallest epsilon to the largest.
    undefended : pandas.DataFrame
        Its rows without a gradient defence.
    """
    for keys, rows in protection.groupby(NETWORK, sort=False):
        levels = rows[rows["epsilon_shared"].notna()].sort_values("epsilon_shared")
        if len(levels):
            yield keys, levels, rows[rows["gradient_defence"] == "none"]


def limits_of_epsilon(levels: pd.DataFrame) -> tuple[pd.Series | None, pd.Series | None]:
    """Return up to which epsilon nothing is recognised, and from which on something is.

    Parameters
    ----------
    levels : pandas.DataFrame
        As `noise_levels` yields them.

    Returns
    -------
    hidden, seen : pandas.Series or None
        The row with the largest epsilon such that there and at every smaller one the upper limit of the recognition
        rate is below `HIDDEN`; the row with the smallest epsilon at which its lower limit is above. None if there is
        none.
    """
    hidden = levels[(levels["high"] < HIDDEN).cummin()]
    seen = levels[levels["low"] > HIDDEN]
    return (None if hidden.empty else hidden.iloc[-1]), (None if seen.empty else seen.iloc[0])
