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
from semsim.learned.settings import LOSSES, SemSimRecipe
from semsim.learned.triplets import ReleasedAnchors, TripletSampler
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.augmentation import crop_and_flip
from semsim.targets.models import initial_weights
from semsim.targets.training import channel_statistics

if TYPE_CHECKING:
    from semsim.io.stored_arrays import JoinedRows
    from semsim.learned.pairs import LabelledPairs
    from semsim.targets.models import Target
    from semsim.targets.recipe import Recipe

PAPER = SemSimRecipe()
CURVES = ("epoch", "train_loss", "train_ordered", "validation_auc", "seconds")


def train_semsim(
    training: LabelledPairs,
    validation: LabelledPairs,
    backbone: str = "resnet18",
    width: int | None = None,
    normalised: bool = True,
    margin: float = 1.0,
    loss: str = "triplet",
    anchor: str = "original",
    recipe: Recipe = PAPER,
    start: Target | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    description: str = "training",
) -> tuple[SemSim, pd.DataFrame, pd.DataFrame]:
    """Train SemSim so that recognised reconstructions are closer to their originals than others, by a margin.

    Training and evaluation use the same distance, `SemSim.forward`. A pair is cropped and mirrored as one, so that the
    reconstruction stays aligned with its reference.

    Parameters
    ----------
    training, validation : LabelledPairs
        Of different originals. The weights with the best area under the ROC curve on `validation` are kept; the last
        ones if there are ties, or if the area is undefined because all validation pairs are recognised, or none.
    backbone, width, normalised
        As in `SemSim`.
    margin : float
        By how much an unrecognised reconstruction should be farther, at least.
    loss : str
        One of `semsim.learned.settings.LOSSES`.
    anchor : {"original", "released"}
        What the two reconstructions of a triplet are compared with: each with its own original, or both with one image,
        which is the recognised one's original or any recognised reconstruction of that, be it the same: the rule of the
        paper's released code.
    recipe : semsim.targets.recipe.Recipe
    start : semsim.targets.models.Target, optional
        A classifier of the same backbone, width and image size, whose features training starts from; random weights if
        left out.
    seed : int
        On a CPU the same seed and number of threads give the same weights.
    device : torch.device or str
    description : str
        What the progress bar says.

    Returns
    -------
    metric : SemSim
        In eval mode.
    curves : pandas.DataFrame
        One row per epoch: `epoch` (from 1), `train_loss`, `train_ordered` (the share of correctly ordered triplets),
        `validation_auc` and `seconds` (since the start). An epoch has as many batches of triplets as the training pairs
        would fill.
    counts : pandas.DataFrame
        Where the triplets of training come from, as `TripletSampler.counts`.

    Raises
    ------
    SemsimError
        If there are no triplets, or the training diverges.
    """
    sampler = TripletSampler(training.table)
    released = ReleasedAnchors(training.table) if anchor == "released" else None
    if start is None:
        metric = random_semsim(training.references, backbone, width, normalised, seed)
    else:
        metric = SemSim.from_classifier(start, normalised)
    metric.to(device, memory_format=torch.channels_last)
    batches = max(1, len(training) // recipe.batch_size)
    pairs, tried = (StackedPairs(part, device) for part in (training, validation))
    rates = torch.tensor(training.table["recognition_rate"].to_numpy(), dtype=torch.float32)
    criterion = getattr(losses, LOSSES[loss])(margin, rates).to(device)
    optimiser, schedule = recipe.optimise([*metric.parameters(), *criterion.parameters()], batches)
    recognised = validation.table["recognition_rate"].to_numpy() > MAJORITY
    generator = torch.Generator().manual_seed(seed_for(seed, "triplets"))

    rows, best, began = [], -math.inf, time.perf_counter()
    with progress_bar(recipe.epochs, description, unit="epoch") as bar:
        for epoch in range(1, recipe.epochs + 1):
            triplets = (sampler.draw(recipe.batch_size, generator) for _ in range(batches))
            mean_loss, ordered = _train_epoch(
                metric, criterion, optimiser, schedule, pairs, rates, triplets, released, generator
            )
            if not math.isfinite(mean_loss):
                raise SemsimError(
                    f"{description}: the training loss is not finite in epoch {epoch} of {recipe.epochs}. Lower the"
                    f" learning rate (now {recipe.learning_rate:g})."
                )
            auc = area_under_curve(measure_distances(metric, tried).cpu().numpy(), recognised)
            rows.append((epoch, mean_loss, ordered, auc, time.perf_counter() - began))
            if not auc < best:
                best, state = auc, {name: tensor.detach().clone() for name, tensor in metric.state_dict().items()}
            bar.set_postfix_str(f"loss {mean_loss:.3f}, validation AUC {auc:.3f}", refresh=False)
            bar.update()
    metric.load_state_dict(state)
    metric.to(memory_format=torch.contiguous_format)
    return metric.eval(), pd.DataFrame(rows, columns=CURVES), sampler.counts


def random_semsim(
    references: np.ndarray | JoinedRows, backbone: str, width: int | None, normalised: bool, seed: int
) -> SemSim:
    """Return a SemSim with random weights, for images such as these references, uint8 [N, 3, S, S]."""
    mean, std = channel_statistics(references)
    with initial_weights(seed_for(seed, "weights")):
        return SemSim(backbone, width, references.shape[-1], normalised, mean, std)


def measure_distances(metric: SemSim, pairs: StackedPairs, batch_size: int = 256) -> torch.Tensor:
    """Return the distances [N] of `StackedPairs` in eval mode, in which the metric is left."""
    metric.eval()
    distances = torch.empty(len(pairs), device=pairs.device)
    with torch.no_grad():
        for start in range(0, len(pairs), batch_size):
            batch = slice(start, start + batch_size)
            distances[batch] = _distances(metric, pairs[batch])
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


class StackedPairs:
    """Each reference of `LabelledPairs` stacked on its reconstruction, uint8 [N, 6, S, S], assembled in batches.

    This way, augmentation treats both as one image, and memory does not grow with the number of pairs.

    Parameters
    ----------
    pairs : LabelledPairs
    device : torch.device or str
        Device of the batches.
    """

    def __init__(self, pairs: LabelledPairs, device: torch.device | str):
        self.pairs, self.device = pairs, device

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, rows):
        """Return a batch: rows are a slice, or a tensor, int64 [B]."""
        rows = rows.numpy() if isinstance(rows, torch.Tensor) else rows
        images = (self.pairs.references[rows], self.pairs.reconstructions[rows])
        return torch.from_numpy(np.concatenate(images, axis=1)).to(self.device)


def _distances(metric, pairs):
    """Return the distances [N] of stacked pairs."""
    references, reconstructions = (pairs / 255).split(3, dim=1)
    return metric.distances(references, reconstructions)


def _train_epoch(metric, criterion, optimiser, schedule, pairs, rates, triplets, released, generator):
    """Take one step for each batch of triplets; return the mean loss and the share of triplets in the right order."""
    metric.train()
    total_loss, ordered, count = 0.0, 0, 0
    for near_rows, far_rows in triplets:
        compared = pairs[torch.cat([near_rows, far_rows])]
        if released is not None:
            anchors = released.draw(pairs, near_rows, generator).repeat(2, 1, 1, 1)
            compared = torch.cat([anchors, compared[:, 3:]], dim=1)
        near, far = _distances(metric, crop_and_flip(compared, generator)).chunk(2)
        each = criterion(near, far, *(rates[rows].to(near.device) for rows in (near_rows, far_rows)))
        optimiser.zero_grad()
        each.mean().backward()
        optimiser.step()
        schedule.step()
        total_loss += each.detach().sum()
        ordered += (near < far).sum()
        count += len(each)
    return (total_loss / count).item(), (ordered / count).item()
