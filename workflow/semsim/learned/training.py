"""Training of SemSim on labelled pairs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.labels.recognition import MAJORITY
from semsim.learned import losses
from semsim.learned.metric import SemSim
from semsim.learned.pairs import StackedPairs
from semsim.learned.settings import LOSSES, SemSimRecipe, SemSimSettings
from semsim.learned.triplets import ReleasedAnchors, TripletSampler
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.models import initial_weights
from semsim.targets.training import channel_statistics

if TYPE_CHECKING:
    from semsim.io.stored_arrays import JoinedRows
    from semsim.learned.pairs import AnyPairs
    from semsim.targets.recipe import Recipe

DEFAULTS, PAPER = SemSimSettings(), SemSimRecipe()
CURVES = ("epoch", "train_loss", "train_ordered", "validation_auc", "seconds")


def train_semsim(
    metric: SemSim,
    training: AnyPairs,
    validation: AnyPairs,
    settings: SemSimSettings = DEFAULTS,
    recipe: Recipe = PAPER,
    seed: int = 0,
    description: str = "training",
) -> tuple[SemSim, pd.DataFrame, pd.DataFrame]:
    """Train SemSim so that recognised reconstructions are closer to their originals than others, by a margin.

    Training and evaluation use the same distance, `SemSim.forward`.

    Parameters
    ----------
    metric : SemSim
        What training starts from, on the device to train on. It is changed.
    training, validation : LabelledPairs or MeasuredPairs
        What the metric's backbone prepares, of different originals. The weights with the best area under the ROC curve
        on `validation` are kept; the last ones if there are ties, or if the area is undefined because all validation
        pairs are recognised, or none.
    settings : semsim.learned.settings.SemSimSettings
        Of them, loss, margin and anchor: the other ones are settled by the metric and the pairs.
    recipe : semsim.targets.recipe.Recipe
    seed : int
        On a CPU the same seed and number of threads give the same weights.
    description : str
        What the progress bar says.

    Returns
    -------
    metric : SemSim
        In eval mode.
    curves : pandas.DataFrame
        One row per epoch: `epoch` (from 1; where the start may be kept, from 0), `train_loss`, `train_ordered` (the
        share of correctly ordered triplets), `validation_auc` and `seconds` (since the start). An epoch has as many
        batches of triplets as the training pairs would fill.
    counts : pandas.DataFrame
        Where the triplets of training come from, as `TripletSampler.counts`.

    Raises
    ------
    SemsimError
        If there are no triplets, or the training diverges.
    """
    sampler = TripletSampler(training.table)
    released = ReleasedAnchors(training.table) if settings.anchor == "released" else None
    metric.to(memory_format=torch.channels_last)
    batches = max(1, len(training) // recipe.batch_size)
    rates = torch.tensor(training.table["recognition_rate"].to_numpy(), dtype=torch.float32)
    criterion = getattr(losses, LOSSES[settings.loss])(settings.margin, rates).to(metric.device)
    optimiser, schedule = recipe.optimise([*metric.parameters(), *criterion.parameters()], batches)
    generator = torch.Generator().manual_seed(seed_for(seed, "triplets"))

    rows, best, began = [], _Best(metric, validation), time.perf_counter()
    if metric.backbone.start_counts:
        rows.append((0, math.nan, math.nan, best.update(), 0.0))
    with progress_bar(recipe.epochs, description, unit="epoch") as bar:
        for epoch in range(1, recipe.epochs + 1):
            triplets = (sampler.draw(recipe.batch_size, generator) for _ in range(batches))
            mean_loss, ordered = _train_epoch(
                metric, criterion, optimiser, schedule, training, rates, triplets, released, generator
            )
            if not math.isfinite(mean_loss):
                raise SemsimError(
                    f"{description}: the training loss is not finite in epoch {epoch} of {recipe.epochs}. Lower the"
                    f" learning rate (now {recipe.learning_rate:g})."
                )
            auc = best.update()
            rows.append((epoch, mean_loss, ordered, auc, time.perf_counter() - began))
            bar.set_postfix_str(f"loss {mean_loss:.3f}, validation AUC {auc:.3f}", refresh=False)
            bar.update()
    metric.load_state_dict(best.state)
    metric.to(memory_format=torch.contiguous_format)
    return metric.eval(), pd.DataFrame(rows, columns=CURVES), sampler.counts


class _Best:
    """The state of a metric, while it is trained, that was best on validation pairs; of equally good ones, the last."""

    def __init__(self, metric, pairs):
        self.metric, self.pairs = metric, pairs
        self.recognised = pairs.table["recognition_rate"].to_numpy() > MAJORITY
        self.area, self.state = -math.inf, None

    def update(self):
        """Keep the present state if it is best; return its area under the ROC curve."""
        area = area_under_curve(measure_distances(self.metric, self.pairs).cpu().numpy(), self.recognised)
        if not area < self.area:
            self.area, self.state = area, {name: each.clone() for name, each in self.metric.state_dict().items()}
        return area


def random_semsim(references: np.ndarray | JoinedRows, settings: SemSimSettings, seed: int) -> SemSim:
    """Return a SemSim with random weights, for images such as these references, uint8 [N, 3, S, S]."""
    mean, std = channel_statistics(references)
    of_backbone = settings.model_dump(include={"width", "normalised"})
    with initial_weights(seed_for(seed, "weights")):
        return SemSim(settings.backbone, image_size=references.shape[-1], mean=mean, std=std, **of_backbone)


def measure_distances(metric: SemSim, pairs: AnyPairs, batch_size: int = 256) -> torch.Tensor:
    """Return the distances [N] of pairs in eval mode, in which the metric is left."""
    metric.eval()
    distances = torch.empty(len(pairs), device=metric.device)
    with torch.no_grad():
        for start in range(0, len(pairs), batch_size):
            batch = slice(start, start + batch_size)
            distances[batch] = pairs.distances(metric, batch)
    return distances


def area_under_curve(distances: np.ndarray, recognised: np.ndarray) -> float:
    """Return how often a recognised pair is closer than an unrecognised one: the area under the ROC curve.

    Parameters
    ----------
    distances : numpy.ndarray
        [N].
    recognised : numpy.ndarray
        bool [N].

    Returns
    -------
    float
        In [0, 1], ties counted as a half; NaN where all pairs are recognised, or none, and there is no curve.

    Examples
    --------
    >>> area_under_curve(np.array([0.1, 0.2, 0.2, 0.9]), np.array([True, True, False, False]))
    0.875
    """
    positives, negatives = recognised.sum(), (~recognised).sum()
    if not positives or not negatives:
        return math.nan
    ranks = pd.Series(-distances).rank()[recognised].sum()  # SciPy has it, too, and takes half a second to import
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def _train_epoch(metric, criterion, optimiser, schedule, pairs, rates, triplets, released, generator):
    """Take one step for each batch of triplets; return the mean loss and the share of triplets in the right order."""
    metric.train()
    total_loss, ordered, count = 0.0, 0, 0
    for near_rows, far_rows in triplets:
        anchors = {}
        if released is not None:
            drawn = released.draw(StackedPairs(pairs, metric.device), near_rows, generator)
            anchors["references"] = drawn.repeat(2, 1, 1, 1)
        near, far = pairs.distances(metric, torch.cat([near_rows, far_rows]), generator, **anchors).chunk(2)
        each = criterion(near, far, *(rates[rows].to(near.device) for rows in (near_rows, far_rows)))
        optimiser.zero_grad()
        each.mean().backward()
        optimiser.step()
        schedule.step()
        total_loss += each.detach().sum()
        ordered += (near < far).sum()
        count += len(each)
    return (total_loss / count).item(), (ordered / count).item()
