"""Which public images observers learn from, and which say how well they read."""

import torch

from semsim.data import load_split
from semsim.errors import SemsimError
from semsim.observers.settings import FEWEST_PUBLIC
from semsim.seeds import seed_for

HELD_OUT = 0.1  # share of the public images


def divide_public(path, dataset, seed):
    """Divide a data set's public images, in the same way for all its observers.

    Parameters
    ----------
    path : path-like
        Of the data set.
    dataset : str
        Its name.
    seed : int
        The study's.

    Returns
    -------
    training, held_out : tuple of (numpy.ndarray, numpy.ndarray)
        Images, uint8 [N, 3, S, S], and labels, int64 [N]; one image in ten, and at least one, is held out.

    Raises
    ------
    SemsimError
        If there are fewer public images than `FEWEST_PUBLIC`.
    """
    images, labels = load_split(path, "public")
    if len(images) < FEWEST_PUBLIC:
        raise SemsimError(
            f"{dataset}: {len(images)} public image(s). Observers need at least {FEWEST_PUBLIC}: set more in `public`."
        )
    generator = torch.Generator().manual_seed(seed_for(seed, "held out", dataset))
    order = torch.randperm(len(images), generator=generator).numpy()
    held_out = max(1, round(HELD_OUT * len(images)))
    return tuple((images[rows], labels[rows]) for rows in (order[held_out:], order[:held_out]))
