"""The progress of a campaign, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.text import ANNOTATORS, LEVELS, NO_BREAK, counted, decimal, interval, percent, text_table

if TYPE_CHECKING:
    from semsim.labelling.campaign import Campaign

NONE = "-"
AREA_LEVELS = ("originals", "reconstructions")
"""Levels of the area under the ROC curve that are printed; the first is the primary one."""
WHETHER = {"recognised": "on what is recognised", "named": "on the class that is named"}


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
                    "last answer": annotators["last"].map(
                        lambda last: NONE if pd.isna(last) or not last else last[:16]
                    ),
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


def measured_text(tables: dict[str, pd.DataFrame]) -> str:
    """Describe what was measured of a campaign's labels: agreement and, where there are metrics, faithfulness.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        From `semsim.labelling.measuring.measure_campaign`.

    Returns
    -------
    str
    """
    lines = []
    agreement = tables["agreement"]
    for (dataset, kind), rates in tables["recognition"].groupby(["dataset", "kind"], sort=False):
        recognised = np.average(rates["recognition_rate"], weights=rates["labels"])
        labels, images = counted(int(rates["labels"].sum()), "labels"), counted(len(rates), "images")
        lines.append(f"{dataset}, {ANNOTATORS[kind]}: {percent(recognised)} of {labels} of {images} are recognised.")
        own = agreement[(agreement["dataset"] == dataset) & (agreement["kind"] == kind)]
        for row in own[own["statistic"] == "krippendorff_alpha"].itertuples():
            value = f"{decimal(row.value)} ({interval(row.low, row.high)})"
            about = f"undefined, because {row.note}" if np.isnan(row.value) else value
            lines.append(f"  Krippendorff's alpha, {WHETHER[row.answer]}: {about}")
    if "faithfulness" in tables:
        lines += ["", _faithfulness_text(tables["faithfulness"])]
    return "\n".join(lines)


def _faithfulness_text(table):
    """Write the area under the ROC curve of each metric, the best first, at the levels where it is defined."""
    areas = table[table["statistic"] == "auc"]
    keys = [key for key in ("dataset", "kind", "reference") if areas[key].nunique() > 1]
    shown = areas.assign(
        text=[
            NONE if pd.isna(row.faithfulness) else f"{decimal(row.faithfulness)} ({_range(row)})"
            for row in areas.itertuples()
        ]
    )
    defined = [level for level in AREA_LEVELS if areas.loc[areas["level"] == level, "faithfulness"].notna().any()]
    best = areas[areas["level"] == (*defined, *AREA_LEVELS)[0]]
    best = best.sort_values("faithfulness", ascending=False, kind="stable")
    by_level = shown.set_index(["metric", *keys, "level"])["text"].unstack("level")
    rows = by_level.loc[pd.MultiIndex.from_frame(best[["metric", *keys]]) if keys else best["metric"]].reset_index()
    levels = {LEVELS[level]: rows[level] for level in AREA_LEVELS if level in rows}
    columns = {key: rows[key] for key in ("metric", *keys)} | levels
    heading = f"Area under the ROC curve (95{NO_BREAK}% interval), what the majority recognises above what it does not:"
    return f"{heading}\n{text_table({name: [str(value) for value in values] for name, values in columns.items()})}"


def compared_text(table: pd.DataFrame) -> str:
    """Describe how often a campaign's annotators and a study's agree on whether a reconstruction is recognised.

    Parameters
    ----------
    table : pandas.DataFrame
        From `semsim.labelling.comparing.compare_labels`.

    Returns
    -------
    str
    """
    limits = zip(table["agreement_low"], table["agreement_high"], strict=True)
    return text_table(
        {
            "data set": table["dataset"],
            "campaign": table["kind"].map(ANNOTATORS),
            "study": table["study_kind"].map(ANNOTATORS),
            "images": table["images"].astype(str),
            "agreement": table["agreement"].map(percent),
            f"95{NO_BREAK}%": [f"{percent(low)} to {percent(high)}" for low, high in limits],
            "both recognise": table["both"].astype(str),
            "only campaign": table["only_campaign"].astype(str),
            "only study": table["only_study"].astype(str),
            "neither": table["neither"].astype(str),
        }
    )


def _range(row):
    return f"{decimal(row.faithfulness_low)} to {decimal(row.faithfulness_high)}"
