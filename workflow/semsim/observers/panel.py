"""Training of the bundled observers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from semsim.data.embedded import UNDRAWN
from semsim.observers.degradations import Degradation
from semsim.observers.endless import CLASSES, embedded_batches
from semsim.observers.shipped import PANEL
from semsim.observers.together import RECIPE, train_together
from semsim.seeds import seed_for
from semsim.targets.training import initial_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semsim.targets.models import Target

FIRST = 2000
"""Images from which the mean colour is computed."""
NOISIEST = 0.15
"""The largest standard deviation of the noise that is added to what they learn from, as to their looks."""


def train_panel(
    kind: str, steps: int, start: dict[str, Target] | None = None, device: torch.device | str = "cpu"
) -> tuple[dict[str, Target], list[dict]]:
    """Train the observers of a kind of embedded images.

    Parameters
    ----------
    kind : {"glyphs", "letters", "mnist"}
    steps : int
        Batches of 128 images.
    start : dict of str to Target, optional
        Observers of another kind, whose bodies they start from: who can read one kind learns the next one sooner.
    device : torch.device or str

    Returns
    -------
    observers : dict of str to Target
        By the names in `PANEL`, in eval mode.
    rows : list of dict
        The losses, as `train_together` returns them.
    """
    first, _ = next(embedded_batches(kind, "observers", FIRST))
    observers = {
        name: initial_target(
            settings.architecture,
            len(CLASSES[kind]),
            first.numpy(),
            settings.width,
            seed_for(UNDRAWN, "observer", kind, name),
        )
        for name, settings in PANEL.items()
    }
    for name, other in (start or {}).items():
        observers[name].network.body.load_state_dict(other.network.body.state_dict())
    generator = torch.Generator().manual_seed(seed_for(UNDRAWN, "looks", kind))
    looks = as_looked_at(embedded_batches(kind, "observers", RECIPE.batch_size), generator)
    batches = (dict.fromkeys(observers, look) for look in looks)
    return observers, train_together(observers, batches, steps, device, kind)


def as_looked_at(
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]], generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Degrade the images of batches, and add noise as in an observer's looks, of random strength.

    Parameters
    ----------
    batches : iterator of (torch.Tensor, torch.Tensor)
        Images, uint8 [N, 3, S, S], and labels.
    generator : torch.Generator

    Yields
    ------
    images : torch.Tensor
        float [N, 3, S, S] in [0, 1].
    labels : torch.Tensor
    """
    degradation = Degradation()
    for images, labels in batches:
        shown = degradation(images, generator) / 255
        deviations = NOISIEST * torch.rand(len(images), 1, 1, 1, generator=generator)
        yield (shown + deviations * torch.randn(shown.shape, generator=generator)).clamp(0, 1), labels
