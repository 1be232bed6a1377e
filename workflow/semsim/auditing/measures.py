"""How close reconstructions come, beside what comes as close without the gradient of the image.

That is, first, the mean image of the class. Metrics that punish its blur are fooled by anything with edges, so there
are, second, what the same attack makes of other images: it looks the same, but shows something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.auditing.gradients import as_floats
from semsim.metrics import METRICS
from semsim.metrics.measure import BATCH_PIXELS
from semsim.scoring.scores import Measure, compute
from semsim.statistics.resampling import SIGNIFICANT, holm, sign_flip_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.auditing.sample import Sample
    from semsim.targets.models import Target

GUESS = "class_mean"
"""What tables call the mean image of the other images of a class, which stands beside the attacks."""
TOP1 = "top1"
"""Whether the audited model itself names the true class."""
OWN, OTHERS = "own", "others"
"""Whose reconstruction is compared with an original: its own, or the median over those of other originals."""
MOST_PARTNERS = 4
"""Other originals whose reconstructions are compared with each."""
FLIPS = 10_000


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


def partners(labels: torch.Tensor) -> torch.Tensor:
    """Return for each original some others, of the same class where there are any: int64 [K, N], none if it is alone.

    Examples
    --------
    >>> partners(torch.tensor([0, 1, 0, 1, 0])).tolist()
    [[2, 3, 4, 1, 0], [4, 3, 0, 1, 2]]
    """
    columns = []
    for place, label in enumerate(labels):
        alike = [other for other in torch.nonzero(labels == label).flatten().tolist() if other != place]
        among = alike or [other for other in range(len(labels)) if other != place]
        turned = [other for other in among if other > place] + [other for other in among if other < place]
        columns.append(turned[:MOST_PARTNERS])
    most = max(map(len, columns), default=0)
    if not most:
        return torch.empty(0, len(labels), dtype=torch.int64)
    return torch.tensor([[column[row % len(column)] for column in columns] for row in range(most)])


def score_reconstructions(
    target: Target,
    sample: Sample,
    reconstructions: dict[str, torch.Tensor],
    diverged: dict[str, np.ndarray],
    measures: Sequence[Measure],
) -> pd.DataFrame:
    """Compute all metrics of all reconstructions.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode, on the device of the measures' networks.
    sample : semsim.auditing.sample.Sample
    reconstructions : dict of str to torch.Tensor
        By attack, uint8 [N, 3, S, S]; among them those of `GUESS`.
    diverged : dict of str to numpy.ndarray
        By attack, bool [N]: reconstructions that are not scored.
    measures : sequence of semsim.scoring.scores.Measure

    Returns
    -------
    pandas.DataFrame
        One row per attack, original (its place) and `image`, which is `OWN` or, of attacks, `OTHERS`; one column per
        measure, and `TOP1`. NaN where nothing is scored.
    """
    originals, parts = as_floats(sample.images), []
    for attack, images in reconstructions.items():
        images, lost = as_floats(images), diverged.get(attack, np.zeros(len(images), bool))
        own = _values(target, originals, images, sample.labels, measures)
        own[lost] = np.nan
        parts.append(own.assign(attack=attack, original=range(len(own)), image=OWN))
        if attack == GUESS:
            continue
        swapped = []
        for places in partners(sample.labels):
            values = _values(target, originals, images[places], sample.labels, measures)
            values[lost[places.numpy()]] = np.nan
            swapped.append(values)
        if swapped:
            medians = pd.concat(swapped).groupby(level=0).median()
            parts.append(medians.assign(attack=attack, original=range(len(own)), image=OTHERS))
    keys = ["attack", "original", "image"]
    table = pd.concat(parts, ignore_index=True)
    return table[[*keys, *(name for name in table if name not in keys)]]


def _values(target, originals, images, labels, measures):
    """Return one column per measure, and `TOP1`, for pairs of images [N, 3, S, S] in [0, 1]."""
    device = target.mean.device
    step = max(1, BATCH_PIXELS // originals[0, 0].numel())
    values = {measure.name: np.full(len(originals), np.nan) for measure in measures}
    values[TOP1] = np.full(len(originals), np.nan)
    with torch.inference_mode():
        for rows in torch.arange(len(originals)).split(step):
            batch = originals[rows].to(device), images[rows].to(device)
            for name, computed in compute(*batch, measures).items():
                values[name][rows] = computed
            named = {"reconstruction": batch[1], "label": labels[rows].to(device), "target": target}
            values[TOP1][rows] = METRICS[TOP1](named).cpu().numpy()
    return pd.DataFrame(values)


def compare_with_guess(scores: pd.DataFrame, measures: Sequence[Measure], seed: int) -> pd.DataFrame:
    """Compare each attack with what comes as close without the gradient of the image, original by original.

    A reconstruction is closer than a guess if it is closer to its original than the mean image of the class, and than
    the median of the attack's reconstructions of other originals. An attack is better than a guess if by any metric it
    is, in the mean over originals, by more than chance: p is two-sided, by flipping the signs of the originals' gains,
    and corrected for the number of metrics by Holm's method.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `score_reconstructions`.
    measures : sequence of semsim.scoring.scores.Measure
    seed : int
        Of the flips that are drawn.

    Returns
    -------
    pandas.DataFrame
        One row per attack and metric: attack, metric, median, guess (the median of mean images of classes), others
        (that of reconstructions of other originals), scored (originals with a value), closer (of these, closer than a
        guess), p, p_holm, better.
    """
    by_original = scores.set_index("original")
    guess = by_original[by_original["attack"] == GUESS]
    parts = []
    for attack, rows in by_original[by_original["attack"] != GUESS].groupby("attack", sort=False):
        own, others = (rows[rows["image"] == image] for image in (OWN, OTHERS))
        lines = [_compared(measure, own, others, guess, seed) for measure in measures]
        table = pd.DataFrame(lines)
        table.insert(0, "attack", attack)
        table["p_holm"] = holm(table["p"].to_numpy())
        table["better"] = (table["gain"] > 0) & (table["p_holm"] < SIGNIFICANT)
        parts.append(table.drop(columns="gain"))
    return pd.concat(parts, ignore_index=True)


def _compared(measure, own, others, guess, seed):
    """Return one row of the comparison."""
    name, sign = measure.name, 1 if measure.scale.higher_is_better else -1
    guesses = pd.concat([sign * guess[name], sign * others[name]], axis=1).max(axis=1)
    gains = (sign * own[name] - guesses).dropna().to_numpy()
    return {
        "metric": name,
        "median": own[name].median(),
        "guess": guess[name].median(),
        "others": others[name].median(),
        "scored": len(gains),
        "closer": int((gains > 0).sum()),
        "gain": gains.mean() if len(gains) else np.nan,
        "p": sign_flip_p(gains, FLIPS, np.random.default_rng(seed)) if len(gains) else np.nan,
    }
