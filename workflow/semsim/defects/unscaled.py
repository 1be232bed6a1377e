"""LPIPS on unscaled images: the network expects [-1, 1], but the released code passes [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch

from semsim.defects.versions import compare_versions
from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.metrics.measure import gather_networks
from semsim.metrics.perceptual import ALEXNET_SMALLEST_IMAGE

if TYPE_CHECKING:
    import os

    import lpips
    import numpy as np

UNSCALED = "unscaled"
"""The column of the released version."""
METRIC_OF = {"lpips_network": "lpips", "random_trunk_network": "lpips_random_trunk"}
"""The metric of a study by the network that is available."""
BATCH = 256  # images of 32x32 pixels


def load_network(
    metrics: pd.DataFrame,
    pretrained: str | os.PathLike | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[str, lpips.LPIPS]:
    """Return whether a study has LPIPS or its variant with a random trunk, and the network.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.
    pretrained, seed, device
        As for `semsim.metrics.measure.gather_networks`.

    Returns
    -------
    metric : {"lpips", "lpips_random_trunk"}
    network : lpips.LPIPS

    Raises
    ------
    SemsimError
        If the table has neither, or not only that of the available network.
    """
    measured = [name for name in METRIC_OF.values() if name in metrics and metrics[name].notna().any()]
    if not measured:
        raise SemsimError(
            f"metrics.csv has no value of {' or '.join(METRIC_OF.values())}: images below"
            f" {ALEXNET_SMALLEST_IMAGE} pixels are too small. Set a larger `image_size`, or remove `unscaled_lpips`"
            " from `defects`."
        )
    ((name, network),) = gather_networks(ALEXNET_SMALLEST_IMAGE, pretrained, seed, device).items()
    if measured != [METRIC_OF[name]]:
        raise SemsimError(
            f"metrics.csv has {' and '.join(measured)}, but the available network is that of {METRIC_OF[name]}: weights"
            " were added or removed. Restore `weights`, or compute all metrics again (--forcerun compute_metrics)."
        )
    return METRIC_OF[name], network


def unscaled_distances(
    references: np.ndarray, reconstructions: np.ndarray, network: lpips.LPIPS, device: torch.device | str = "cpu"
) -> np.ndarray:
    """Return LPIPS of images in [0, 1] without scaling them to [-1, 1].

    Parameters
    ----------
    references, reconstructions : numpy.ndarray
        uint8 [N, 3, S, S].
    network : lpips.LPIPS
        With pretrained or with random weights.
    device : torch.device or str
        Device of the network.

    Returns
    -------
    numpy.ndarray
        float [N].
    """
    distances = []
    with torch.inference_mode():
        for start in range(0, len(references), BATCH):
            pair = (torch.from_numpy(images[start : start + BATCH]) for images in (references, reconstructions))
            distances.append(network(*(images.to(device) / 255 for images in pair)).flatten().cpu())
    return torch.cat(distances).double().numpy()


def measure_unscaled(
    metrics: pd.DataFrame, rates: pd.DataFrame, metric: str, resamples: int, seed: int
) -> pd.DataFrame:
    """Measure how faithful LPIPS is with and without scaling.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row per reconstruction: the metric and `UNSCALED`.
    rates : pandas.DataFrame
        The table of recognition rates.
    metric : str
        ``lpips`` or ``lpips_random_trunk``.
    resamples, seed : int
        For the intervals.

    Returns
    -------
    pandas.DataFrame
        kind (of the annotators), and the columns of `compare_versions`.
    """
    found = []
    for kind, of_kind in rates.groupby("kind", sort=False):
        table = of_kind.merge(metrics, on=KEYS)
        compared = compare_versions(table, {metric: (UNSCALED, metric)}, {metric: False}, resamples, seed)
        found.append(compared.assign(kind=kind))
    found = pd.concat(found, ignore_index=True)
    return found[["kind", *found.columns[:-1]]]
