"""People's answers about the paper's reconstructions, for this project's reconstructions of the same originals.

Nobody has labelled the reconstructions of a study that replays the labels. Each is paired with the published one of the
same original and the same kind of target model, and is given the answers about that one. Where the originals are other
images (CIFAR-100 from a source without its published order), one of the same class stands in for each of them: then
target models and classes can be compared with people, but images cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.labels.human_study import ATTACK
from semsim.labels.table import COLUMNS, name_images
from semsim.text import REPLAYED, first_few

if TYPE_CHECKING:
    from collections.abc import Sequence


POLICIES, BOTH = "3-1-7+43-18-18", "both"


def study_name(published: str) -> str:
    """Return the name that a study gives a published target model: without the `+` of two policies.

    Examples
    --------
    >>> study_name("convnet-3-1-7+43-18-18")
    'convnet-both'
    """
    return published.replace(POLICIES, BOTH)


def pair_images(images: pd.DataFrame, published: pd.DataFrame, numbers: Sequence[int] | None) -> pd.DataFrame:
    """Pair reconstructions with those that people labelled.

    Parameters
    ----------
    images : pandas.DataFrame
        The study's: image, target, attack, original, label (the true class). Target models have the names that
        `study_name` returns; the others have no partners.
    published : pandas.DataFrame
        Those of `semsim.labels.human_study.HumanStudy`, with the same columns.
    numbers : sequence of int or None
        The published number of each of the study's originals. None if they are other images: then the k-th original of
        a class stands in for the k-th one of the labels.

    Returns
    -------
    pandas.DataFrame
        image (the study's name) and published (its partner's), one row per pair. What has no partner is left out.

    Raises
    ------
    SemsimError
        If there is no pair, or an original has another class than the published one of its number.
    """
    own = images[images["attack"] == ATTACK]
    published = published.assign(target=published["target"].map(study_name))
    if numbers is not None:
        by = ["target", "number"]
        own = own.assign(number=own["original"].map(dict(enumerate(numbers))))
        published = published.assign(number=published["original"])
    else:
        by = ["target", "label", "turn"]
        own, published = (table.assign(turn=table["original"].map(_turns(table))) for table in (own, published))
    pairs = own.merge(published, on=by, suffixes=("", "_published"))
    if pairs.empty:
        raise SemsimError(
            f"labels: replayed, but no target model under the attack '{ATTACK}' has a published name, such as"
            f" {first_few(sorted(published['target'].unique()))}. Use such names, or other labels."
        )
    if numbers is not None and len(other := pairs[pairs["label"] != pairs["label_published"]]):
        numbers = first_few([str(number) for number in sorted(set(other["number"]))])
        raise SemsimError(f"labels: replayed, but the classes of originals {numbers} are not those of the labels.")
    return pairs[["image", "image_published"]].rename(columns={"image_published": "published"})


def _turns(table):
    """Return by original how many originals of its class have smaller numbers."""
    originals = table[["original", "label"]].drop_duplicates().sort_values("original")
    return dict(zip(originals["original"], originals.groupby("label").cumcount(), strict=True))


def replay_labels(labels: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the published labels as labels of the paired reconstructions, of the kind `REPLAYED`.

    Parameters
    ----------
    labels : pandas.DataFrame
        The published ones.
    pairs : pandas.DataFrame
        From `pair_images`.
    """
    joined = pairs.merge(labels.rename(columns={"image": "published"}), on="published")
    return joined.assign(kind=REPLAYED)[COLUMNS]


def join_published(
    metrics: pd.DataFrame, published_metrics: pd.DataFrame, published_images: pd.DataFrame, pairs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return metrics of a study's reconstructions and of their partners, row by row.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The study's: dataset, target, attack, original, label, reference and one column per metric.
    published_metrics, published_images : pandas.DataFrame
        Those of `semsim.labels.human_study.HumanStudy`.
    pairs : pandas.DataFrame
        From `pair_images`.

    Returns
    -------
    own, published : pandas.DataFrame
        With the same index; reconstructions without a partner are left out.
    """
    partners = dict(zip(pairs["image"], pairs["published"], strict=True))
    own = metrics.assign(published=name_images(metrics).map(partners)).dropna(subset="published")
    named = published_metrics.merge(published_images[["image", *KEYS]], on=KEYS).set_index("image")
    own = own.reset_index(drop=True)
    return own, named.loc[own["published"]].reset_index(drop=True)
