"""Chances in addition to distances: how many images annotators would recognise, and whether the calibration applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import binom

from semsim.io.images import as_floats
from semsim.learned.scales import CHANCE
from semsim.scoring.likeness import checked_places
from semsim.scoring.people import count_text, people_basis, people_sentences
from semsim.text import counted, first_few, listed, sentence_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semsim.learned.metric import SemSim
    from semsim.scoring.measures import Measure

MOST_ORIGINALS = 64
"""Originals whose likeness is checked; of more, this many are taken at even distances."""
OUTSIDE = 0.2
"""Share of originals that may be unlike the calibrated ones by accident: of new ones from the same sources, up to 14 %
were unlike the three dozen of the embedded study."""
SURE = 0.05
"""Level of the test against that share."""


def semsim_of(measures: Sequence[Measure]) -> SemSim | None:
    """Return the metric whose chances are computed; None if there are none."""
    return next((measure.network for measure in measures if measure.name == CHANCE.metric), None)


def chance_sentences(
    values: Mapping[str, np.ndarray], measures: Sequence[Measure], originals: Sequence[torch.Tensor]
) -> list[str]:
    """Say how many reconstructions of a set annotators would recognise.

    Parameters
    ----------
    values : mapping of str to numpy.ndarray
        [pairs] by metric; NaN where there is none.
    measures : sequence of semsim.scoring.measures.Measure
    originals : sequence of torch.Tensor
        Some of the originals, each [3, H, W].

    Returns
    -------
    list of str
        None where nothing is known of the metrics.
    """
    sentences, semsim = [], semsim_of(measures)
    if semsim is not None and len(known := _finite(values[CHANCE.metric])):
        count = count_text(*semsim.expected_count(known), len(known))
        sentences.append(f"{sentence_case(semsim.calibration.annotators)} would recognise {count}, by SemSim.")
    return sentences + people_sentences(values, _sizes(originals))


def basis(measures: Sequence[Measure], originals: Sequence[torch.Tensor]) -> list[str]:
    """Say what `chance_sentences` rest on."""
    sentences, semsim = [], semsim_of(measures)
    if semsim is not None:
        sentences.append(
            f"Chances are based on {semsim.calibration}. The interval of a count is for one annotator: it reflects the"
            " chance of each image, and how far an entire model and attack may deviate from the average."
        )
    return sentences + people_basis([measure.name for measure in measures], _sizes(originals))


def _finite(values):
    return values[np.isfinite(values)]


def _sizes(originals):
    """Return heights and widths."""
    return {tuple(image.shape[1:]) for image in originals}


def doubts(measures: Sequence[Measure], originals: Sequence[torch.Tensor]) -> list[str]:
    """Warn where originals are unlike those on which chances were calibrated, in size or to SemSim.

    Parameters
    ----------
    measures : sequence of semsim.scoring.measures.Measure
    originals : sequence of torch.Tensor
        Some of them, each [3, H, W]: float in [0, 1], or uint8.
    """
    semsim = semsim_of(measures)
    if semsim is None or not len(originals):
        return []
    calibration, sentences = semsim.calibration, []
    side, sizes = calibration.facts["image_size"], sorted(_sizes(originals))
    if others := [f"{width}x{height}" for height, width in sizes if (width, height) != (side, side)]:
        sentences.append(
            f"Chances were calibrated on images of {side}x{side} pixels, and here are images of"
            f" {first_few(others, 3)}: do not rely on them."
        )
    with torch.inference_mode():
        unlike = [calibration.unlike(semsim.embed(as_batch(image, semsim.device))).item() for image in originals]
    if binom.sf(sum(unlike) - 1, len(unlike), OUTSIDE) < SURE:
        sentences.append(
            f"{sum(unlike)} of {counted(len(unlike), 'originals')} are unlike those that chances were calibrated on"
            f" ({listed(calibration.facts['datasets'])}): do not rely on the chances."
        )
    return sentences


def as_batch(image: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Return an image [3, H, W], float in [0, 1] or uint8, as a batch of one on a device, in floats."""
    return as_floats(image[None].to(device))


def some_of(images: torch.Tensor) -> list[torch.Tensor]:
    """Return those images of a batch [N, 3, H, W] whose likeness is checked, at most `MOST_ORIGINALS`."""
    return [*images[checked_places(len(images), MOST_ORIGINALS)]]
