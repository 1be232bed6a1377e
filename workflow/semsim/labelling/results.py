"""The results of a campaign: its tables of labels and controls, and everyone's progress."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.handmade import problem_in, read_rows
from semsim.io.tables import write_table
from semsim.labelling.assignment import ASKED, CHECK, REPEAT
from semsim.labelling.store import Store
from semsim.labels.table import CANNOT_TELL, COLUMNS, answers_of, check_labels
from semsim.statistics.agreement import count_answers, krippendorff_alpha

if TYPE_CHECKING:
    import os

    from semsim.labelling.campaign import Campaign

ITEM_COLUMNS = ["annotator", "position", "image", "purpose", "label", "seconds", "given_at", "kind"]
ANNOTATOR_COLUMNS = ["annotator", "consented_at", "code", "undone"]
CONTROL_COLUMNS = ["image", "annotator", "purpose", "expected", "label", "seconds", "given_at"]


def read_answers(campaign: Campaign) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the answers of a campaign: from its database, even while a server writes to it, or from elsewhere.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign

    Returns
    -------
    items, annotators : pandas.DataFrame
        As returned by `Store.items` and `Store.annotators`, with the kind of the annotators; without rows if nobody has
        been invited yet. This does not block a server.

    Raises
    ------
    SemsimError
        If the database or the labels cannot be read.
    """
    if campaign.database.is_file():
        with closing(Store(campaign)) as store:
            return store.items().assign(kind=campaign.settings.kind), store.annotators()
    if campaign.labels.exists():
        return _from_elsewhere(campaign)
    items = pd.DataFrame(columns=ITEM_COLUMNS).astype({"label": "Int64", "seconds": float, "given_at": "str"})
    return items, pd.DataFrame(columns=ANNOTATOR_COLUMNS)


def _from_elsewhere(campaign):
    """Return what a database would hold of labels that were given elsewhere."""
    items = answers_of(read_rows(campaign.labels, COLUMNS), campaign.images, campaign.class_counts, campaign.labels)
    check_choices(items, campaign.settings.forced_choice, campaign.labels)
    items = items.reset_index(drop=True).assign(purpose=ASKED, position=items.groupby("annotator").cumcount())
    names = items["annotator"].drop_duplicates()
    return items[ITEM_COLUMNS], pd.DataFrame({"annotator": names, "consented_at": None, "code": "", "undone": 0})


def check_choices(answers: pd.DataFrame, forced: bool, where: str | os.PathLike) -> None:
    """Refuse labels that say "can't tell" where annotators had to name a class.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.table.answers_of`.
    forced : bool
        Whether they had to.
    where : path-like
        The path of the table, for messages.

    Raises
    ------
    SemsimError
    """
    unsure = (answers["label"] == CANNOT_TELL).fillna(False)
    if forced and unsure.any():
        (problem,) = problem_in(
            answers, unsure, "label", "-1 where a class had to be named; without an answer, it is na"
        )
        raise SemsimError(f"{where}: {problem}")


def labels_of(items: pd.DataFrame) -> pd.DataFrame:
    """Return the table of labels: answers without checks and repeats, so that an annotator has each image once."""
    given = items[(items["purpose"] == ASKED) & items["label"].notna()]
    return given.astype({"label": int})[COLUMNS].reset_index(drop=True)


