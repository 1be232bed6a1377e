"""A plain classifier of public images: a possible initialisation of SemSim, and a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.data import load_classes
from semsim.learned.metric import SemSim
from semsim.learned.pairs import of_one_size
from semsim.observers.degradations import Degradation
from semsim.observers.images import divide_public
from semsim.targets.training import initial_target, train_target

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from semsim.targets.models import Target
    from semsim.targets.recipe import Recipe


def train_classifier(
    data: Mapping[str, str | os.PathLike],
    backbone: str,
    width: int | None,
    recipe: Recipe,
    seed: int,
    device: torch.device | str = "cpu",
    description: str = "classifier",
) -> tuple[Target, pd.DataFrame]:
    """Train a classifier of the public images of several data sets; the classes of all of them are told apart.

    Half of the images of a batch are degraded, as those are that observers learn from: features of clear images alone
    tell little about reconstructions.

    Parameters
    ----------
    data : dict of str to path-like
        Files of the data stage by the names of the data sets.
    backbone, width
        As in `semsim.SemSim`.
    recipe : semsim.targets.recipe.Recipe
    seed : int
        The study's.
    device : torch.device or str
    description : str
        What the progress bar says.

    Returns
    -------
    classifier, curves
        As `semsim.targets.training.train_target` returns them; one public image in ten is held out for validation.
    """
    training, held_out, classes = [], [], 0
    for dataset, path in data.items():
        parts = divide_public(path, dataset, seed, "classifier")
        for images_and_labels, gathered in zip(parts, (training, held_out), strict=True):
            images, labels = images_and_labels
            gathered.append((images, labels + classes))
        classes += len(load_classes(path))
    training, held_out = _joined(training), _joined(held_out)
    return train_target(
        initial_target(backbone, classes, training[0], width, seed),
        training,
        held_out,
        recipe,
        augmentation=Degradation(),
        seed=seed,
        device=device,
        description=description,
    )


def describe_images(classifier: Target, images: np.ndarray, batch_size: int = 256) -> pd.DataFrame:
    """Describe clear images by what a plain classifier sees in them.

    Parameters
    ----------
    classifier : semsim.targets.models.Target
    images : numpy.ndarray
        uint8 [N, 3, S, S], at least one.
    batch_size : int

    Returns
    -------
    pandas.DataFrame
        A row an image: its features of length 1 (``feature_0``, ...); and entropy, of the classes that the classifier
        thinks of, in nats, unless it came without its last layer, as those in the package do.
    """
    eyes = SemSim.from_classifier(classifier, normalised=False).eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).to(classifier.mean.device)
            parts.append(eyes.embed(batch / 255))
        features = torch.cat(parts)
        logits = classifier.last_layer(features)
    unit = torch.nn.functional.normalize(features, dim=1)
    table = pd.DataFrame({f"feature_{place}": column for place, column in enumerate(unit.cpu().numpy().T)})
    if logits.shape[1] > 1:
        table["entropy"] = torch.distributions.Categorical(logits=logits).entropy().cpu().numpy()
    return table


def _joined(parts):
    images, labels = zip(*parts, strict=True)
    return np.concatenate(of_one_size(images)), np.concatenate(labels)
