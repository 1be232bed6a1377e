"""Labelled pairs: reconstructions, the images with which they are compared, and how often each was recognised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from semsim.errors import SemsimError
from semsim.io.folders import list_folder
from semsim.io.stored_arrays import JoinedRows, open_arrays, rows_where, spooled
from semsim.io.tables import KEYS
from semsim.io.tensors import read_metadata
from semsim.seeds import seed_for
from semsim.targets.augmentation import crop_and_flip

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from semsim.learned.metric import SemSim

ORIGINAL = ["dataset", "original"]
"""Columns that identify an original."""


class LabelledPairs(NamedTuple):
    """What SemSim learns from and is tried on: images.

    Attributes
    ----------
    references, reconstructions : semsim.io.stored_arrays.JoinedRows or numpy.ndarray
        uint8 [N, 3, S, S].
    table : pandas.DataFrame
        A row a pair: dataset, target, attack, original, label (the true class), recognition_rate in [0, 1].
    """

    references: JoinedRows | np.ndarray
    reconstructions: JoinedRows | np.ndarray
    table: pd.DataFrame

    def __len__(self):
        return len(self.table)

    def where(self, chosen: ArrayLike) -> LabelledPairs:
        """Return the pairs for which a mask, bool [N], is true."""
        chosen = np.asarray(chosen)
        images = (rows_where(array, chosen) for array in self[:2])
        return LabelledPairs(*images, self.table[chosen].reset_index(drop=True))

    def with_itself(self) -> LabelledPairs:
        """Return pairs of each reconstruction with itself."""
        return LabelledPairs(self.reconstructions, self.reconstructions, self.table)

    def distances(
        self,
        metric: SemSim,
        rows: slice | torch.Tensor,
        generator: torch.Generator | None = None,
        references: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the distances of some pairs.

        Parameters
        ----------
        metric : semsim.learned.metric.SemSim
        rows : slice or torch.Tensor
            int64 [B].
        generator : torch.Generator, optional
            Of the CPU; if given, pairs are cropped and mirrored as one, so that the reconstruction stays aligned.
        references : torch.Tensor, optional
            uint8 [B, 3, S, S], other images to compare reconstructions with.

        Returns
        -------
        torch.Tensor
            [B].
        """
        stacked = StackedPairs(self, metric.device)[rows]
        if references is not None:
            stacked = torch.cat([references, stacked[:, 3:]], dim=1)
        if generator is not None:
            stacked = crop_and_flip(stacked, generator)
        return metric.distances(*(stacked / 255).split(3, dim=1))


