"""Scores as a function of arrays, tensors or folders: `semsim.score`."""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.io.images import check_pairs
from semsim.metrics.measure import BATCH_PIXELS
from semsim.scoring.arguments import (
    checked_batch_size,
    checked_flag,
    checked_metrics,
    checked_path,
    in_words_of_python,
)
from semsim.scoring.chances import doubts, some_of
from semsim.scoring.folders import match_pair
from semsim.scoring.likeness import MOST_CHECKED, checked_places, doubt, floats, thumbnails
from semsim.scoring.measures import compute, load_measures
from semsim.scoring.scores import score_groups
from semsim.targets.device import checked_device

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    Images = ArrayLike | torch.Tensor | str | os.PathLike


@in_words_of_python()
def score(
    originals: "Images",
    reconstructions: "Images",
    metrics: str | Sequence[str] | None = None,
    weights: str | os.PathLike = "embedded",
    device: torch.device | str = "auto",
    batch_size: int | None = None,
    skip: bool = False,
    pretrained: str | os.PathLike | None = None,
    resize: bool = False,
) -> pd.DataFrame:
    """Score reconstructions with all metrics of image pairs, including SemSim, like the command ``semsim score``.

    Parameters
    ----------
    originals, reconstructions : array-like, torch.Tensor, str or path-like
        Pairs of RGB images in the same order, [N, 3, H, W]: floats in [0, 1], or bytes (uint8). Or two folders of
        images, or two image files, which are paired by their names.
    metrics : str or sequence of str, optional
        Names such as ``["psnr", "ssim", "semsim"]``; by default all that are available, without
        the extra ones.
    weights : str or path-like
        Of SemSim, as for `semsim.SemSim.from_pretrained`.
    device : torch.device or {"auto", "cpu", "cuda"}
        Where networks run; ``auto`` takes the GPU if there is one.
    batch_size : int, optional
        Pairs at once; by default as many as have the pixels of 256 images of 32x32.
    skip : bool
        Whether to leave out files that cannot be scored. Otherwise they are an error.
    pretrained : str or path-like, optional
        Folder to search first for the weights of LPIPS and DISTS; see ``semsim fetch``.
    resize : bool
        Whether to resize files of reconstructions to their originals' sizes. Otherwise other sizes are an error.

    Returns
    -------
    pandas.DataFrame
        One row per pair, one column per metric, NaN where images are too small for it. Pairs of files have their name
        in a first column, ``name``.

    Warns
    -----
    UserWarning
        If most reconstructions are nearer to another original than to their own (`semsim.match` matches arrays), or
        originals are unlike those on which the chances of SemSim were calibrated.

    Raises
    ------
    SemsimError
        If these are not pairs of images, or a metric is unknown or not available.

    Examples
    --------
    >>> clear = np.full((2, 3, 32, 32), 0.5)
    >>> score(clear, clear, metrics=["mse", "ssim", "semsim"])
       mse  ssim  semsim
    0  0.0   1.0     0.0
    1  0.0   1.0     0.0
    """
    metrics, batch_size, device = checked_metrics(metrics), checked_batch_size(batch_size), checked_device(device)
    weights = checked_path(weights, "weights")
    pretrained = None if pretrained is None else checked_path(pretrained, "pretrained")
    skip, resize = checked_flag(skip, "skip"), checked_flag(resize, "resize")
    files = [isinstance(images, str | os.PathLike) for images in (originals, reconstructions)]
    if all(files):
        matches = match_pair(checked_path(originals, "originals"), checked_path(reconstructions, "reconstructions"))
        measures, _ = load_measures(metrics, weights, device, pretrained)
        unusable = [*matches.incomplete, *matches.unusable]
        scores = score_groups(matches.groups, measures, unusable, skip, device, batch_size, resize)
        _warn(*np.moveaxis(scores.thumbnails, 1, 0), measures, scores.originals)
        return scores.table
    if any(files):
        raise SemsimError("originals and reconstructions: give two folders, two files or two arrays, not one of each.")
    originals, reconstructions = floats(originals, "originals"), floats(reconstructions, "reconstructions")
    check_pairs(originals, reconstructions)
    measures, _ = load_measures(metrics, weights, device, pretrained)
    places = checked_places(len(originals), MOST_CHECKED)
    _warn(thumbnails(originals[places]), thumbnails(reconstructions[places]), measures, some_of(originals))
    values = {measure.name: np.full(len(originals), np.nan) for measure in measures}
    step = batch_size or max(1, BATCH_PIXELS // (originals.shape[-2] * originals.shape[-1]))
    with torch.inference_mode():
        for start in range(0, len(originals), step):
            part = slice(start, start + step)
            batch = (images[part].to(device) for images in (originals, reconstructions))
            for name, computed in compute(*batch, measures).items():
                values[name][part] = computed
    return pd.DataFrame(values)


def _warn(originals, reconstructions, measures, some):
    """Warn of pairs that look wrong, by their thumbnails, and of originals that are unlike the calibrated ones."""
    remedy = "semsim.match pairs arrays by similarity, and semsim score --match pairs files"
    for sentence in (doubt(originals, reconstructions, "reconstructions", remedy), *doubts(measures, some)):
        if sentence:
            warnings.warn(sentence, stacklevel=4)  # above this function, `score`, and what decorates it
