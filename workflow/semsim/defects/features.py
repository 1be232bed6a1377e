"""Features of images for distances between sets: from Inception if it is available, else from a plain classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from semsim.learned.classifier import open_classifier
from semsim.pretrained.networks import load_inception
from semsim.pretrained.weights import find_weights
from semsim.progress import progress_bar

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy as np

    from semsim.io.stored_arrays import JoinedRows

BATCH = 32


def features_of(
    parts: Iterable[np.ndarray | JoinedRows],
    classifier: str | os.PathLike,
    pretrained: str | os.PathLike | None = None,
    device: torch.device | str = "cpu",
) -> tuple[str, list[torch.Tensor]]:
    """Return features of images: from Inception if its weights are available, else from a classifier.

    Parameters
    ----------
    parts : iterable of numpy.ndarray or semsim.io.stored_arrays.JoinedRows
        uint8 [N, 3, S, S].
    classifier : str or path-like
        As for `semsim.learned.classifier.open_classifier`.
    pretrained : path-like, optional
        Folder of public weights, as for `semsim.pretrained.weights.find_weights`.
    device : torch.device or str

    Returns
    -------
    name : {"inception", "classifier"}
    features : list of torch.Tensor
        float [N, D] for each part, on the CPU.
    """
    if path := find_weights("inception", pretrained):
        inception = load_inception(path).to(device)
        return "inception", [_in_batches(images, lambda batch: inception(batch)[0], device) for images in parts]
    network, _ = open_classifier(classifier, device=device, pretrained=pretrained)
    return "classifier", [_in_batches(images, lambda batch: network.features(batch / 255), device) for images in parts]


def _in_batches(images, extract, device):
    """Return features [N, D] of images, extracted in batches."""
    batches = []
    with torch.inference_mode(), progress_bar(len(images), "features", unit="image") as bar:
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(images[start : start + BATCH])
            batches.append(extract(batch.to(device)).cpu())
            bar.update(len(batch))
    return torch.cat(batches)
