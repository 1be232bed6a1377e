"""All metrics of the pairs in folders, computed while files are being read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.metrics.measure import BATCH_PIXELS
from semsim.names import encodable
from semsim.progress import progress_bar
from semsim.scoring.chances import MOST_ORIGINALS
from semsim.scoring.folders import OTHER_SIZE, READERS, Group, Unusable, listing, read_group
from semsim.scoring.likeness import checked_places
from semsim.scoring.measures import Measure, compute
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

WAITING_PIXELS = 2**24
"""Limit for images waiting for others of their size: with many sizes, batches start before they are full."""


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
    with ThreadPoolExecutor(READERS) as pool:
        reading = deque()
        try:
            for group in groups:
                reading.append(pool.submit(read_group, group, resize))
                if len(reading) > 4 * READERS:
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
