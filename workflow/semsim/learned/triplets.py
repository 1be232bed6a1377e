"""Triplets: an original, a reconstruction of it that the majority recognised, and one that it did not.

The unrecognised one is a reconstruction of the same original if there is one. If not, it comes from another original of
the same class, or from any, and is compared with its own original: that a picture of one cat is far from another cat
says nothing about recognition. A triplet therefore consists of two pairs; for one original it is the paper's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from semsim.errors import SemsimError
from semsim.labels.recognition import MAJORITY, missing_triplets

if TYPE_CHECKING:
    from semsim.learned.pairs import StackedPairs

SCOPES = ("same original", "same class", "any")


class TripletSampler:
    """Draws triplets from labelled pairs; recognised pairs are equally likely, and so are unrecognised ones.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per pair: dataset, original, label, recognition_rate.

    Attributes
    ----------
    counts : pandas.DataFrame
        How many recognised and unrecognised pairs find their partner in the same original, the same class, or anywhere.

    Raises
    ------
    SemsimError
        If all pairs are recognised, or none.
    """

    def __init__(self, table):
        recognised = table["recognition_rate"].to_numpy() > MAJORITY
        if reason := missing_triplets(table):
            raise SemsimError(f"{reason}. Give labels of more attacks or target models.")
        # Sorted by class and then original, the candidates of every scope are contiguous.
        classes = table.groupby(["dataset", "label"]).ngroup().to_numpy()
        originals = table.groupby(["dataset", "label", "original"]).ngroup().to_numpy()
        order = np.lexsort((originals, classes))
        sides = [order[recognised[order]], order[~recognised[order]]]
        found = [_partners(own, other, classes, originals) for own, other in (sides, sides[::-1])]
        self.counts = pd.DataFrame(
            [np.bincount(scopes, minlength=len(SCOPES)) for _, _, scopes in found],
            columns=SCOPES,
            index=["recognised", "unrecognised"],
        )
        self._sides = [torch.from_numpy(side) for side in sides]
        self._ranges = [tuple(map(torch.from_numpy, (first, count))) for first, count, _ in found]

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw triplets: half of them by their recognised pair, half by the other.

        Parameters
        ----------
        count : int
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        recognised, unrecognised : torch.Tensor
            int64 [count], rows of the table.
        """
        halves = (count - count // 2, count // 2)
        drawn = [self._draw_side(side, size, generator) for side, size in enumerate(halves)]
        (recognised, their_partners), (unrecognised, other_partners) = drawn
        return torch.cat([recognised, other_partners]), torch.cat([their_partners, unrecognised])

    def _draw_side(self, side, count, generator):
        own, other = self._sides[side], self._sides[1 - side]
        uniform = torch.rand(2, count, generator=generator, dtype=torch.float64)
        chosen = (uniform[0] * len(own)).long()
        first, candidates = (part[chosen] for part in self._ranges[side])
        return own[chosen], other[first + (uniform[1] * candidates).long()]


class ReleasedAnchors:
    """Anchors as drawn by the paper's released code: any image of a folder that contains the original and others.

    The folder of a recognised reconstruction contains its original and all recognised reconstructions of it, so an
    anchor may be a reconstruction, even the positive itself.

    Parameters
    ----------
    table : pandas.DataFrame
        As for `TripletSampler`.
    """

    def __init__(self, table):
        recognised = table["recognition_rate"].to_numpy() > MAJORITY
        originals = table.groupby(["dataset", "original"]).ngroup().to_numpy()
        own = np.flatnonzero(recognised)
        fellows = own[np.argsort(originals[own], kind="stable")]
        grouped = originals[fellows]
        first, end = (np.searchsorted(grouped, originals, side=side) for side in ("left", "right"))
        self._fellows, self._first, self._count = map(torch.from_numpy, (fellows, first, end - first))

    def draw(self, pairs: StackedPairs | torch.Tensor, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return an anchor for each recognised pair.

        Parameters
        ----------
        pairs : semsim.learned.pairs.StackedPairs or torch.Tensor
            uint8 [N, 6, S, S]: each original stacked on its reconstruction, in the rows of the table.
        rows : torch.Tensor
            int64 [B], recognised pairs.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        torch.Tensor
            uint8 [B, 3, S, S].
        """
        uniform = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        count = self._count[rows]
        chosen = (uniform * (count + 1)).long()
        fellows = self._fellows[self._first[rows] + torch.minimum(chosen, count - 1)]
        originals, others = pairs[rows][:, :3], pairs[fellows][:, 3:]
        is_original = (chosen == count)[:, None, None, None]
        return torch.where(is_original.to(originals.device), originals, others)


def _partners(own, other, classes, originals):
    """Find the candidates of each row of `own` among `other`, both sorted by class and original.

    Returns
    -------
    first, count, scope : numpy.ndarray
        int64 [len(own)]: where they begin in `other`, how many there are, and the number of their scope.
    """
    first, count = np.zeros(len(own), dtype=np.int64), np.full(len(own), len(other), dtype=np.int64)
    scope = np.full(len(own), SCOPES.index("any"))
    for name, groups in (("same class", classes), ("same original", originals)):
        begin, end = (np.searchsorted(groups[other], groups[own], side=side) for side in ("left", "right"))
        found = end > begin
        first[found], count[found], scope[found] = begin[found], (end - begin)[found], SCOPES.index(name)
    return first, count, scope
