"""What the labels of a campaign show without a study: recognition, agreement, and how faithful given metrics are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.errors import SemsimError, refuse
from semsim.io.handmade import problem_in, read_rows, value_of
from semsim.io.tables import KEYS
from semsim.labelling.results import labels_of, read_answers
from semsim.labels import recognition_rates, with_truth
from semsim.learned.scales import LEARNED
from semsim.metrics import METRICS, describe_scales
from semsim.metrics.scales import Scale
from semsim.seeds import seed_for
from semsim.statistics.agreement import describe_agreement
from semsim.statistics.ceiling import cross_annotators, human_ceiling
from semsim.statistics.contradictions import count_contradictions
from semsim.statistics.crossing import cross_parts
from semsim.statistics.dawid_skene import estimate_reliability
from semsim.statistics.faithfulness import measure_faithfulness
from semsim.text import first_few

if TYPE_CHECKING:
    import os

    from semsim.labelling.campaign import Campaign

REFERENCE = "original"
"""What metrics compare with, if their table does not say."""
NOT_FINITE = {"inf": np.inf, "+inf": np.inf, "-inf": -np.inf, "nan": None, "na": None, "": None}
GIVEN = "given with the labels"


def read_metrics(
    path: str | os.PathLike, images: pd.DataFrame, directions: dict[str, bool]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read metrics of a campaign's images that were computed elsewhere.

    Parameters
    ----------
    path : path-like
        A CSV file with one row per image and one column per metric. Images are named in a column image, or by dataset,
        target, attack and original. A column reference may say what the metrics compare with.
    images : pandas.DataFrame
        image, dataset, target, attack, original, label.
    directions : dict of str to bool
        Whether a higher value means a better reconstruction, for metrics that semsim does not know.

    Returns
    -------
    metrics : pandas.DataFrame
        dataset, target, attack, original, reference, and the metrics; NaN where there is no value.
    scales : pandas.DataFrame
        How to read each metric, as `semsim.metrics.describe_scales` has it.

    Raises
    ------
    SemsimError
        If a value is not a number, an image is unknown or there twice, or the direction of a metric is unknown.
    """
    fields = read_rows(path, [])
    keys = ["image"] if "image" in fields else KEYS
    if missing := [key for key in keys if key not in fields]:
        raise SemsimError(f"{path}: columns {', '.join(missing)} are missing. Needed is image, or {', '.join(KEYS)}.")
    fields = fields if "reference" in fields else fields.assign(reference=REFERENCE)
    names = [name for name in fields if name not in ("image", *KEYS, "label", "reference")]
    if not names:
        raise SemsimError(f"{path}: no columns of metrics. Add one for each, with its name as the header.")
    scales = _scales(path, names, directions)
    known = images.assign(key=_key(images, keys)).set_index("key")[KEYS]
    key = _key(fields, keys)
    twice = fields.assign(key=key).duplicated(["key", "reference"])
    values = {name: fields[name].str.lower().map(_number) for name in names}
    problems = [
        *problem_in(fields, ~key.isin(known.index), keys[0], "not one of the images"),
        *problem_in(fields, twice, keys[0], "duplicate of a line above"),
        *(each for name in names for each in problem_in(fields, _is_text(values[name]), name, "not a number")),
    ]
    refuse(problems, f"{path}: not a valid table of metrics")
    placed = known.loc[key].reset_index(drop=True)
    columns = {"reference": fields["reference"], **{name: column.astype(float) for name, column in values.items()}}
    return placed.assign(**{name: column.to_numpy() for name, column in columns.items()}), scales


def _key(table, keys):
    """Return what names an image in a table, as one text per row."""
    first, *others = (table[key].astype(str) for key in keys)
    return first.str.cat(others, sep="\n") if others else first


def _number(field):
    """Return a number that a field writes, infinity and none included, or the field."""
    return NOT_FINITE[field] if field in NOT_FINITE else value_of(field)


def _is_text(column):
    return column.map(lambda value: isinstance(value, str)).astype(bool)


def _scales(path, names, directions):
    """Return how to read metrics; those that nobody knows are as the user says."""
    known = {name: scale.__dict__ for name, scale in LEARNED.items()}
    known |= {row["metric"]: row for row in describe_scales(pd.DataFrame(columns=list(METRICS))).to_dict("records")}
    known |= {name: Scale(name, name, "", -np.inf, np.inf, up, GIVEN).__dict__ for name, up in directions.items()}
    if unknown := [name for name in names if name not in known]:
        raise SemsimError(
            f"{path}: it is not known whether higher or lower values mean a better reconstruction for"
            f" {first_few(unknown)}. Give --higher-is-better or --lower-is-better."
        )
    return pd.DataFrame([known[name] for name in names])


def measure_campaign(campaign: Campaign, resamples: int, seed: int) -> dict[str, pd.DataFrame]:
    """Measure what a study measures of its labels, for the images of a campaign whose true class is known.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    resamples : int
        Number of bootstrap resamples of originals and target models, for the intervals.
    seed : int
        Seed of the resamples.

    Returns
    -------
    dict of str to pandas.DataFrame
        recognition, agreement and ceiling; if the campaign has metrics, also faithfulness, faithfulness_differences and
        contradictions. As the tables of these names in ``results/<study>/tables/``.

    Raises
    ------
    SemsimError
        If there is no label of an image whose class is known, or a table cannot be read.
    """
    items, _ = read_answers(campaign)
    images = campaign.images.dropna(subset="label").astype({"label": int})
    labels = labels_of(items)
    labels = labels[labels["image"].isin(images["image"])]
    if labels.empty:
        raise SemsimError(f"{campaign.folder}: no label of an image whose true class is known, so nothing to measure.")
    answers, rates = with_truth(labels, images), recognition_rates(labels, images)
    own_seed = seed_for(seed, "agreement")
    agreement = [describe_agreement(answers, resamples, own_seed), estimate_reliability(answers)]
    return {
        "recognition": rates,
        "agreement": pd.concat(agreement, ignore_index=True),
        "ceiling": human_ceiling(cross_annotators(answers), resamples, own_seed),
        **_measure_metrics(campaign, rates, resamples, seed),
    }


def _measure_metrics(campaign, rates, resamples, seed):
    """Return the tables on the metrics that were given with the labels, none if there are none."""
    path = campaign.folder / "metrics.csv"
    if not path.exists():
        return {}
    scales = read_rows(campaign.folder / "scales.csv", ["metric", "higher_is_better"])
    directions = dict(zip(scales["metric"], scales["higher_is_better"] == "True", strict=True))
    metrics, _ = read_metrics(path, campaign.images, directions)
    crossings = cross_parts([metrics], rates, directions)
    values, differences = measure_faithfulness(crossings, directions, resamples, seed_for(seed, "faithfulness"))
    contradictions = count_contradictions(crossings, directions, resamples, seed_for(seed, "contradictions"))
    return {"faithfulness": values, "faithfulness_differences": differences, "contradictions": contradictions}
