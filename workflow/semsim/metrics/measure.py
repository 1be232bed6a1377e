"""Compute all metrics of all reconstructions of one target model."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.io.images import as_floats
from semsim.io.stored_arrays import JoinedRows
from semsim.io.tensors import blocks
from semsim.metrics import METRICS, metrics_at_hand, metrics_of
from semsim.metrics.reconstructions import IDENTITY, REFERENCES
from semsim.pretrained.networks import RESOURCES, load_inception, random_lpips
from semsim.pretrained.weights import NETWORKS, find_weights
from semsim.progress import progress_bar
from semsim.seeds import seed_for

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Any

    from semsim.metrics.reconstructions import Reconstructions
    from semsim.targets.models import Target

BATCH_PIXELS = 2**18  # per batch: 256 images of 32x32 pixels
INCEPTION_BATCH = 32  # images, which the network resizes to 299x299 pixels
PER_PAIR = ("reference", "reconstruction", "label")
"""What metrics of pairs may ask for of each pair."""


def gather_networks(
    image_size: int,
    pretrained: str | os.PathLike | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    extra: Iterable[str] = (),
) -> dict[str, torch.nn.Module]:
    """Load the networks that metrics of pairs need, as far as their weights are found.

    Parameters
    ----------
    image_size : int
        Shorter side of the images that will be compared.
    pretrained : path-like, optional
        Folder of public weights, as for `semsim.pretrained.weights.find_weights`.
    seed : int
        The study's seed; determines the random trunk if LPIPS has no pretrained one.
    device : torch.device or str
    extra : iterable of str
        The names of the extra metrics that are asked for.

    Returns
    -------
    dict of str to torch.nn.Module
        By the name of the parameter, such as ``lpips_network`` or, in its place, ``random_trunk_network``; without
        those for which images are too small.
    """
    metrics = metrics_at_hand("pair", {*PER_PAIR, *RESOURCES}, extra, image_size)
    networks = {}
    for need in [need for metric in metrics for need in metric.needs if need in RESOURCES]:
        if path := find_weights(RESOURCES[need].weights, pretrained):
            networks[need] = RESOURCES[need].load(path).to(device)
    if METRICS["lpips"] in metrics and "lpips_network" not in networks:
        trunk_seed = seed_for(seed, "random_trunk_network") % 2**32
        networks["random_trunk_network"] = random_lpips(trunk_seed).to(device)
    return networks


def measure_pairs(
    references: np.ndarray | JoinedRows,
    reconstructions: np.ndarray | JoinedRows,
    labels: np.ndarray | None = None,
    device: torch.device | str = "cpu",
    description: str = "metrics",
    extra: Iterable[str] = (),
    **resources: Any,
) -> pd.DataFrame:
    """Compute every metric whose needs are met and for which images are large enough; extra ones only if named.

    Parameters
    ----------
    references, reconstructions : numpy.ndarray or semsim.io.stored_arrays.JoinedRows
        uint8 [N, 3, H, W].
    labels : numpy.ndarray, optional
        int64 [N], for metrics that need the class.
    device : torch.device or str
        Where the resources are.
    description : str
        Shown by the progress bar.
    extra : iterable of str
        The names of the extra metrics that are asked for.
    **resources
        What metrics ask for by parameter name, such as ``target`` or ``lpips_network``.

    Returns
    -------
    pandas.DataFrame
        N rows, one float column per metric.

    Raises
    ------
    SemsimError
        If the two have different shapes, or a metric refuses them.

    Examples
    --------
    >>> black = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    >>> measure_pairs(black, black)[["mse", "psnr", "ssim"]]
       mse   psnr  ssim
    0  0.0  100.0   1.0
    1  0.0  100.0   1.0
    """
    if references.shape != reconstructions.shape:
        raise SemsimError(
            f"references and reconstructions differ in shape, {list(references.shape)} and"
            f" {list(reconstructions.shape)}. Give the same number of both, of the same size, in the same order."
        )
    per_pair = {"reference": references, "reconstruction": reconstructions}
    if labels is not None:
        per_pair["label"] = labels
    metrics = metrics_at_hand("pair", {*per_pair, *resources}, extra, min(references.shape[-2:]))
    values = {metric.name: np.empty(len(references)) for metric in metrics}
    batch_size = max(1, BATCH_PIXELS // (references.shape[-2] * references.shape[-1]))
    with torch.inference_mode(), progress_bar(len(references), description, unit="pair") as bar:
        for start in range(0, len(references), batch_size):
            part = slice(start, start + batch_size)
            batch = {name: _as_tensor(array[part], device) for name, array in per_pair.items()}
            for metric in metrics:
                values[metric.name][part] = metric(batch | resources).cpu()
            bar.update(len(batch["reference"]))
    return pd.DataFrame(values)


def _as_tensor(array, device):
    """Return images (uint8) as floats in [0, 1], and labels unchanged."""
    return as_floats(torch.from_numpy(np.ascontiguousarray(array)).to(device))


def measure_reconstructions(
    target: Target,
    attacks: list[Reconstructions],
    pretrained: str | os.PathLike | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    extra: Iterable[str] = (),
) -> pd.DataFrame:
    """Compute all metrics of pairs for all attacks on one target model.

    Parameters
    ----------
    target : semsim.targets.models.Target
        The attacked model, in eval mode, on `device`.
    attacks : list of Reconstructions
        Attacks on this target model.
    pretrained, seed, device, extra
        As for `gather_networks`.

    Returns
    -------
    pandas.DataFrame
        One row per reconstruction and reference: `IDENTITY`, reference, status, and one column per metric, NaN where
        the reconstruction diverged.

    Raises
    ------
    SemsimError
        If the reconstructions are not all of one target model, or do not fit its classes and image size.
    """
    table, images = _pooled(attacks)
    _check_fits(target, table, images["reconstruction"])
    scored = (table["status"] != "diverged").to_numpy()
    networks = gather_networks(min(images["reconstruction"].shape[-2:]), pretrained, seed, device, extra)
    # Without augmentation, both references are the same images.
    different = REFERENCES if any(attack.augmented for attack in attacks) else REFERENCES[:1]
    values = {
        reference: measure_pairs(
            images[reference].where(scored),
            images["reconstruction"].where(scored),
            table["label"].to_numpy()[scored],
            device,
            f"{attacks[0].dataset}/{attacks[0].target} against {reference}",
            extra,
            target=target,
            **networks,
        ).set_axis(table.index[scored])
        for reference in different
    }
    parts = [
        table[IDENTITY]
        .assign(reference=reference, status=table["status"])
        .join(values.get(reference, values[REFERENCES[0]]))
        for reference in REFERENCES
    ]
    return pd.concat(parts, ignore_index=True)


def measure_sets(
    attacks: list[Reconstructions], pretrained: str | os.PathLike | None = None, device: torch.device | str = "cpu"
) -> pd.DataFrame:
    """Compute the metrics of sets, FID and KID, for each attack on one target model and for all attacks together.

    The reference set contains each attacked image once. Diverged reconstructions are left out of the other set.

    Parameters
    ----------
    attacks : list of Reconstructions
        Attacks on one target model.
    pretrained : path-like, optional
        Folder of public weights, as for `semsim.pretrained.weights.find_weights`.
    device : torch.device or str

    Returns
    -------
    pandas.DataFrame
        Columns dataset, target, attack (``all`` for all together), reference, metric, value and note (why the value is
        missing, or its caveat).

    Raises
    ------
    SemsimError
        If the reconstructions are not all of one target model.
    """
    table, images = _pooled(attacks)
    scored = (table["status"] != "diverged").to_numpy()
    path = find_weights("inception", pretrained)
    features, places = _inception_features(images, path, device) if path else (None, None)
    rows = []
    for reference, attack in itertools.product(REFERENCES, [*table["attack"].unique(), "all"]):
        names = {"dataset": attacks[0].dataset, "target": attacks[0].target, "attack": attack, "reference": reference}
        members = (table["attack"] == attack).to_numpy() | (attack == "all")
        available = {}
        if path:
            available["reference_features"] = features[np.unique(places[reference][members])]
            available["reconstruction_features"] = features[places["reconstruction"][members & scored]]
        for metric in metrics_of("set"):
            value, note = _compare_sets(metric, available)
            rows.append({**names, "metric": metric.name, "value": value, "note": note})
    return pd.DataFrame(rows)


def _compare_sets(metric, features):
    """Return the value of a set metric and its caveat, or NaN and the reason why there is no value."""
    if not features:
        return math.nan, f"{NETWORKS['inception'].file} is not available"
    if min(map(len, features.values())) < 2:
        return math.nan, "fewer than 2 images to compare"
    return metric(features).item(), metric.caveat


def _inception_features(images, path, device):
    """Return the features of all distinct images, [N, 2048], and for each array of `images` the rows that it has."""
    everything, numbers, first = JoinedRows(list(images.values())), {}, []
    places = np.empty(len(everything), dtype=np.int64)
    for rows in blocks(everything):
        for row, image in enumerate(everything[rows], start=rows.start):
            places[row] = numbers.setdefault(hashlib.sha256(image.tobytes()).digest(), len(numbers))
            if places[row] == len(first):
                first.append(row)
    network = load_inception(path).to(device)
    batches = []
    with torch.inference_mode(), progress_bar(len(first), "Inception features", unit="image") as bar:
        for start in range(0, len(first), INCEPTION_BATCH):
            batch = torch.from_numpy(everything[first[start : start + INCEPTION_BATCH]])
            batches.append(network(batch.to(device))[0].cpu())
            bar.update(len(batch))
    return torch.cat(batches), dict(zip(images, np.split(places, len(images)), strict=True))


def _pooled(attacks):
    """Return the tables and the images of all attacks on one target model as one table and one set of `JoinedRows`."""
    if len({(attack.dataset, attack.target) for attack in attacks}) != 1:
        found = ", ".join(f"{attack.dataset}/{attack.target}" for attack in attacks) or "none"
        raise SemsimError(f"expected reconstructions of one target model, got: {found}. Give those of one.")
    table = pd.concat([attack.table[[*IDENTITY, "status"]] for attack in attacks], ignore_index=True)
    return table, {name: JoinedRows([attack.images[name] for attack in attacks]) for name in attacks[0].images}


def _check_fits(target, table, images):
    """Raise a `SemsimError` if a target model cannot have been the attacked one."""
    size, classes = target.spec["image_size"], target.spec["classes"]
    if images.shape[-1] != size or table["label"].max() >= classes:
        raise SemsimError(
            f"the target model takes {classes} classes of {size}x{size} pixels; its reconstructions have"
            f" {images.shape[-1]}x{images.shape[-2]} pixels and labels up to {table['label'].max()}."
            " Give the weights of the model that was attacked."
        )
