"""Training of several networks side by side, on images that are drawn and degraded once for all of them."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from semsim.progress import progress_bar
from semsim.targets.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semsim.targets.models import Target

RECIPE = Recipe(epochs=1, batch_size=128, optimiser="adamw", schedule="one-cycle", learning_rate=0.004)
"""One pass: no image comes twice."""


def train_together(
    networks: dict[str, Target],
    batches: Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]],
    steps: int,
    device: torch.device | str = "cpu",
    description: str = "training",
) -> list[dict]:
    """Train networks on the same batches.

    Parameters
    ----------
    networks : dict of str to Target
        By name. They are changed, and end in eval mode.
    batches : iterator of dict
        What each network sees in a step: images, float [N, 3, S, S] in [0, 1], and labels, int64 [N]. Often the same
        tensors for all.
    steps : int
        How many batches.
    device : torch.device or str
    description : str
        What the progress bar says.

    Returns
    -------
    list of dict
        A row for each network in each tenth of the training: network, step, loss (mean since the last row, in nats) and
        seconds since the start.
    """
    for network in networks.values():
        network.to(device, memory_format=torch.channels_last).train()
    learners = {name: _Learner(network, steps) for name, network in networks.items()}
    rows, start = [], time.perf_counter()
    with progress_bar(steps, description, unit="step") as bar:
        for step, batch in enumerate(islice(batches, steps), start=1):
            for name, (images, labels) in batch.items():
                learners[name].step(images.to(device), labels.to(device))
            bar.update()
            if step % max(1, steps // 10) == 0:
                seconds = time.perf_counter() - start
                losses = {name: learner.mean_loss() for name, learner in learners.items()}
                rows += [
                    {"network": name, "step": step, "loss": loss, "seconds": seconds} for name, loss in losses.items()
                ]
                bar.set_postfix_str(", ".join(f"{loss:.3f}" for loss in losses.values()), refresh=False)
    for network in networks.values():
        network.to(memory_format=torch.contiguous_format).eval()
    return rows


class _Learner:
    """A network, its optimiser and its losses."""

    def __init__(self, network, steps):
        self.network, self.losses = network, []
        self.optimiser, self.schedule = RECIPE.optimise(network.parameters(), steps)

    def step(self, images, labels):
        """Take a step on a batch. Sums of products are of half precision, which halves the time on recent CPUs."""
        with torch.autocast(labels.device.type, torch.bfloat16):
            logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.losses.append(loss.detach())

    def mean_loss(self):
        """Return the mean loss since the last call."""
        mean, self.losses = torch.stack(self.losses).mean().item(), []
        return mean
