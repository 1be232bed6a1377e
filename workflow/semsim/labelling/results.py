"""What a campaign has brought: its tables of labels and controls, and how far everyone is."""

from contextlib import closing

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.labelling.assignment import ASKED, CHECK, REPEAT
from semsim.labelling.store import Store
from semsim.labels.table import CANNOT_TELL, COLUMNS, check_labels
from semsim.statistics.agreement import count_answers, krippendorff_alpha

KIND = "human"
CONTROL_COLUMNS = ["image", "annotator", "purpose", "expected", "label", "seconds", "given_at"]


def read_answers(campaign):
    """Read the database, also while a server writes to it.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign

    Returns
    -------
    items, annotators : pandas.DataFrame
        As `Store.items` and `Store.annotators` describe them. No server has to wait.

    Raises
    ------
    SemsimError
        If nobody was invited yet.
    """
    if not campaign.database.is_file():
        raise SemsimError(f"{campaign.database}: no answers yet. Serve the campaign first.")
    with closing(Store(campaign)) as store:
        return store.items(), store.annotators()


def labels_of(items):
    """Return the table of labels: answers to what was asked, without checks and repeats, so each image once."""
    given = items[(items["purpose"] == ASKED) & items["label"].notna()]
    return given.assign(kind=KIND).astype({"label": int})[COLUMNS].reset_index(drop=True)


def controls_of(items, checks):
    """Return the answers to checks and repeats, and what each should have been.

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


def export(campaign):
    """Write ``labels.csv`` and ``controls.csv`` into the campaign's folder.

    Returns
    -------
    labels, controls : pandas.DataFrame

    Raises
    ------
    SemsimError
        If there is no label yet.
    """
    items, _ = read_answers(campaign)
    labels, controls = labels_of(items), controls_of(items, campaign.checks)
    if labels.empty:
        raise SemsimError(f"{campaign.database}: no labels yet, so there is nothing to export.")
    classes = {dataset: len(names) for dataset, names in campaign.classes.items()}
    check_labels(labels, campaign.images, classes, where=campaign.folder / "labels.csv")
    write_table(labels, campaign.folder / "labels.csv")
    write_table(controls, campaign.folder / "controls.csv")
    return labels, controls


def describe_annotators(items, annotators, checks):
    """Return a row for each annotator: how far they are, and how carefully they work.

    Returns
    -------
    pandas.DataFrame
        annotator, answered and of (showings, checks and repeats included), checks_failed of checks, repeats_same of
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


def describe_datasets(items, campaign):
    """Return a row for each data set: images, those with all their labels, labels, and agreement so far.

    Returns
    -------
    pandas.DataFrame
        dataset, images, complete, labels, recognised (share of the labels of images whose class is known), alpha
        (Krippendorff's, of the class that was named; NaN as long as nobody shares an image).
    """
    labels = labels_of(items).merge(campaign.images, on="image", suffixes=("", "_true"))
    rows = []
    for dataset, images in campaign.images.groupby("dataset", sort=False):
        own = labels[labels["dataset"] == dataset]
        known = own[own["label_true"].notna()]
        complete = own["image"].value_counts() >= campaign.settings.labels_per_image
        rows.append(
            {
                "dataset": dataset,
                "images": len(images),
                "complete": int(complete.sum()),
                "labels": len(own),
                "recognised": (known["label"] == known["label_true"]).mean() if len(known) else np.nan,
                "alpha": krippendorff_alpha(count_answers(own, "label")) if len(own) else np.nan,
            }
        )
    return pd.DataFrame(rows)
