"""An observer from a file, ready to be asked: its network, how cautious it is and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.io.tensors import read_metadata
from semsim.observers.answers import answer
from semsim.observers.fine_tuning import BATCH, build_any
from semsim.observers.settings import PANEL_LOOK, USUAL_CAUTION, USUAL_LOOK, Look
from semsim.observers.trunks import TRUNKS
from semsim.targets.models import Target, load_target

if TYPE_CHECKING:
    import os

    import torch


@dataclass(frozen=True)
class Observer:
    """An observer.

    Attributes
    ----------
    name : str
    network : semsim.targets.models.Target
        In eval mode.
    caution : float
        The least probability at which it names a class, in [0, 1).
    look : semsim.observers.settings.Look
    batch_size : int
        How many images it is shown at once.
    """

    name: str
    network: Target
    caution: float
    look: Look
    batch_size: int

    @property
    def architecture(self) -> str:
        """The name of its network's architecture."""
        return self.network.spec["architecture"]

    def answer(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return its answers about images, as `semsim.observers.answers.answer` does."""
        return answer(self.network, images, self.caution, generator, self.look, self.batch_size)


def load_observer(
    path: str | os.PathLike, device: torch.device | str, caution: float | None = None, look: Look = USUAL_LOOK
) -> Observer:
    """Read an observer from its file, after which it is named.

    Parameters
    ----------
    path : path-like
    device : torch.device or str
    caution : float, optional
        By default, what the file says; else `USUAL_CAUTION`.
    look : semsim.observers.settings.Look
        How it looks, unless it is a pretrained network: these look as `PANEL_LOOK` says.
    """
    network = load_target(path, device, build_any)
    if caution is None:
        caution = read_metadata(path).get("caution", USUAL_CAUTION)
    pretrained = network.spec["architecture"] in TRUNKS
    return Observer(Path(path).stem, network, caution, *((PANEL_LOOK, BATCH) if pretrained else (look, 256)))