def controls_of(items: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Return the answers to checks and repeats, and the expected answers.

    Parameters
    ----------
    items : pandas.DataFrame
        From `read_answers`.
    checks : pandas.DataFrame
        image, dataset, label.

    Returns
    -------
    pandas.DataFrame
        image, annotator, purpose, expected (the true class of a check, the first label of a repeat), label, seconds,
        given_at.
    """
    given = items[items["label"].notna()]
    truth = checks.set_index("image")["label"]
    first = given[given["purpose"] == ASKED].set_index(["annotator", "image"])["label"]
    controls = given[given["purpose"] != ASKED]
    pairs = pd.MultiIndex.from_frame(controls[["annotator", "image"]])
    expected = np.where(controls["purpose"] == CHECK, controls["image"].map(truth), first.reindex(pairs))
    controls = controls.assign(expected=expected).astype({"expected": int, "label": int})
    return controls[CONTROL_COLUMNS].reset_index(drop=True)


def export(campaign: Campaign) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write ``labels.csv`` and ``controls.csv`` into the campaign's folder.

    Returns
    -------
    labels, controls : pandas.DataFrame

    Raises
    ------
    SemsimError
        If there is no label yet.
    """
    if not campaign.database.is_file():
        raise SemsimError(f"{campaign.database}: no answers yet. Serve the campaign first.")
    items, _ = read_answers(campaign)
    labels, controls = labels_of(items), controls_of(items, campaign.checks)
    if labels.empty:
        raise SemsimError(f"{campaign.database}: no labels yet, so there is nothing to export.")
    check_labels(labels, campaign.images, campaign.class_counts, where=campaign.labels)
    write_table(labels, campaign.labels)
    write_table(controls, campaign.folder / "controls.csv")
    return labels, controls


def describe_annotators(items: pd.DataFrame, annotators: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Return one row per annotator: their progress, and how carefully they work.

    Returns
    -------
    pandas.DataFrame
        annotator, answered and of (showings, including checks and repeats), checks_failed and checks, repeats_same and
        repeats, cannot_tell (share of labels), seconds (median), undone, last (time of the last answer), code.
    """
    controls = controls_of(items, checks)
    same = (controls["expected"] == controls["label"]).groupby([controls["annotator"], controls["purpose"]])
    same = same.agg(["sum", "size"]).to_dict("index")
    shown = dict(list(items.groupby("annotator")))
    rows = []
    for about in annotators.to_dict("records"):
        name = about["annotator"]
        own = shown.get(name, items.head(0))
        given, labels = own[own["label"].notna()], labels_of(own)
        check, repeat = (same.get((name, purpose), {"sum": 0, "size": 0}) for purpose in (CHECK, REPEAT))
        rows.append(
            {
                "annotator": name,
                "answered": len(given),
                "of": len(own),
                "checks_failed": check["size"] - check["sum"],
                "checks": check["size"],
                "repeats_same": repeat["sum"],
                "repeats": repeat["size"],
                "cannot_tell": (labels["label"] == CANNOT_TELL).mean() if len(labels) else np.nan,
                "seconds": given["seconds"].median(),
                "undone": about["undone"],
                "last": given["given_at"].max() if len(given) else "",
                "code": about["code"],
            }
        )
    return pd.DataFrame(rows)


def describe_datasets(items: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """Return one row per data set and kind of annotators: images, complete ones, labels, and agreement so far.

    Returns
    -------
    pandas.DataFrame
        dataset, kind, images, complete (images that have all their labels), labels, recognised (share of the labels of
        images whose class is known), alpha (Krippendorff's, of the named class; NaN until an image has two labels). A
        data set without labels has a row, too.
    """
    labels = labels_of(items).merge(campaign.images, on="image", suffixes=("", "_true"))
    kinds = list(items["kind"].unique()) or [campaign.settings.kind]
    rows = []
    for dataset, images in campaign.images.groupby("dataset", sort=False):
        for kind in kinds:
            own = labels[(labels["dataset"] == dataset) & (labels["kind"] == kind)]
            about = {"dataset": dataset, "kind": kind, "images": len(images), "labels": len(own)}
            rows.append(about | _describe_labels(own, campaign.settings.labels_per_image))
    return pd.DataFrame(rows)


def _describe_labels(labels, labels_per_image):
    """Return what is known of the labels of one data set and kind of annotators."""
    known = labels[labels["label_true"].notna()]
    return {
        "complete": int((labels["image"].value_counts() >= labels_per_image).sum()),
        "recognised": (known["label"] == known["label_true"]).mean() if len(known) else np.nan,
        "alpha": krippendorff_alpha(count_answers(labels, "label")) if len(labels) else np.nan,
    }
