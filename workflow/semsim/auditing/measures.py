"""How close reconstructions come to their originals, compared with guesses made without the gradient of the image.

The first guess is the mean image of the class. Metrics that penalise its blur are fooled by anything with edges, so the
second kind of guess is the reconstructions of other images by the same attack: they look alike, but show something
else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from semsim.attacks.matching import match_batch
from semsim.io.images import as_floats
from semsim.learned.scales import CHANCE
from semsim.metrics import METRICS
from semsim.metrics.measure import BATCH_PIXELS
from semsim.scoring.chances import chance_sentences, doubts, some_of
from semsim.scoring.measures import Measure, compute
from semsim.statistics.resampling import SIGNIFICANT, holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.auditing.sample import Sample
    from semsim.targets.models import Target

GUESS = "class_mean"
"""What tables call the mean image of the other images of a class, which is listed with the attacks."""
TOP1 = "top1"
"""Whether the audited model itself names the true class."""
MOST_OTHERS = 9
"""Reconstructions of other originals with which each original is compared."""
DRAWS = 10_000
PAIR = ["attack", "original", "of"]
"""Columns of scores: an original, and the one whose reconstruction it is compared with, itself or another."""


def class_means(sample: Sample) -> torch.Tensor:
    """Return for each original the mean of all other images of its class; of all others, if it is alone in its class.

    Of all images that do not depend on the original, it has the least expected squared distance from it for those who
    know nothing but the class.

    Parameters
    ----------
    sample : semsim.auditing.sample.Sample

    Returns
    -------
    torch.Tensor, uint8, [N, 3, S, S]
    """
    images = as_floats(torch.cat([sample.images, sample.others]))
    labels = torch.cat([sample.labels, sample.other_labels])
    means = []
    for place, label in enumerate(sample.labels):
        among = labels == label
        among[place] = False
        if not among.any():
            among = torch.arange(len(labels)) != place
        means.append(images[among].mean(0) if among.any() else torch.full_like(images[0], 0.5))
    return (torch.stack(means) * 255).round().to(torch.uint8)


def others_of(sample: Sample, images: torch.Tensor, clients: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return reconstructions of other originals with which each original is compared.

    Parameters
    ----------
    sample : semsim.auditing.sample.Sample
    images : torch.Tensor, uint8, [N, 3, S, S]
        The reconstructions of one attack.
    clients : sequence of sequence of int
        The places of the originals of each client.

    Returns
    -------
    torch.Tensor, int64, [K, N]
        Places of reconstructions, up to `MOST_OTHERS` for each original: first those of its class. Those of a batch are
        all of another batch, matched with its originals as its own reconstructions are: matched noise is closer than
        noise. -1 where there is none.
    """
    count = min(MOST_OTHERS, len(clients) - 1)
    places = torch.full((count, len(images)), -1)
    if max(map(len, clients)) == 1:
        for place, label in enumerate(sample.labels):
            turned = torch.arange(place + 1, place + len(images)) % len(images)
            alike = sample.labels[turned] == label
            places[:, place] = torch.cat([turned[alike], turned[~alike]])[:count]
        return places
    originals = as_floats(sample.images)
    for turn in range(count):
        for number, own in enumerate(clients):
            other = clients[(number + turn + 1) % len(clients)]
            if len(other) >= len(own):
                own, other = torch.tensor(own), torch.tensor(other)
                places[turn, own] = other[match_batch(originals[own], images[other])]
    return places


def score_reconstructions(
    target: Target,
    sample: Sample,
    reconstructions: dict[str, torch.Tensor],
    diverged: dict[str, np.ndarray],
    clients: Sequence[Sequence[int]],
    measures: Sequence[Measure],
) -> pd.DataFrame:
    """Compute all metrics of all originals with their reconstructions, and with those of others.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode, on the device of the measures' networks.
    sample : semsim.auditing.sample.Sample
    reconstructions : dict of str to torch.Tensor
        By attack, uint8 [N, 3, S, S]; among them those of `GUESS`.
    diverged : dict of str to numpy.ndarray
        By attack, bool [N]: reconstructions that are not scored.
    clients : sequence of sequence of int
        The places of the originals of each client.
    measures : sequence of semsim.scoring.measures.Measure

    Returns
    -------
    pandas.DataFrame
        `PAIR`, one column per measure, and `TOP1`; NaN where nothing is scored. First the rows in which `of` is the
        original itself, for each attack.
    """
    originals, parts = as_floats(sample.images), []
    own = torch.arange(len(originals))[None]
    for attack, images in reconstructions.items():
        lost = torch.tensor(diverged.get(attack, np.zeros(len(images), bool)))
        swapped = [] if attack == GUESS else [others_of(sample, images, clients)]
        for places in torch.cat([own, *swapped]):
            there = places >= 0
            values = _values(target, originals[there], as_floats(images[places[there]]), sample.labels[there], measures)
            values[lost[places[there]].numpy()] = np.nan
            keys = {"attack": attack, "original": own[0, there].numpy(), "of": places[there].numpy()}
            parts.append(pd.DataFrame(keys).join(values))
    return pd.concat(parts, ignore_index=True)


