"""What the table of correspondence says: may people's labels of the paper's reconstructions be replayed for these?"""

import pandas as pd

from semsim.metrics.scales import Scales
from semsim.text import counted, decimal, interval, listed

JUDGED_BY = "psnr"
"""The metric by which it is judged."""
LEVELS = {"original": "originals", "class": "models"}
"""The level at which it is judged, by what is the same in both: quality, whatever the content."""


def correspondence_findings(correspondence: pd.DataFrame, scales: Scales) -> list[str]:
    """Say what stands in for what, how metrics of both correlate, and whether that is enough.

    Parameters
    ----------
    correspondence : pandas.DataFrame
        The table ``correspondence.csv``, of one reference.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
    """
    first = correspondence.iloc[0]
    unit, units, targets = first["unit"], int(first["units"]), counted(int(first["targets"]), "target models")
    if unit == "original":
        about = f"The answers are about the paper's reconstructions of the same {units} originals from {targets}."
    else:
        about = (
            f"The originals are not the images that people saw, but others of the same {units} classes, from {targets}:"
            " what follows compares target models, never single images."
        )
    rows = correspondence[correspondence["level"] == LEVELS[unit]]
    parts = [
        f"{scales[row.metric].label} {decimal(row.value)} ({interval(row.low, row.high)}; {decimal(row.shuffled)} with"
        " shuffled partners)"
        for row in rows.itertuples(index=False)
    ]
    where = "Within one original, over target models" if unit == "original" else "Over the means of target models"
    verdict = (
        "That is more than with shuffled partners: the labels say something about these images."
        if corresponds(correspondence)
        else "That is no more than with shuffled partners: the labels say nothing about these images."
    )
    return [about, f"{where}, our values correlate with the published ones: {listed(parts)}.", verdict]


def corresponds(correspondence: pd.DataFrame) -> bool:
    """Tell whether reconstructions resemble the published ones more than by chance.

    That is, whether the correlation of PSNR lies above the central 95 % of those with shuffled partners: within one
    original over target models or, where other images stand in, over the means of target models.

    Parameters
    ----------
    correspondence : pandas.DataFrame
        The table ``correspondence.csv``, of one reference.
    """
    rows = correspondence[correspondence["metric"] == JUDGED_BY].set_index("level")
    row = rows.loc[LEVELS[rows["unit"].iloc[0]]]
    return bool(row["value"] > row["shuffled_high"])
