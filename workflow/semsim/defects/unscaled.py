"""LPIPS of images that were not scaled: the network wants [-1, 1], and the released code feeds it [0, 1]."""

import pandas as pd
import torch

from semsim.defects.versions import compare_versions
from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.metrics.measure import gather_networks
from semsim.pretrained.networks import LPIPS_SMALLEST_IMAGE

UNSCALED = "unscaled"
"""The column of the released version."""
METRICS = {"lpips_network": "lpips", "random_trunk_network": "lpips_random_trunk"}
"""By the network that is at hand, the metric that images of a study are scored with."""
BATCH = 256  # images of 32x32 pixels


def load_network(metrics, pretrained=None, seed=0, device="cpu"):
    """Return which of LPIPS and the same with a random trunk a study has, and its network.

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
        If the table has neither, or not that of the network at hand alone.
    """
    measured = [name for name in METRICS.values() if name in metrics and metrics[name].notna().any()]
    if not measured:
        raise SemsimError(
            f"metrics.csv has no value of {' or '.join(METRICS.values())}: images of fewer than {LPIPS_SMALLEST_IMAGE}"
            " pixels are too small. Set a larger `image_size`, or take `unscaled_lpips` out of `defects`."
        )
    ((name, network),) = gather_networks(LPIPS_SMALLEST_IMAGE, pretrained, seed, device).items()
    if measured != [METRICS[name]]:
        raise SemsimError(
            f"metrics.csv has {' and '.join(measured)}, but the network at hand is that of {METRICS[name]}: its weights"
            " came or went. Set `weights` as it was, or compute all metrics again (--forcerun compute_metrics)."
        )
    return METRICS[name], network


def unscaled_distances(references, reconstructions, network, device="cpu"):
    """Return what LPIPS says of images in [0, 1] where it is not told to bring them to [-1, 1].

    Parameters
    ----------
    references, reconstructions : numpy.ndarray
        uint8 [N, 3, S, S].
    network : lpips.LPIPS
        With pretrained or with random weights.
    device : torch.device or str
        Where the network is.

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


def measure_unscaled(metrics, rates, metric, resamples, seed):
    """Measure how faithful LPIPS is with and without scaling.

    Parameters
    ----------
    metrics : pandas.DataFrame
        A row a reconstruction: the metric, and beside it `UNSCALED`.
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
