"""Observers that are pretrained networks, fine-tuned on degraded public images of a data set."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import nn

from semsim.observers.answers import look_at
from semsim.observers.degradations import degrade_bytes, mix_for_photographs
from semsim.observers.settings import PANEL_LOOK
from semsim.observers.trunks import TRUNKS
from semsim.pretrained.networks import build_layers
from semsim.progress import progress_bar
from semsim.targets.models import Target, build_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CLEAR, WORST = 0.4, 0.8
"""Share of images that are shown clear in training, and the largest severity of the others."""
BATCH = 32
TRUNK_RATE, HEAD_RATE = 1e-4, 1e-3
SMOOTHING, DROPOUT = 0.05, 0.4
ASIDE = 1 / 16
"""How far images are shifted in training, at most, as a share of their side."""
ROOT_FLOOR = 0.01
"""Added to features before their square roots are taken, whose slopes would have no limit."""
FIRST = 400
"""Images from whose features the head is computed that training starts with."""
SHRINKAGE, STEEPNESS = 0.1, 6
"""Of that head: its penalty, and what its targets are multiplied by to be logits."""
ASKED = 150
"""Images by which its caution is chosen."""
SUREST = 0.99
"""The caution of an observer whose names are right too seldom whatever its caution."""
PRECISION = 0.9
"""Share of rightly named images among those that an observer names, by which its caution is chosen."""


class Body(nn.Module):
    """A pretrained trunk that enlarges images, and averages its last features over places.

    Parameters
    ----------
    layers : torch.nn.Sequential
        Those of the trunk.
    side : int
        Pixels to which smaller images are enlarged.
    frozen : int
        How many of the layers keep their weights.
    features : int
        Channels of the last layer.
    """

    def __init__(self, layers: nn.Sequential, side: int, frozen: int, features: int):
        super().__init__()
        self.side = side
        self.frozen, self.trained = layers[:frozen].requires_grad_(False), layers[frozen:].requires_grad_(True)
        self.standardised, self.dropout = nn.BatchNorm1d(features, affine=False), nn.Dropout(DROPOUT)

    def train(self, mode: bool = True) -> Body:
        """Set the mode, except of normalisations: batches are too small for statistics of their own."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """Return the square roots of the features [N, D] of normalised images [N, 3, S, S]: a few are far larger."""
        if images.shape[-1] < self.side:
            images = nn.functional.interpolate(images, (self.side, self.side), mode="bicubic")
        with torch.no_grad():
            values = self.frozen(images)
        return (self.trained(values).mean((2, 3)) + ROOT_FLOOR).sqrt()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features [N, D] of normalised images [N, 3, S, S]."""
        return self.dropout(self.standardised(self.pooled(images)))


def build_observer(architecture: str, classes: int, image_size: int, layers: nn.Sequential | None = None) -> Target:
    """Return an observer with a pretrained trunk.

    Parameters
    ----------
    architecture : str
        One of `TRUNKS`.
    classes, image_size : int
    layers : torch.nn.Sequential, optional
        The trunk; by default, one whose weights are yet to be set.

    Returns
    -------
    Target
        On the CPU, in training mode. Its head is set by `fine_tune`.
    """
    trunk = TRUNKS[architecture]
    body = Body(layers or build_layers(architecture), trunk.side, trunk.frozen, trunk.features)
    mean, deviation = (torch.tensor(each).reshape(3, 1, 1) for each in trunk.normalisation)
    head = nn.Linear(trunk.features, classes, device="meta").to_empty(device="cpu")
    spec = {"architecture": architecture, "classes": classes, "image_size": image_size}
    return Target(nn.Sequential(OrderedDict(body=body, head=head)), mean, deviation, spec).train()


def build_any(architecture: str, **settings: Any) -> Target:
    """Return an observer of any architecture, pretrained or not, as `build_observer` and `build_target` do."""
    return (build_observer if architecture in TRUNKS else build_target)(architecture, **settings)


