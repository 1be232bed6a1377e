"""What a value of SemSim means: its scale on the images at hand, since it differs from weights to weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from semsim.scoring.chances import as_batch
from semsim.scoring.scores import SEMSIM
from semsim.scoring.summary import number
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.scoring.scores import Measure


def yardstick(originals: Sequence[torch.Tensor], measures: Sequence[Measure], device: torch.device | str) -> list[str]:
    """Say where SemSim's values lie: for identical images, and between different originals.

    Parameters
    ----------
    originals : sequence of torch.Tensor
        Some of them, each uint8 [3, H, W].
    measures : sequence of semsim.scoring.scores.Measure
    device : torch.device or str
        Where SemSim is.

    Returns
    -------
    list of str
        One sentence; none if SemSim is not among the measures.
    """
    semsim = next((measure for measure in measures if measure.name == SEMSIM), None)
    if semsim is None:
        return []
    apart = _distances(originals, semsim, device)
    if not apart:
        return ["To read SemSim: it is 0 for identical images."]
    return [
        f"To read SemSim: it is 0 for identical images, and {number(np.median(apart))} between different originals here"
        f" (median of {counted(len(apart), 'pairs')})."
    ]


def _distances(originals, semsim, device):
    """Return SemSim's distances between images and the next ones of their size."""
    last, apart = {}, []
    with torch.inference_mode():
        for image in originals:
            if (other := last.get(image.shape)) is not None:
                apart.append(semsim.compute(as_batch(other, device), as_batch(image, device)).item())
            last[image.shape] = image
    return apart
