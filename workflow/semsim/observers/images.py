"""The split of public images into those that train observers, those that train a classifier, and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from semsim.data import load_split
from semsim.errors import SemsimError
from semsim.observers.settings import FEWEST_PUBLIC
from semsim.seeds import seed_for
from semsim.text import counted

if TYPE_CHECKING:
    import os

    import numpy as np

HELD_OUT = 0.1  # share of the public images
CLASSIFIER = 0.25  # share of the others that train the classifier; observers need more, as everything rests on them


def divide_public(
    path: str | os.PathLike, dataset: str, seed: int, learners: str
) -> tuple[tuple[tuple[np.ndarray, np.ndarray], ...], tuple[tuple[np.ndarray, np.ndarray], ...]]:
    """Split a data set's public images, in the same way for all its observers.

    The classifier that SemSim starts from must not share what observers mistake in single images.

    Parameters
    ----------
    path : path-like
        The file of the data set.
    dataset : str
        Name of the data set.
    seed : int
        The study's seed.
    learners : {"observers", "classifier"}
        Who will be trained.

    Returns
    -------
    training, held_out : tuple of (numpy.ndarray, numpy.ndarray)
        Images, uint8 [N, 3, S, S], and labels, int64 [N]; one image in ten, but at least one, is held out from both
        learners, the classifier has a quarter of the others, but at least two, and the observers have the rest.

    Raises
    ------
    SemsimError
        If there are fewer public images than `FEWEST_PUBLIC`.
    """
    images, labels = load_split(path, "public")
    if len(images) < FEWEST_PUBLIC:
        raise SemsimError(
            f"{dataset}: {counted(len(images), 'public images')}. Observers and the classifier need {FEWEST_PUBLIC}:"
            " set more in `public`."
        )
    generator = torch.Generator().manual_seed(seed_for(seed, "held out", dataset))
    order = torch.randperm(len(images), generator=generator).numpy()
    held_out = max(1, round(HELD_OUT * len(images)))
    first = held_out + max(2, round(CLASSIFIER * (len(images) - held_out)))
    training = {"classifier": order[held_out:first], "observers": order[first:]}[learners]
    return tuple((images[rows], labels[rows]) for rows in (training, order[:held_out]))
