"""How accurately the bundled observers classify clear images, and images of increasing degradation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch

from semsim.data.embedded import UNDRAWN
from semsim.labels.table import CANNOT_TELL
from semsim.observers.answers import answer
from semsim.observers.degradations import DEGRADATIONS, degrade_bytes
from semsim.observers.endless import held_out_images
from semsim.observers.shipped import LOOK, cautions_of
from semsim.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semsim.targets.models import Target

SEVERITIES = (0.2, 0.4, 0.6, 0.8, 1)
MAJORITY = "majority"
CLEAR, FADING = 2000, 200
"""Held-out images that are read: clear ones, and at each severity of each degradation."""


def read_panel(kind: str, observers: dict[str, Target], clear: int = CLEAR, fading: int = FADING) -> pd.DataFrame:
    """Measure how observers read held-out images of their kind.

    Parameters
    ----------
    kind : {"glyphs", "letters", "mnist"}
    observers : dict of str to Target
        By the names in `semsim.observers.shipped.PANEL`, in eval mode.
    clear, fading : int
        Images that are read clear, and at each severity.

    Returns
    -------
    pandas.DataFrame
        kind, observer (one of them, or `MAJORITY`), degradation ("none", or one of `DEGRADATIONS`), severity, right,
        wrong and cannot_tell (shares of the images), images (how many).
    """
    images, labels = held_out_images(kind, clear)
    rows = []
    for degradation, severity, shown in _shown(kind, images, fading):
        given = {name: _answers(observer, shown, kind, name) for name, observer in observers.items()}
        given[MAJORITY] = majority_of(torch.stack(list(given.values())))
        about = {"kind": kind, "degradation": degradation, "severity": severity, "images": len(shown)}
        rows += [about | {"observer": name} | _shares(each, labels[: len(shown)]) for name, each in given.items()]
    return pd.DataFrame(rows)[
        ["kind", "observer", "degradation", "severity", "right", "wrong", "cannot_tell", "images"]
    ]


def majority_of(answers: torch.Tensor) -> torch.Tensor:
    """Return the class that more than half of the observers name, or -1, int64 [N], by answers [observers, N]."""
    most = answers.mode(dim=0).values
    return torch.where((answers == most).sum(0) > len(answers) / 2, most, CANNOT_TELL)


def shares_of(answers: dict[str, torch.Tensor], labels: torch.Tensor) -> pd.DataFrame:
    """Return how observers, and their majority, answered about images.

    Parameters
    ----------
    answers : dict of str to torch.Tensor
        By observer, int64 [N].
    labels : torch.Tensor
        int64, the true classes of these images, perhaps followed by more.

    Returns
    -------
    pandas.DataFrame
        observer (one of them, or `MAJORITY`), right, wrong and cannot_tell (shares of the images), images (how many).
    """
    return shares_by("observer", answers | {MAJORITY: majority_of(torch.stack(list(answers.values())))}, labels)


def shares_by(what: str, answers: dict, labels: torch.Tensor) -> pd.DataFrame:
    """Return shares of answers, a row for each key of `answers`, such as a severity; `what` names their column.

    The other columns, and the other parameters, are those of `shares_of`.
    """
    return pd.DataFrame(
        {what: key} | _shares(given, labels[: len(given)]) | {"images": len(given)} for key, given in answers.items()
    )


def _shown(kind, images, fading) -> Iterator[tuple[str, float, torch.Tensor]]:
    """Yield images as they are, and some of them degraded in each way."""
    yield "none", 0.0, images
    for degradation, change in DEGRADATIONS.items():
        for severity in SEVERITIES:
            drawn = torch.Generator().manual_seed(seed_for(UNDRAWN, kind, degradation, severity))
            some = images[:fading]
            yield degradation, severity, degrade_bytes(some, torch.full((len(some),), float(severity)), drawn, change)


def _answers(observer, images, kind, name):
    looks = torch.Generator().manual_seed(seed_for(UNDRAWN, kind, name, "reading"))
    return answer(observer, images, cautions_of(kind)[name], looks, LOOK[kind])


def _shares(given, labels):
    right, unsure = given == labels, given == CANNOT_TELL
    answers = {"right": right, "wrong": ~right & ~unsure, "cannot_tell": unsure}
    return {name: each.double().mean().item() for name, each in answers.items()}
