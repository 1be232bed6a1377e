"""What a value of SemSim means: its scale on the images at hand, since it differs from weights to weights."""

import numpy as np
import torch

from semsim.scoring.folders import read_again
from semsim.scoring.likeness import checked_places
from semsim.scoring.scores import SEMSIM
from semsim.scoring.summary import number
from semsim.text import counted

MOST_ORIGINALS = 64
"""Originals that are compared; of more, this many are taken at even distances."""


def yardstick(groups, measures, device):
    """Say where SemSim's values lie: for identical images, and between different originals.

    Parameters
    ----------
    groups : list of semsim.scoring.folders.Group
        Whose originals are read again, at most `MOST_ORIGINALS`.
    measures : list of semsim.scoring.scores.Measure
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
    places = checked_places(len(groups), MOST_ORIGINALS)
    apart = _distances([groups[place].original for place in places], semsim, device)
    if not apart:
        return ["To read SemSim: it is 0 for identical images."]
    return [
        f"To read SemSim: it is 0 for identical images, and {number(np.median(apart))} between different originals here"
        f" (median of {counted(len(apart), 'pairs')})."
    ]


def _distances(paths, semsim, device):
    """Return SemSim's distances between images and the next ones of their size, holding two images at a time."""
    last, apart = {}, []
    with torch.inference_mode():
        for path in paths:
            image = read_again(path)
            other = read_again(last[image.size]) if image.size in last else image
            if other is not image:
                apart.append(semsim.compute(_batch(other, device), _batch(image, device)).item())
            last[image.size] = path
    return apart


def _batch(image, device):
    """Return an image as a batch of one."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].to(device).float() / 255
