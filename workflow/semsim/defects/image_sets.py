"""Clear images and reconstructions for distances between sets, from the same data sets in the same shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semsim.defects.set_sizes import SIZES
from semsim.errors import SemsimError
from semsim.io.stored_arrays import JoinedRows
from semsim.learned.pairs import of_one_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semsim.io.stored_arrays import StoredArray
    from semsim.metrics.reconstructions import Reconstructions


def choose_images(
    clear: dict[str, StoredArray | np.ndarray], attacks: Iterable[Reconstructions], seed: int
) -> tuple[JoinedRows, JoinedRows]:
    """Draw clear images and reconstructions in which each data set has the same share.

    With different shares, the distance would include that between data sets. Clear images determine the shares: equal
    ones would leave few images if one data set is small.

    Parameters
    ----------
    clear : dict of str to semsim.io.stored_arrays.StoredArray or numpy.ndarray
        By data set: uint8 [N, 3, S, S].
    attacks : iterable of semsim.metrics.reconstructions.Reconstructions
        Diverged reconstructions are left out, as are data sets without any others.
    seed : int

    Returns
    -------
    clear, reconstructed : semsim.io.stored_arrays.JoinedRows
        uint8 [N, 3, S, S] and [M, 3, S, S], at the smallest size among them. Enough for the largest sets, two disjoint
        ones of clear images and one of reconstructions, or as many as there are in these shares.

    Raises
    ------
    SemsimError
        If every reconstruction diverged.
    """
    found = (
        (attack.dataset, JoinedRows([attack.images["reconstruction"]]).where(~attack.diverged)) for attack in attacks
    )
    found = [(dataset, images) for dataset, images in found if len(images)]
    if not found:
        raise SemsimError("All reconstructions diverged, so there is no set to measure. Change the study's `attacks`.")
    present = {dataset for dataset, _ in found}
    pools = [(dataset, images) for dataset, images in clear.items() if dataset in present], found
    names = [np.repeat([name for name, _ in pool], [len(images) for _, images in pool]) for pool in pools]
    images = of_one_size([images for pool in pools for _, images in pool])
    clear, reconstructed = (JoinedRows(part) for part in (images[: len(pools[0])], images[len(pools[0]) :]))
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(len(clear), min(len(clear), 2 * max(SIZES)), replace=False))
    matching = draw_in_shares(names[1], names[0][chosen], max(SIZES), generator)
    return clear.where(chosen), reconstructed.where(matching)


def draw_in_shares(names: np.ndarray, like: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    """Draw at random, without replacement, so that each name has the same share as in another array.

    Parameters
    ----------
    names : numpy.ndarray
        str [M], what to draw from.
    like : numpy.ndarray
        str [N], in which names have the intended shares.
    most : int
    generator : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        int64, sorted indices into `names`: `most`, or as many as these shares allow.

    Examples
    --------
    >>> names, like = np.array(list("aaaaaabbbbbb")), np.array(list("aaab"))
    >>> "".join(names[draw_in_shares(names, like, 100, np.random.default_rng(0))])
    'aaaaaabb'
    """
    wanted, shares = np.unique(like, return_counts=True)
    places = [np.flatnonzero(names == name) for name in wanted]
    most = min(most, *(len(each) * len(like) // share for each, share in zip(places, shares, strict=True)))
    # Cumulative sums are rounded, so that the numbers add up to `most`.
    numbers = np.diff(most * np.cumsum(shares) // len(like), prepend=0)
    drawn = [generator.choice(each, number, replace=False) for each, number in zip(places, numbers, strict=True)]
    return np.sort(np.concatenate(drawn))
