"""All metrics that need only a pair of images, computed while files are being read."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.learned.calibration import NO_CALIBRATION
from semsim.learned.metric import SemSim
from semsim.learned.scales import CHANCE, LEARNED
from semsim.learned.shipped import EMBEDDED, training_of
from semsim.metrics import METRICS, describe_scales, extra_metrics, metrics_at_hand
from semsim.metrics.measure import BATCH_PIXELS, gather_networks
from semsim.metrics.scales import Scale, scales_of
from semsim.names import encodable
from semsim.pretrained.networks import RESOURCES
from semsim.pretrained.weights import NETWORKS
from semsim.progress import progress_bar
from semsim.scoring.chances import MOST_ORIGINALS
from semsim.scoring.folders import OTHER_SIZE, Group, Unusable, listing, read_group
from semsim.scoring.likeness import checked_places
from semsim.text import counted, sentence_case, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEMSIM = "semsim"
IMAGES = ("reference", "reconstruction")
NEEDED = (*RESOURCES, "random_trunk_network")
"""The pretrained networks that metrics ask for."""
WAITING_PIXELS = 2**24
"""Limit for images waiting for others of their size: with many sizes, batches start before they are full."""


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


@dataclass(frozen=True)
class Scores:
    """The values of all metrics.

    Attributes
    ----------
    groups : list of Group
        What was scored, in the requested order.
    values : dict of str to numpy.ndarray
        By metric: [groups, sets]; NaN where images are too small for it.
    left_out : list of Unusable
        Files that could not be scored.
    thumbnails : numpy.ndarray
        What `semsim.scoring.likeness` compares: [groups, 1 + sets, D], the original's first.
    resized : int
        How many reconstructions were resized to their original's size.
    originals : list of torch.Tensor
        Some originals, as `semsim.scoring.chances.doubts` looks at, each uint8 [3, H, W].
    """

    groups: list[Group]
    values: dict[str, np.ndarray]
    left_out: list[Unusable]
    thumbnails: np.ndarray
    resized: int
    originals: list[torch.Tensor]

    @property
    def table(self) -> pd.DataFrame:
        """Name and metrics, one row per pair, if there is one set: pandas.DataFrame."""
        names = [group.name for group in self.groups]
        return pd.DataFrame({"name": names, **{name: values[:, 0] for name, values in self.values.items()}})

    @property
    def matched_table(self) -> pd.DataFrame:
        """The same with the file names of reconstructions, which say something where they differ: pandas.DataFrame."""
        table = self.table
        table.insert(1, "reconstruction", [encodable(group.reconstructions[0].name) for group in self.groups])
        return table


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
        _check_pretrained(pretrained, wanted)
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


def _check_pretrained(folder, wanted):
    """Refuse a folder of weights that was named for nothing."""
    if not wanted:
        raise SemsimError("--pretrained: only used by LPIPS and DISTS, which --metrics leaves out.")
    files = [NETWORKS[resource.weights].file for resource in RESOURCES.values()]
    if not os.path.isdir(folder):
        raise SemsimError(f"--pretrained: {folder}: no such folder.")
    if not any(os.path.isfile(os.path.join(folder, file)) for file in files):
        raise SemsimError(
            f"{folder}: has none of {', '.join(dict.fromkeys(files))}. Put weights there, or name no folder."
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
        semsim = SemSim.from_pretrained(weights, device)
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
        return f"{sentence_case(NO_CALIBRATION)}. Name others with --weights."
    if missing := [need for need in METRICS[name].needs if need in RESOURCES]:
        network = NETWORKS[RESOURCES[missing[0]].weights]
        return (
            f"Get the weights of {network.label} with semsim fetch, or name a folder that has them with --pretrained."
        )
    return "It replaces lpips only if the weights of lpips are missing, and they are not: use lpips."


def score_groups(
    groups: Sequence[Group],
    measures: Sequence[Measure],
    unusable: Sequence[Unusable] = (),
    skip: bool = False,
    device: torch.device | str = "cpu",
    batch_size: int | None = None,
    resize: bool = False,
) -> Scores:
    """Compute all metrics of all reconstructions.

    Threads read files ahead, and only images that wait for a batch of their size are held. If a file is unusable and
    must not be skipped, the others are still read, so that one message names all unusable files.

    Parameters
    ----------
    groups : list of Group
        All with the same number K of reconstructions.
    measures : list of Measure
    unusable : sequence of Unusable
        Files that are known to be unusable before anything is read.
    skip : bool
        Whether to leave out groups with an unusable file.
    device : torch.device or str
        Where the networks of the measures are.
    batch_size : int, optional
        Pairs at once; by default as many as have the pixels of 256 images of 32x32.
    resize : bool
        Whether to resize reconstructions of another size than their original's.

    Returns
    -------
    Scores

    Raises
    ------
    SemsimError
        If a file is unusable and `skip` is false, nothing is left, or a batch does not fit into memory.
    """
    sets = len(groups[0].reconstructions) if groups else 1
    values = {measure.name: np.full((len(groups), sets), np.nan) for measure in measures}
    reading = _Reading(groups, list(unusable), skip, resize)
    waiting = _Waiting(sets, batch_size)
    with torch.inference_mode(), progress_bar(len(groups) * sets, "scoring", unit="pair") as bar:
        for places, images in _batches(reading, waiting, bar):
            for name, batch in _measure(images, measures, device).items():
                values[name][places] = batch
    reading.check()
    places = sorted(reading.thumbnails)
    return Scores(
        [groups[place] for place in places],
        {name: array[places] for name, array in values.items()},
        reading.unusable,
        np.stack([reading.thumbnails[place] for place in places]),
        reading.resized,
        reading.originals,
    )


class _Reading:
    """What is known of files while they are read.

    Attributes
    ----------
    unusable : list of Unusable
    thumbnails : dict of int to numpy.ndarray
        By the place of each group that can be scored, [1 + K, D].
    resized : int
        How many reconstructions were resized.
    originals : list of torch.Tensor
        Those that are kept, uint8 [3, H, W]: as many of all, at even distances, as are looked at again.
    """

    def __init__(self, groups, unusable, skip, resize):
        self.groups, self.unusable, self.skip, self.resize = groups, unusable, skip, resize
        self.thumbnails, self.resized, self.originals = {}, 0, []
        self.kept = {*checked_places(len(groups), MOST_ORIGINALS)}

    @property
    def worth_measuring(self):
        """Whether values will be asked for: not once a file has turned out to be unusable that must not be."""
        return self.skip or not self.unusable

    def take(self, place, pixels):
        """Note what was read, `semsim.scoring.folders.Pixels`."""
        self.unusable += pixels.unusable
        self.resized += pixels.resized
        if pixels.images is not None:
            self.thumbnails[place] = pixels.thumbnails
            if place in self.kept:
                self.originals.append(torch.from_numpy(pixels.images[0].copy()))

    def check(self):
        """Raise a `SemsimError` if not all files, or none, can be scored."""
        if self.unusable and not self.skip:
            raise SemsimError(
                f"{counted(len(self.unusable), 'files')} cannot be scored: {listing(self.unusable)}."
                f"{self._advice()} Correct them, or leave them out with --skip."
            )
        if not self.thumbnails:
            raise SemsimError(
                f"nothing is left to score: {listing(self.unusable)}.{self._advice()} Give pairs of images that can be"
                " read."
            )

    def _advice(self):
        """Say what helps where sizes differ."""
        differ = any(OTHER_SIZE in each.reason for each in self.unusable)
        return " With --resize, reconstructions are resized to their originals' sizes." if differ else ""


def _batches(reading, waiting, bar):
    """Read groups, and yield batches as `_Waiting` does as long as they are worth measuring."""
    for place, pixels in enumerate(_read_ahead(reading.groups, reading.resize)):
        reading.take(place, pixels)
        if pixels.images is not None and reading.worth_measuring:
            yield from waiting.add(place, pixels.images)
        bar.update(waiting.sets)
    if reading.worth_measuring:
        yield from waiting.rest()


class _Waiting:
    """Images that wait until there are enough of their size for a batch.

    A batch is a pair: the places of its groups, and their images, uint8 [groups, 1 + sets, 3, H, W].
    """

    def __init__(self, sets, batch_size):
        self.sets, self.batch_size = sets, batch_size
        self.by_size, self.pixels = {}, 0

    def add(self, place, images):
        """Take a group's images, and yield a batch if one is full, or must start because too much waits."""
        size = images.shape[-2:]
        self.by_size.setdefault(size, []).append((place, images))
        self.pixels += images[:, 0].size
        pairs = self.batch_size or BATCH_PIXELS // (size[0] * size[1])
        if len(self.by_size[size]) * self.sets >= pairs:
            yield self._take(size)
        elif self.pixels > WAITING_PIXELS:
            yield self._take(max(self.by_size, key=lambda size: len(self.by_size[size]) * size[0] * size[1]))

    def rest(self):
        """Yield what still waits."""
        for size in list(self.by_size):
            yield self._take(size)

    def _take(self, size):
        places, images = zip(*self.by_size.pop(size), strict=True)
        images = np.stack(images)
        self.pixels -= images[:, :, 0].size
        return list(places), images


def _read_ahead(groups, resize):
    """Yield what `read_group` makes of each group, in order, while threads read the next ones."""
    threads = min(16, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        reading = deque()
        try:
            for group in groups:
                reading.append(pool.submit(read_group, group, resize))
                if len(reading) > 4 * threads:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _measure(images, measures, device):
    """Return [groups, sets] by metric for images of one size, uint8 [groups, 1 + sets, 3, H, W]."""
    groups, sets = images.shape[0], images.shape[1] - 1
    tensor = torch.from_numpy(images).to(device).float() / 255
    originals = tensor[:, :1].expand(-1, sets, -1, -1, -1).flatten(0, 1)
    values = compute(originals, tensor[:, 1:].flatten(0, 1), measures)
    return {name: array.reshape(groups, sets) for name, array in values.items()}


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
