"""What the table of calibration errors says: how far SemSim's chances can be trusted."""

import pandas as pd

from semsim.statistics.calibration import difficulty_used
from semsim.statistics.content import EMBEDDING, NOTHING
from semsim.statistics.generalisation import EVERYTHING
from semsim.text import FOLDS, counted, decimal, interval, percent, ranged


def calibration_findings(errors: pd.DataFrame) -> list[str]:
    """Say how well chances are calibrated on each kind of held-out data, and what the difficulty adds.

    Parameters
    ----------
    errors : pandas.DataFrame
        The table ``semsim_calibration.csv``.

    Returns
    -------
    list of str
    """
    rows = errors[(errors["dataset"] == EVERYTHING) & errors["brier"].notna()]
    if rows.empty:
        return ["No chances can be computed: either all labelled reconstructions were recognised, or none."]
    sentences = []
    for row in rows[rows["difficulty"] == difficulty_used(errors)].itertuples():
        sentences.append(
            f"With {FOLDS[row.folds]} held out, the Brier score is {decimal(row.brier)}"
            f" ({interval(row.brier_low, row.brier_high)}); always predicting the mean rate would give"
            f" {decimal(row.constant)}. In ten groups of equal size, chance and rate differ by {decimal(row.error)} on"
            f" average. The calibration slope is {decimal(row.slope)}"
            f" ({interval(row.slope_low, row.slope_high)}){_reading(row)}. The interval predicted for a target model"
            f" and attack contains the actual count in {percent(row.covered)} of {counted(row.sets, 'cases')}."
        )
    briers = rows.pivot_table("brier", "folds", "difficulty", sort=False)
    if {NOTHING, EMBEDDING} <= set(briers):
        gains = briers[NOTHING] - briers[EMBEDDING]
        used = "used" if difficulty_used(errors) == EMBEDDING else "not used: it does not help on held-out originals"
        sentences.append(
            "Adding the difficulty of the original, predicted from its embedding, lowers the Brier score by"
            f" {ranged(gains.min(), gains.max(), decimal)}, so it is {used}."
        )
    return sentences


def _reading(row):
    """Say what a slope means, if it differs from 1."""
    if row.slope_high < 1:
        return ": chances are too extreme"
    return ": chances are too cautious" if row.slope_low > 1 else ""
