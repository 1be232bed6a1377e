"""A plain classifier of public images: a possible initialisation of SemSim, and a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.data import load_classes
from semsim.learned.backbones import PRETRAINED
from semsim.learned.metric import SemSim
from semsim.learned.pairs import of_one_size
from semsim.observers.degradations import Degradation
from semsim.observers.images import divide_public
from semsim.targets.models import load_target
from semsim.targets.training import initial_target, train_target

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from torch import nn

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


def open_classifier(
    start: str | os.PathLike,
    normalised: bool = True,
    device: torch.device | str = "cpu",
    pretrained: str | os.PathLike | None = None,
) -> tuple[SemSim, nn.Module | None]:
    """Return the metric of a plain classifier's features, and the layer that classifies them, if it is known.

    Parameters
    ----------
    start : str or path-like
        The classifier: one of `semsim.learned.backbones.PRETRAINED`, or a file of weights.
    normalised : bool
        As in `SemSim.from_classifier`.
    device : torch.device or str
    pretrained : path-like, optional
        As in `SemSim`.
    """
    if start in PRETRAINED:
        return SemSim(start, pretrained=pretrained).to(device).eval(), None
    classifier = load_target(start, device)
    return SemSim.from_classifier(classifier, normalised).eval(), classifier.last_layer


def describe_images(
    metric: SemSim, images: np.ndarray, last_layer: nn.Module | None = None, batch_size: int = 256
) -> pd.DataFrame:
    """Describe clear images by what a plain classifier sees in them.

    Parameters
    ----------
    metric, last_layer
        As `open_classifier` returns them.
    images : numpy.ndarray
        uint8 [N, 3, S, S], at least one.
    batch_size : int

    Returns
    -------
    pandas.DataFrame
        A row an image: its features of length 1 (``feature_0``, ...); and entropy, of the classes that the classifier
        thinks of, in nats, unless it came without its last layer, as those in the package do.
    """
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).to(metric.device)
            parts.append(metric.features(batch / 255))
        features = torch.cat(parts)
        logits = None if last_layer is None else last_layer(features)
    unit = torch.nn.functional.normalize(features, dim=1)
    table = pd.DataFrame({f"feature_{place}": column for place, column in enumerate(unit.cpu().numpy().T)})
    if logits is not None and logits.shape[1] > 1:
        table["entropy"] = torch.distributions.Categorical(logits=logits).entropy().cpu().numpy()
    return table


def _joined(parts):
    images, labels = zip(*parts, strict=True)
    return np.concatenate(of_one_size(images)), np.concatenate(labels)
