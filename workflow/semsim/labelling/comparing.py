"""A campaign's labels beside those that a study has of the same reconstructions, such as simulated ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.labelling.campaign import Campaign
from semsim.labelling.results import labels_of, read_answers
from semsim.labels import recognition_rates
from semsim.labels.recognition import MAJORITY
from semsim.statistics.resampling import share_interval

ALL = "all"


def compare_labels(campaign: Campaign, recognition: pd.DataFrame, study: str) -> pd.DataFrame:
    """Count how often the majorities of two groups of annotators agree on whether a reconstruction is recognised.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    recognition : pandas.DataFrame
        The study's table ``recognition.csv``: dataset, target, attack, original, kind, recognition_rate.
    study : str
        Its name.

    Returns
    -------
    pandas.DataFrame
        For each pair of kinds, one row per data set, and one for all if there are several: study, dataset, kind
        (the campaign's), study_kind, images; both, only_campaign, only_study and neither (numbers of images that the
        majority of those recognised); agreement (share of images on which they agree), agreement_low and agreement_high
        (95 %, Wilson's, over originals).

    Raises
    ------
    SemsimError
        If no labelled image of the campaign is a reconstruction of the study.
    """
    items, _ = read_answers(campaign)
    rates = recognition_rates(labels_of(items), campaign.images.dropna(subset="label").astype({"label": int}))
    columns = [*KEYS, "kind", "recognition_rate"]
    shared = rates[columns].merge(recognition[columns], on=KEYS, suffixes=("", "_study"))
    if shared.empty:
        raise SemsimError(f"{campaign.folder}: none of its labels is of a reconstruction of that study.")
    rows = []
    for kinds, pair in shared.groupby(["kind", "kind_study"], sort=False):
        groups = list(pair.groupby("dataset", sort=False))
        groups += [(ALL, pair)] if len(groups) > 1 else []
        rows += [_compared(dataset, kinds, group) for dataset, group in groups]
    table = pd.DataFrame(rows)
    table.insert(0, "study", study)
    return table


def _compared(dataset, kinds, rates):
    here, there = rates["recognition_rate"] > MAJORITY, rates["recognition_rate_study"] > MAJORITY
    agree = (here == there).to_numpy(float)
    clusters = pd.factorize(rates["dataset"] + "\n" + rates["original"].astype(str))[0]
    low, high = share_interval(agree, clusters)
    return {
        "dataset": dataset,
        "kind": kinds[0],
        "study_kind": kinds[1],
        "images": len(rates),
        "both": np.sum(here & there),
        "only_campaign": np.sum(here & ~there),
        "only_study": np.sum(~here & there),
        "neither": np.sum(~here & ~there),
        "agreement": agree.mean(),
        "agreement_low": low,
        "agreement_high": high,
    }
