"""The scale of SemSim on the given images, because it depends on the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from semsim.scoring.chances import as_batch
from semsim.scoring.measures import SEMSIM
from semsim.scoring.summary import number
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.scoring.measures import Measure


def yardstick(originals: Sequence[torch.Tensor], measures: Sequence[Measure], device: torch.device | str) -> list[str]:
    """Give SemSim's value for identical images and its median between different originals.

    Parameters
    ----------
    originals : sequence of torch.Tensor
        A sample of them, each uint8 [3, H, W].
    measures : sequence of semsim.scoring.measures.Measure
    device : torch.device or str
        Where SemSim's weights are.

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
        return ["SemSim is 0 for identical images."]
    return [
        f"SemSim is 0 for identical images; between different originals here, its median is {number(np.median(apart))}"
        f" ({counted(len(apart), 'pairs')})."
    ]


def _distances(originals, semsim, device):
    """Return SemSim's distance between each image and the next one of the same size."""
    last, apart = {}, []
    with torch.inference_mode():
        for image in originals:
            if (other := last.get(image.shape)) is not None:
                apart.append(semsim.compute(as_batch(other, device), as_batch(image, device)).item())
            last[image.shape] = image
    return apart
