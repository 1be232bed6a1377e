"""The progress of a campaign, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from semsim.text import ANNOTATORS, counted, decimal, percent, text_table

if TYPE_CHECKING:
    from semsim.labelling.campaign import Campaign

NONE = "-"


def status_text(campaign: Campaign, datasets: pd.DataFrame, annotators: pd.DataFrame) -> str:
    """Describe who has done how much, how careful they are, and how well they agree.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    datasets, annotators : pandas.DataFrame
        From `semsim.labelling.results.describe_datasets` and `describe_annotators`.

    Returns
    -------
    str
    """
    each = campaign.settings.labels_per_image
    parts = [
        f"{campaign.folder}: {counted(int(datasets['labels'].sum()), 'labels')} of"
        f" {each * len(campaign.images):,} ({each} for each of {counted(len(campaign.images), 'images')})",
        text_table(
            {
                "data set": datasets["dataset"],
                **({"annotators": datasets["kind"].map(ANNOTATORS)} if datasets["kind"].nunique() > 1 else {}),
                "complete": _of(datasets["complete"], datasets["images"]),
                "labels": datasets["labels"].map("{:,}".format),
                "recognised": _written(datasets["recognised"], percent),
                "alpha": _written(datasets["alpha"], decimal),
            }
        ),
    ]
    if len(annotators):
        parts.append(
            text_table(
                {
                    "annotator": annotators["annotator"],
                    "answered": _of(annotators["answered"], annotators["of"]),
                    "checks failed": _of(annotators["checks_failed"], annotators["checks"]),
                    "repeats the same": _of(annotators["repeats_same"], annotators["repeats"]),
                    "can't tell": _written(annotators["cannot_tell"], percent),
                    "seconds": _written(annotators["seconds"], lambda seconds: f"{seconds:.1f}"),
                    "undone": annotators["undone"].astype(str),
                    "last answer": annotators["last"].replace("", NONE).str[:16],
                    **({"code": annotators["code"]} if campaign.settings.panel else {}),
                }
            )
        )
    else:
        parts.append("Nobody has been invited yet.")
    return "\n\n".join(parts)


def _of(count, total):
    pairs = zip(count, total, strict=True)
    return pd.Series([f"{part} of {whole}" if whole else NONE for part, whole in pairs], dtype=str)


def _written(values, write):
    return pd.Series([NONE if pd.isna(value) else write(value) for value in values], dtype=str)
