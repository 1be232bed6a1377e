"""The misaligned reference: a target model augments its input, and metrics compare with the image before that."""

from __future__ import annotations

import pandas as pd

from semsim.defects.versions import compare_versions
from semsim.io.tables import KEYS
from semsim.metrics.reconstructions import REFERENCES

MEANT, RELEASED = REFERENCES
"""The input of the model; the original before augmentation, with which the released code compares."""
EVERY, AUGMENTING, PLAIN = "all", "augmenting", "plain"
"""The target models that a row is about: all, those that augment images, the others."""


def measure_misalignment(
    metrics: pd.DataFrame,
    rates: pd.DataFrame,
    augmenting: set[str],
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Measure how faithful metrics are against the original and against the attacked image, by whether these differ.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics: one row per reconstruction and reference.
    rates : pandas.DataFrame
        The table of recognition rates.
    augmenting : set of str
        The target models that augment images.
    higher_is_better : dict of str to bool
        The metrics.
    resamples, seed : int
        For the intervals.

    Returns
    -------
    pandas.DataFrame
        kind (of the annotators), targets (`EVERY`, `AUGMENTING`, `PLAIN`, if there are any), and the columns of
        `compare_versions`.
    """
    wide = metrics.pivot(index=KEYS, columns="reference", values=list(higher_is_better))
    wide.columns = [f"{metric} {reference}" for metric, reference in wide.columns]
    columns = {metric: (f"{metric} {RELEASED}", f"{metric} {MEANT}") for metric in higher_is_better}
    found = []
    for kind, of_kind in rates.groupby("kind", sort=False):
        table = of_kind.merge(wide.reset_index(), on=KEYS)
        augmented = table["target"].isin(augmenting)
        for targets, rows in ((EVERY, table), (AUGMENTING, table[augmented]), (PLAIN, table[~augmented])):
            if len(rows):
                compared = compare_versions(rows, columns, higher_is_better, resamples, seed)
                found.append(compared.assign(kind=kind, targets=targets))
    found = pd.concat(found, ignore_index=True)
    return found[["kind", "targets", *found.columns[:-2]]]