class MeasuredPairs(NamedTuple):
    """The same where the backbone never changes: what it sees is measured once.

    Attributes
    ----------
    differences : numpy.ndarray
        float32 [N, channels], as `semsim.learned.channels.WeightedChannels.differences` returns them.
    table : pandas.DataFrame
        As in `LabelledPairs`.
    """

    differences: np.ndarray
    table: pd.DataFrame

    def __len__(self):
        return len(self.table)

    def where(self, chosen: ArrayLike) -> MeasuredPairs:
        """Return the pairs for which a mask, bool [N], is true."""
        chosen = np.asarray(chosen)
        return MeasuredPairs(self.differences[chosen], self.table[chosen].reset_index(drop=True))

    def with_itself(self) -> MeasuredPairs:
        """Return pairs of each reconstruction with itself, which do not differ."""
        return MeasuredPairs(np.zeros_like(self.differences), self.table)

    def distances(
        self, metric: SemSim, rows: slice | torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the distances [B] of some pairs; they are the same however often they are asked for."""
        return metric.backbone.weigh(torch.from_numpy(self.differences[rows]).to(metric.device))


class StackedPairs:
    """Each reference of `LabelledPairs` stacked on its reconstruction, uint8 [N, 6, S, S], assembled in batches.

    This way, augmentation treats both as one image, and memory does not grow with the number of pairs.

    Parameters
    ----------
    pairs : LabelledPairs
    device : torch.device or str
        Device of the batches.
    """

    def __init__(self, pairs: LabelledPairs, device: torch.device | str):
        self.pairs, self.device = pairs, device

    def __getitem__(self, rows):
        """Return a batch: rows are a slice, or a tensor, int64 [B]."""
        rows = rows.numpy() if isinstance(rows, torch.Tensor) else rows
        images = (self.pairs.references[rows], self.pairs.reconstructions[rows])
        return torch.from_numpy(np.concatenate(images, axis=1)).to(self.device)


AnyPairs = TypeVar("AnyPairs", LabelledPairs, MeasuredPairs)


def originals_of(pairs: LabelledPairs) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the labelled originals, and the first image that stands for each.

    Returns
    -------
    originals : pandas.DataFrame
        dataset, original.
    images : numpy.ndarray
        uint8 [originals, 3, S, S]; of originals that are augmented differently for each target model, one of them.
    """
    first = ~pairs.table.duplicated(ORIGINAL).to_numpy()
    return pairs.table.loc[first, ORIGINAL].reset_index(drop=True), pairs.references[np.flatnonzero(first)]


def read_pairs(
    paths: Iterable[str | os.PathLike], recognition: pd.DataFrame, reference: str = "original"
) -> LabelledPairs:
    """Read the reconstructions that annotators labelled.

    Parameters
    ----------
    paths : iterable of path-like
        Reconstructions, as the attack stage writes them: one file per data set, target model and attack; or folders of
        such files.
    recognition : pandas.DataFrame
        Recognition rates by annotators of one kind.
    reference : {"original", "attacked"}
        What reconstructions are compared with: the original before augmentation, as in the paper, or what was attacked.

    Returns
    -------
    LabelledPairs
        In the order of the files; reconstructions without labels are left out. Images are brought to the smallest size
        that there is, and wait in a temporary file until they are indexed.

    Raises
    ------
    SemsimError
        If no reconstruction has labels.
    """
    references, reconstructions, rows = [], [], []
    rates = recognition.set_index(["dataset", "target", "attack"]).sort_index()
    for path in _files(paths):
        about = read_metadata(path)
        key = tuple(about[name] for name in ("dataset", "target", "attack"))
        if key not in rates.index:
            continue
        labelled = rates.loc[[key]].sort_values("original").reset_index()
        arrays = open_arrays(path, reference, "reconstruction")
        chosen = labelled["original"].to_numpy()
        references.append(JoinedRows([arrays[reference]], chosen))
        reconstructions.append(JoinedRows([arrays["reconstruction"]], chosen))
        rows.append(labelled[[*KEYS, "label", "recognition_rate"]])
    if not rows:
        raise SemsimError("No reconstruction has labels. Give files and labels of the same study.")
    images = (spooled(JoinedRows(of_one_size(batches))) for batches in (references, reconstructions))
    return LabelledPairs(*images, pd.concat(rows, ignore_index=True))


def of_one_size(batches: Sequence) -> list:
    """Bring batches of square images, uint8 [N, 3, S, S], to the smallest size among them, each when it is indexed."""
    size = min(batch.shape[-1] for batch in batches)
    return [batch if batch.shape[-1] == size else _Resized(batch, size) for batch in batches]


class _Resized:
    """Uint8 images at another size, smoothed so that nothing aliases."""

    def __init__(self, images, size):
        self.images, self.size = images, size
        self.shape, self.dtype = (*images.shape[:2], size, size), images.dtype

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        images = torch.from_numpy(self.images[rows])
        return functional.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True).numpy()

    def __array__(self, dtype=None, copy=None):
        return self[:]


def _files(paths):
    """Yield paths of files: those given, and those in the folders given."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from (path / name for name in list_folder(path).files if name.endswith(".safetensors"))
        else:
            yield path


def split_by_original(pairs: AnyPairs, share: float, seed: int) -> tuple[AnyPairs, AnyPairs]:
    """Hold out the pairs of a share of the originals of every data set.

    Parameters
    ----------
    pairs : LabelledPairs or MeasuredPairs
    share : float
        In (0, 1); at least one original of every data set is held out, and one is not.
    seed : int

    Returns
    -------
    training, held_out : LabelledPairs or MeasuredPairs

    Raises
    ------
    SemsimError
        If a data set has labels of one original only.
    """
    held_out = np.zeros(len(pairs), dtype=bool)
    for dataset, rows in pairs.table.groupby("dataset"):
        originals = np.sort(rows["original"].unique())
        if len(originals) < 2:
            raise SemsimError(f"{dataset}: labels of one original only, so none can be held out. Label more originals.")
        count = min(max(1, round(share * len(originals))), len(originals) - 1)
        chosen = np.random.default_rng(seed_for(seed, dataset)).choice(originals, count, replace=False)
        held_out[rows.index[rows["original"].isin(chosen)]] = True
    return pairs.where(~held_out), pairs.where(held_out)
