"""Training of the bundled classifiers from which SemSim may be initialised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch

from semsim.data.embedded import EMBEDDED, UNDRAWN
from semsim.learned.starts import BACKBONE, SEEN, WIDTH, start_name
from semsim.observers.endless import CLASSES, embedded_batches, held_out_images
from semsim.observers.panel import as_looked_at
from semsim.observers.together import train_together
from semsim.seeds import seed_for
from semsim.targets.models import Target, build_target
from semsim.targets.training import evaluate, initial_target

if TYPE_CHECKING:
    from collections.abc import Iterator

EACH = 64
"""Images of each kind in a batch."""
FIRST = 1000
"""Images of each kind from which the mean colour is computed."""


def train_starts(steps: int, device: torch.device | str = "cpu") -> tuple[dict[str, Target], list[dict]]:
    """Train a classifier on each of `SEEN`; the classes of all kinds that it sees are told apart.

    Parameters
    ----------
    steps : int
        Batches of `EACH` images of each kind.
    device : torch.device or str

    Returns
    -------
    starts : dict of str to Target
        By `start_name`, in eval mode.
    rows : list of dict
        The losses, as `train_together` returns them.
    """
    first = {kind: next(embedded_batches(kind, "starts", FIRST))[0] for kind in EMBEDDED}
    starts = {
        start_name(seen): initial_target(
            BACKBONE,
            sum(len(CLASSES[kind]) for kind in seen),
            torch.cat([first[kind] for kind in seen]).numpy(),
            WIDTH,
            seed_for(UNDRAWN, "start", *seen),
        )
        for seen in SEEN
    }
    return starts, train_together(starts, _batches(), steps, device, "starts")


def _batches() -> Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Yield what each start sees in a step: the images of its kinds, with their classes numbered on."""
    streams = []
    for kind in EMBEDDED:
        generator = torch.Generator().manual_seed(seed_for(UNDRAWN, "start looks", kind))
        streams.append(as_looked_at(embedded_batches(kind, "starts", EACH), generator))
    for parts in zip(*streams, strict=True):
        seen_of = dict(zip(EMBEDDED, parts, strict=True))
        yield {start_name(seen): _joined(seen, seen_of) for seen in SEEN}


def _joined(seen, parts):
    images = torch.cat([parts[kind][0] for kind in seen])
    labels, before = [], 0
    for kind in seen:
        labels.append(parts[kind][1] + before)
        before += len(CLASSES[kind])
    return images, torch.cat(labels)


def without_head(classifier: Target) -> Target:
    """Return a classifier with the same body and one class: SemSim asks its features only."""
    spec = classifier.spec
    bare = build_target(spec["architecture"], 1, spec["image_size"], spec.get("width"), classifier.mean, classifier.std)
    bare.network.body.load_state_dict(classifier.network.body.state_dict())
    return bare


def read_starts(starts: dict[str, Target], count: int = 1000) -> pd.DataFrame:
    """Measure how many held-out clear images of each kind starts classify correctly, by `start_name`.

    Returns
    -------
    pandas.DataFrame
        start, kind, right (share of the images), images (how many).
    """
    rows = []
    for seen in SEEN:
        before = 0
        for kind in seen:
            images, labels = held_out_images(kind, count)
            _, right = evaluate(starts[start_name(seen)], images, labels + before)
            rows.append({"start": start_name(seen), "kind": kind, "right": right, "images": len(images)})
            before += len(CLASSES[kind])
    return pd.DataFrame(rows)
