"""Who recognised what: labels compared with the truth, and recognition rates."""

from semsim.labels.table import KEYS

MAJORITY = 0.5
"""A reconstruction is recognised by the majority if its recognition rate is above this."""


def with_truth(labels, images):
    """Join labels with what was shown.

    Parameters
    ----------
    labels : pandas.DataFrame
        A valid table of labels.
    images : pandas.DataFrame
        image, dataset, target, attack, original, label (the true class).

    Returns
    -------
    pandas.DataFrame
        A row a label, in the order of `labels`: dataset, target, attack, original, image, annotator, kind, label (the
        true class), named (the annotator's answer, -1 for "can't tell"), recognised (whether they are equal).
    """
    given = labels.rename(columns={"label": "named"})
    joined = given.merge(images, on="image", how="left", validate="many_to_one")
    joined["recognised"] = joined["named"] == joined["label"]
    return joined[[*KEYS, "image", "annotator", "kind", "label", "named", "recognised"]]


def recognition_rates(answers, by=(*KEYS, "label", "kind")):
    """Return the share of recognised labels, by image and kind of annotators or by anything coarser.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `with_truth`.
    by : sequence of str
        What a row of the result is about: ``["dataset", "target"]``, for instance, for a target model.

    Returns
    -------
    pandas.DataFrame
        The columns `by`, labels (how many were given) and recognition_rate in [0, 1]. What nobody labelled has no row.
    """
    groups = answers.groupby([*by], sort=False)["recognised"]
    return groups.agg(labels="size", recognition_rate="mean").reset_index()


def missing_triplets(table):
    """Say why there are no triplets in a table of labelled pairs; return nothing where there are some.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a pair: recognition_rate.

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