def own_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of scores that compare originals with their own reconstructions."""
    return scores[scores["original"] == scores["of"]]


def _values(target, originals, images, labels, measures):
    """Return one column per measure, and `TOP1`, for pairs of images [N, 3, S, S] in [0, 1]."""
    device = target.mean.device
    step = max(1, BATCH_PIXELS // originals.shape[-1] ** 2)
    values = {name: np.full(len(originals), np.nan) for name in (*(measure.name for measure in measures), TOP1)}
    with torch.inference_mode():
        for rows in torch.arange(len(originals)).split(step):
            batch = originals[rows].to(device), images[rows].to(device)
            for name, computed in compute(*batch, measures).items():
                values[name][rows.numpy()] = computed  # a tensor of one number would be taken for that number
            named = {"reconstruction": batch[1], "label": labels[rows].to(device), "target": target}
            values[TOP1][rows.numpy()] = METRICS[TOP1](named).cpu().numpy()
    return pd.DataFrame(values)


def compare_with_guess(
    scores: pd.DataFrame, clients: Sequence[Sequence[int]], measures: Sequence[Measure], seed: int
) -> pd.DataFrame:
    """Compare each attack with what comes as close without the gradient of the image, original by original.

    A reconstruction is closer than a guess if it is closer to its original than the mean image of the class and than
    all the reconstructions of other originals. p is the share of random choices, for each client, of its own
    reconstructions or those of one of the others, under which as many would be closer than the rest, with one more for
    what was found; it is corrected for the number of metrics by Holm's method. An attack is better than a guess if it
    is by any metric: one original that is found is hidden in a mean of distances, but not here.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `score_reconstructions`.
    clients : sequence of sequence of int
        The places of the originals of each client.
    measures : sequence of semsim.scoring.measures.Measure
    seed : int
        Of the choices.

    Returns
    -------
    pandas.DataFrame
        One row per attack and metric: attack, metric, median, guess (the median of mean images of classes), others
        (that of reconstructions of other originals), scored (originals with a value), closer (of these, closer than a
        guess), p, p_holm, better.
    """
    guess = scores[scores["attack"] == GUESS].set_index("original")
    parts = []
    for attack, rows in scores[scores["attack"] != GUESS].groupby("attack", sort=False):
        turns = rows.groupby("original").cumcount()
        lines = []
        for measure in (each for each in measures if each.name != CHANCE.metric):  # as SemSim would order them
            values = rows.pivot_table(measure.name, "original", turns, dropna=False).reindex(guess.index)
            found, p = _found(values, guess[measure.name], measure.scale.higher_is_better, clients, seed)
            line = {"metric": measure.name, "median": values[0].median(), "guess": guess[measure.name].median()}
            line |= {"others": values.drop(columns=0).stack().median(), "scored": values[0].notna().sum()}
            lines.append(line | {"closer": found, "p": p})
        table = pd.DataFrame(lines)
        table.insert(0, "attack", attack)
        table["p_holm"] = holm(table["p"].to_numpy())
        parts.append(table.assign(better=table["p_holm"] < SIGNIFICANT))
    return pd.concat(parts, ignore_index=True)


def _found(values, guess, higher_is_better, clients, seed):
    """Return how many originals are closest to their own reconstruction, and the p value of as many."""
    sign = 1 if higher_is_better else -1
    near = (sign * values).fillna(-np.inf).to_numpy()
    best = near.max(axis=1, keepdims=True)
    # A tie is no find: of equal images, none is closer.
    closest = (near == best) & ((near == best).sum(1, keepdims=True) == 1) & (near > sign * guess.to_numpy()[:, None])
    finds = np.stack([closest[list(places)].sum(0) for places in clients])
    found = int(finds[:, 0].sum())
    if finds.shape[1] < 2 or not np.isfinite(near[:, 0]).any():
        return found, np.nan
    chosen = np.random.default_rng(seed).integers(finds.shape[1], size=(DRAWS, len(clients)))
    as_many = finds[np.arange(len(clients)), chosen].sum(1) >= found
    return found, (as_many.sum() + 1) / (DRAWS + 1)


class Recognisable(NamedTuple):
    """How many images annotators would recognise.

    Attributes
    ----------
    counts : dict of str to list of str
        By attack, and for `GUESS`: sentences, none if nothing is known.
    doubts : list of str
        Why this may be wrong for these images.
    """

    counts: dict[str, list[str]]
    doubts: list[str]


def count_recognisable(scores: pd.DataFrame, measures: Sequence[Measure], sample: Sample) -> Recognisable:
    """Count the reconstructions of each attack, and the guesses, that annotators would recognise.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `score_reconstructions`.
    measures : sequence of semsim.scoring.measures.Measure
    sample : semsim.auditing.sample.Sample
    """
    originals, counts = as_floats(sample.images), {}
    for attack, rows in own_scores(scores).groupby("attack", sort=False):
        values = {measure.name: rows[measure.name].to_numpy() for measure in measures}
        counts[attack] = chance_sentences(values, measures, originals[:1])
    return Recognisable(counts, doubts(measures, some_of(originals)))
