"""The metrics that need only a pair of images, ready to compute."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.learned.backbones import PRETRAINED
from semsim.learned.calibration import NO_CALIBRATION
from semsim.learned.metric import SemSim
from semsim.learned.scales import CHANCE, LEARNED
from semsim.learned.shipped import EMBEDDED, training_of
from semsim.metrics import METRICS, describe_scales, extra_metrics, metrics_at_hand
from semsim.metrics.measure import gather_networks
from semsim.metrics.scales import Scale, scales_of
from semsim.pretrained.networks import RESOURCES
from semsim.pretrained.weights import NETWORKS
from semsim.text import counted, sentence_case, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEMSIM = "semsim"
IMAGES = ("reference", "reconstruction")
NEEDED = (*RESOURCES, "random_trunk_network")
"""The pretrained networks that metrics ask for."""


@dataclass(frozen=True)
class Measure:
    """A metric that is ready to compute.

    Attributes
    ----------
    scale : semsim.metrics.scales.Scale
        Its name, label and direction.
    compute : callable
        From originals and reconstructions, float [N, 3, H, W] in [0, 1], to values [N].
    smallest_image : int
        The pixels that images need on each side; smaller ones have no value.
    network : semsim.SemSim, optional
        Of SemSim's distances and chances.
    """

    scale: Scale
    compute: Callable
    smallest_image: int = 1
    network: SemSim | None = None

    @property
    def name(self) -> str:
        """The name of the column in tables."""
        return self.scale.metric


def known_metrics() -> list[str]:
    """Return the names of all metrics that can be requested, in the order of tables."""
    return [metric.name for metric in metrics_at_hand("pair", {*IMAGES, *NEEDED}, extra_metrics())] + [
        SEMSIM,
        CHANCE.metric,
    ]


def check_names(names: Iterable[str], option: str = "--metrics") -> None:
    """Raise an error for unknown names of metrics.

    Parameters
    ----------
    names : list of str
    option : str
        The option that gave them, for the message.

    Raises
    ------
    SemsimError
    """
    known = known_metrics()
    for name in names:
        if name not in known:
            raise SemsimError(
                f"{option}: no metric is called {name!r}.{suggestion(name, known)} Known are {', '.join(known)}."
            )


def make_measures(
    names: Iterable[str] | None = None,
    semsim: SemSim | None = None,
    device: torch.device | str = "cpu",
    pretrained: str | os.PathLike | None = None,
) -> list[Measure]:
    """Prepare metrics: load the networks that they need.

    Parameters
    ----------
    names : list of str, optional
        Checked by `check_names`; by default all that are available, without the extra ones.
    semsim : semsim.SemSim, optional
        On the device; without it there is no metric ``semsim``, and without a calibration of it no ``chance``.
    device : torch.device or str
    pretrained : path-like, optional
        Folder of public weights, as for `semsim.pretrained.weights.find_weights`; it has to have some.

    Returns
    -------
    list of Measure

    Raises
    ------
    SemsimError
        If one of the names is not available.
    """
    wanted = names is None or any(need in NEEDED for name in names if name in METRICS for need in METRICS[name].needs)
    if pretrained is not None:
        backbone = semsim.config["backbone"] if semsim is not None else ""
        _check_pretrained(pretrained, wanted, [backbone] if backbone in PRETRAINED else [])
    extra = [name for name in extra_metrics() if name in (names or [])]
    networks = gather_networks(math.inf, pretrained, device=device, extra=extra) if wanted else {}
    scales = scales_of(describe_scales(pd.DataFrame(columns=list(METRICS)))) | LEARNED
    measures = {
        metric.name: Measure(scales[metric.name], _of_pairs(metric, networks), metric.smallest_image)
        for metric in metrics_at_hand("pair", {*IMAGES, *networks}, extra)
    }
    if semsim is not None:
        measures[SEMSIM] = Measure(scales[SEMSIM], semsim.distances, network=semsim)
        if semsim.calibration is not None:
            measures[CHANCE.metric] = Measure(CHANCE, semsim.chances, network=semsim)
    names = list(measures) if names is None else list(dict.fromkeys(names))
    if missing := [name for name in names if name not in measures]:
        raise SemsimError(f"--metrics: {missing[0]} is not available. {_why_not(missing[0])}")
    return [measures[name] for name in names]


def _check_pretrained(folder, wanted, backbones):
    """Refuse a folder of weights that was named for nothing."""
    if not wanted and not backbones:
        raise SemsimError("--pretrained: only used by LPIPS and DISTS, which --metrics leaves out.")
    networks = [*(resource.weights for resource in RESOURCES.values() if wanted), *backbones]
    files = [NETWORKS[name].file for name in networks]
    if not os.path.isdir(folder):
        raise SemsimError(f"--pretrained: {folder}: no such folder.")
    if not any(os.path.isfile(os.path.join(folder, file)) for file in files):
        raise SemsimError(
            f"{folder}: has none of {', '.join(dict.fromkeys(files))}. Put weights there, or leave out the folder."
        )


def load_measures(
    names: Iterable[str] | None = None,
    weights: str | os.PathLike | None = None,
    device: torch.device | str = "cpu",
    pretrained: str | os.PathLike | None = None,
) -> tuple[list[Measure], list[str]]:
    """Prepare metrics, including SemSim unless others are requested, and return remarks about their values.

    Parameters
    ----------
    names : list of str, optional
        As for `make_measures`.
    weights : str or path-like, optional
        Of SemSim, as for `semsim.SemSim.from_pretrained`; by default those of the embedded study.
    device : torch.device or str
    pretrained : path-like, optional
        As for `make_measures`.

    Returns
    -------
    measures : list of Measure
    about : list of str
        Sentences: what SemSim was trained on, and caveats of the others.

    Raises
    ------
    SemsimError
        If weights cannot be read, or a named metric is not available.
    """
    semsim, about = None, []
    if names is None or {SEMSIM, CHANCE.metric} & {*names}:
        weights = EMBEDDED if weights is None else weights
        semsim = SemSim.from_pretrained(weights, device, pretrained=pretrained)
        about.append(training_of(weights))
        if semsim.calibration is None:
            about.append(f"{sentence_case(NO_CALIBRATION)}: their distances are no chances.")
    measures = make_measures(names, semsim, device, pretrained)
    about += [f"{m.scale.label}: {m.scale.caveat}." for m in measures if m.scale.caveat and m.name != SEMSIM]
    return measures, about


def _of_pairs(metric, networks):
    """Return a registered metric as a function of originals and reconstructions."""
    return lambda originals, reconstructions: metric(
        {"reference": originals, "reconstruction": reconstructions, **networks}
    )


def _why_not(name):
    """Say what to do if a metric is not available."""
    if name == SEMSIM:
        return "Give its weights: --weights FOLDER."
    if name == CHANCE.metric:
        return f"{sentence_case(NO_CALIBRATION)}. Choose others with --weights."
    if missing := [need for need in METRICS[name].needs if need in RESOURCES]:
        network = NETWORKS[RESOURCES[missing[0]].weights]
        return (
            f"Get the weights of {network.label} with semsim fetch, or give a folder that has them with --pretrained."
        )
    return "It replaces lpips only if the weights of lpips are missing, and they are not: use lpips."


def compute(
    originals: torch.Tensor, reconstructions: torch.Tensor, measures: Sequence[Measure]
) -> dict[str, np.ndarray]:
    """Compute metrics of a batch of pairs.

    Parameters
    ----------
    originals, reconstructions : torch.Tensor
        Float [N, 3, H, W] in [0, 1], on the device of the measures' networks.
    measures : list of Measure

    Returns
    -------
    dict of str to numpy.ndarray
        By metric, [N]; without those that need larger images.

    Raises
    ------
    SemsimError
        If the batch does not fit into memory.
    """
    side = min(originals.shape[-2:])
    try:
        return {
            measure.name: measure.compute(originals, reconstructions).cpu().numpy()
            for measure in measures
            if side >= measure.smallest_image
        }
    except (MemoryError, torch.OutOfMemoryError):
        raise SemsimError(
            f"{counted(len(originals), 'pairs')} of {originals.shape[-1]}x{originals.shape[-2]} pixels at once need"
            " more memory than is available. Use a smaller --batch-size, or smaller images."
        ) from None
