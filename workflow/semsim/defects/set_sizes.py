"""Distances between sets by their size: with few images, the Fréchet distance is biased, the kernel distance is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.metrics.sets import fid, kid

if TYPE_CHECKING:
    import torch

PAPER = 600
"""Number of images that the paper attacks for each target model."""
SIZES = (25, 50, 100, 200, 400, PAPER, 1000, 2000, 4000)
"""Numbers of images in each set."""
DISTANCES = {"frechet": fid, "kernel": kid}
"""Distances in the features of any network."""
NAMES = {
    "inception": {"frechet": "FID", "kernel": "KID"},
    "classifier": {
        "frechet": "Fréchet distance of classifier features",
        "kernel": "kernel distance of classifier features",
    },
}
"""Names of the distances by features: they are FID and KID only in Inception's features."""
ALIKE, RECONSTRUCTED = "clear images", "reconstructions"
"""What clear images are compared with: others of the same distribution, or reconstructions."""


def measure_set_sizes(clear: torch.Tensor, reconstructed: torch.Tensor, draws: int, seed: int) -> pd.DataFrame:
    """Measure distances between sets of few and of many images, drawn repeatedly without replacement.

    Parameters
    ----------
    clear : torch.Tensor
        Features [N, D] of clear images; at least 50.
    reconstructed : torch.Tensor
        Features [M, D] of reconstructions of other images.
    draws : int
        At least 2.
    seed : int

    Returns
    -------
    pandas.DataFrame
        compared (what clear images are compared with: `ALIKE`, disjoint from them, so that the true distance is 0, or
        `RECONSTRUCTED`), distance (`DISTANCES`), images (in each of the two sets: those `SIZES` for which there are
        enough), dimensions (D), draws, mean, sd (over the draws).

    Raises
    ------
    SemsimError
        If there are too few clear images.
    """
    if len(clear) < 2 * SIZES[0]:
        raise SemsimError(f"{len(clear)} clear images are too few for two sets of {SIZES[0]}. Increase `train`.")
    generator = np.random.default_rng(seed)
    rows = []
    for size in (size for size in SIZES if 2 * size <= len(clear)):
        values = {(compared, name): [] for compared in (ALIKE, RECONSTRUCTED) for name in DISTANCES}
        for _ in range(draws):
            order = generator.permutation(len(clear))
            sets = {ALIKE: clear[order[size : 2 * size]]}
            if size <= len(reconstructed):
                sets[RECONSTRUCTED] = reconstructed[generator.permutation(len(reconstructed))[:size]]
            for compared, features in sets.items():
                for name, distance in DISTANCES.items():
                    values[compared, name].append(distance(clear[order[:size]], features).item())
        rows += [
            {"compared": compared, "distance": name, "images": size, "mean": np.mean(each), "sd": np.std(each, ddof=1)}
            for (compared, name), each in values.items()
            if each
        ]
    return pd.DataFrame(rows).assign(dimensions=clear.shape[1], draws=draws)
