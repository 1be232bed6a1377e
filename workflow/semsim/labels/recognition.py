"""Labels compared with the truth, and recognition rates."""

from __future__ import annotations

import pandas as pd

from semsim.io.tables import KEYS

MAJORITY = 0.5
"""A reconstruction is recognised by the majority if its recognition rate is above this."""


def with_truth(labels: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Join labels with the images that they describe.

    Parameters
    ----------
    labels : pandas.DataFrame
        A valid table of labels.
    images : pandas.DataFrame
        image, dataset, target, attack, original, label (the true class).

    Returns
    -------
    pandas.DataFrame
        One row per label, in the order of `labels`: dataset, target, attack, original, image, annotator, kind, label
        (the true class), named (the annotator's answer, -1 for "can't tell"), recognised (whether they are equal).
    """
    given = labels[["image", "annotator", "kind", "label"]].rename(columns={"label": "named"})
    joined = given.merge(images, on="image", how="left", validate="many_to_one")
    joined["recognised"] = joined["named"] == joined["label"]
    return joined[[*KEYS, "image", "annotator", "kind", "label", "named", "recognised"]]


def recognition_rates(labels: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return the share of recognised labels of each image, by kind of annotators.

    Parameters
    ----------
    labels, images : pandas.DataFrame
        As in `with_truth`.

    Returns
    -------
    pandas.DataFrame
        dataset, target, attack, original, label (the true class), kind, labels (how many were given) and
        recognition_rate in [0, 1], in the order of first labels. Unlabelled images have no row.
    """
    places = pd.Index(images["image"]).get_indexer(labels["image"])
    recognised = pd.Series(labels["label"].to_numpy() == images["label"].to_numpy()[places])
    groups = recognised.groupby([places, labels["kind"].to_numpy()], sort=False)
    rates = groups.agg(labels="size", recognition_rate="mean").rename_axis(["place", "kind"]).reset_index()
    shown = images[[*KEYS, "label"]].take(rates.pop("place")).reset_index(drop=True)
    return shown.join(rates)


def pooled_rates(recognition: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return the recognition rate over all labels of each group of images.

    Parameters
    ----------
    recognition : pandas.DataFrame
        The table of recognition rates, by annotators of one kind.
    keys : list of str
        The columns that define a group, such as dataset and target.

    Returns
    -------
    pandas.Series
        Rates in [0, 1] by these keys, in the order of the table.
    """
    recognised = recognition.assign(recognised=recognition["recognition_rate"] * recognition["labels"])
    sums = recognised.groupby(keys, sort=False)[["recognised", "labels"]].sum()
    return sums["recognised"] / sums["labels"]


def missing_triplets(table: pd.DataFrame) -> str:
    """Return why there are no triplets in a table of labelled pairs, or an empty text if there are some.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per pair: recognition_rate.

    Returns
    -------
    str
        Without a full stop.
    """
    recognised = table["recognition_rate"] > MAJORITY
    if recognised.any() and not recognised.all():
        return ""
    un = "" if recognised.any() else "un"
    return f"All {len(table)} labelled reconstructions are {un}recognised, so there are no triplets to learn from"