def fine_tune(
    observer: Target,
    images: torch.Tensor,
    labels: torch.Tensor,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    description: str = "fine-tuning",
) -> pd.DataFrame:
    """Fit an observer to images of a data set, clear and degraded.

    Its head starts as a ridge regression of the classes on the trunk's features; then head and trunk are trained.

    Parameters
    ----------
    observer : Target
        From `build_observer`. It is changed, and ends in eval mode.
    images : torch.Tensor
        uint8 [N, 3, S, S], on the CPU.
    labels : torch.Tensor
        int64 [N].
    generator : torch.Generator
        Of the CPU.
    device : torch.device or str
    description : str
        What the progress bar says.

    Returns
    -------
    pandas.DataFrame
        A row in each tenth of the training: step, loss (mean since the last row, in nats), seconds since the start.
    """
    start = time.perf_counter()
    observer.to(device, memory_format=torch.channels_last)
    steps = max(1, TRUNKS[observer.spec["architecture"]].shown // BATCH)
    batches = _batches(images, labels, generator, device)
    _set_head(observer, [next(batches) for _ in range(-(-FIRST // BATCH))])
    body, head = observer.network
    rates = [TRUNK_RATE, HEAD_RATE]
    optimiser = torch.optim.AdamW([{"params": each.parameters()} for each in (body.trained, head)])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, steps + 1, pct_start=0.2, cycle_momentum=False)
    rows, losses = [], []
    observer.train()
    with progress_bar(steps, description, unit="step") as bar:
        for step in range(1, steps + 1):
            shown, classes = next(batches)
            loss = nn.functional.cross_entropy(observer(shown), classes, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            if step % max(1, steps // 10) == 0:
                seconds = time.perf_counter() - start
                rows.append({"step": step, "loss": sum(losses) / len(losses), "seconds": seconds})
                bar.set_postfix_str(f"loss {rows[-1]['loss']:.3f}", refresh=False)
                losses = []
            bar.update()
    observer.to(memory_format=torch.contiguous_format).eval()
    return pd.DataFrame(rows)


def choose_caution(
    observer: Target, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, copies: int = 2
) -> float:
    """Return the least probability at which an observer may name a class, so that nine of ten names are right.

    Parameters
    ----------
    observer : Target
        In eval mode.
    images : torch.Tensor
        uint8 [N, 3, S, S], on the CPU; it has not learned from them.
    labels : torch.Tensor
        int64 [N].
    generator : torch.Generator
        Of the CPU.
    copies : int
        How often each image is asked about: some of these clear, the others degraded, up to severity 1.

    Returns
    -------
    float
        In [0, 1).
    """
    shown = torch.cat([degraded_in_part(images, generator, worst=1) for _ in range(copies)])
    named, confidence = look_at(observer, shown, generator, PANEL_LOOK, BATCH)
    return least_confidence(confidence, named == labels.repeat(copies))


def least_confidence(confidence: torch.Tensor, right: torch.Tensor, precision: float = PRECISION) -> float:
    """Return the least confidence so that, of the answers with at least that, a share is right.

    Parameters
    ----------
    confidence : torch.Tensor
        [N] in [0, 1].
    right : torch.Tensor
        bool [N].
    precision : float
        That share.

    Returns
    -------
    float
        `SUREST` if even the surest answers are not right often enough.

    Examples
    --------
    >>> least_confidence(torch.tensor([0.875, 0.75, 0.5, 0.25]), torch.tensor([True, True, False, True]), 0.75)
    0.25
    >>> least_confidence(torch.tensor([0.875, 0.75, 0.5, 0.25]), torch.tensor([True, True, False, False]), 0.75)
    0.75
    """
    ordered, places = confidence.sort(descending=True, stable=True)
    shares = right[places].double().cumsum(0) / torch.arange(1, len(right) + 1)
    enough = (shares >= precision).nonzero().flatten()
    return ordered[enough[-1]].item() if len(enough) else SUREST


def degraded_in_part(images: torch.Tensor, generator: torch.Generator, worst: float = WORST) -> torch.Tensor:
    """Return images, uint8 [N, 3, S, S], of which a share is degraded, up to a severity."""
    uniform = (torch.rand(len(images), generator=generator) - CLEAR) / (1 - CLEAR)
    (chosen,) = (uniform > 0).nonzero(as_tuple=True)
    return images.index_copy(
        0, chosen, degrade_bytes(images[chosen], worst * uniform[chosen], generator, mix_for_photographs)
    )


def moved(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return images [N, C, S, S] shifted by up to `ASIDE`, with edges repeated, and half of them mirrored."""
    count, side = len(images), images.shape[-1]
    most = round(ASIDE * side)
    shifts = torch.randint(-most, most + 1, (2, count, 1), generator=generator)
    down, across = (torch.arange(side) + shifts).clamp(0, side - 1)
    across = torch.where(torch.rand(count, 1, generator=generator) < 0.5, across, side - 1 - across)
    rows = torch.arange(count)[:, None, None]
    return images[rows, :, down[:, :, None], across[:, None]].permute(0, 3, 1, 2)


def _batches(images, labels, generator, device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches without end, in random order, of images moved and in part degraded, float in [0, 1]."""
    order = torch.tensor([], dtype=torch.int64)
    while True:
        while len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        rows, order = order[:BATCH], order[BATCH:]
        shown = degraded_in_part(moved(images[rows], generator), generator).to(device) / 255
        yield shown.contiguous(memory_format=torch.channels_last), labels[rows].to(device)


@torch.no_grad()
def _set_head(observer, batches):
    """Standardise the features that an observer has of batches, and set its head by ridge regression on them."""
    body, head = observer.network
    observer.eval()
    features = torch.cat([body.pooled(observer.normalise(shown)) for shown, _ in batches])
    wanted = nn.functional.one_hot(torch.cat([classes for _, classes in batches]), head.out_features).float()
    body.standardised.running_mean.copy_(features.mean(0))
    spread = features.std(0)
    body.standardised.running_var.copy_((spread + 0.1 * spread.mean()).square())
    standardised = body.standardised(features)
    penalty = SHRINKAGE * len(features) * torch.eye(features.shape[1], device=features.device)
    solved = torch.linalg.solve(standardised.T @ standardised + penalty, standardised.T @ (wanted - wanted.mean(0)))
    head.weight.copy_(STEEPNESS * solved.T)
    head.bias.zero_()
