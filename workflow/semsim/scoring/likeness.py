"""Which reconstructions look like which originals: checking pairs, and matching them anew.

Images are compared by thumbnails of 8x8 pixels: cheap, whatever their sizes, and noise averages out. "Nearer" means a
smaller squared distance of thumbnails.
"""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from semsim.errors import SemsimError
from semsim.io.images import as_floats, as_tensor, float_images

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike

SIDE = 8
"""Side of thumbnails in pixels."""
MOST_CHECKED = 1000
"""Pairs that are compared with each other; of more, this many are taken at even distances."""
MOST_MATCHED = 2000
"""Images that can be matched at once, each with each: a minute on one core if nothing is alike, else a second."""


def thumbnail(image: Image.Image) -> np.ndarray:
    """Return what is compared of an RGB image: uint8 [SIDE * SIDE * 3]."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)).reshape(-1)


def nearer_to_another(originals: np.ndarray, reconstructions: np.ndarray) -> tuple[int, int]:
    """Count the reconstructions that are nearer to another original than to their own.

    Parameters
    ----------
    originals, reconstructions : numpy.ndarray
        Thumbnails [N, D] in pairs.

    Returns
    -------
    nearer, compared : int
        The second one is N, at most `MOST_CHECKED`.

    Examples
    --------
    >>> originals = np.array([[0.0], [1.0], [2.0]])
    >>> nearer_to_another(originals, originals[[1, 0, 2]])
    (2, 3)
    """
    places = checked_places(len(originals), MOST_CHECKED)
    if len(places) < 2:
        return 0, len(places)
    distances = cdist(reconstructions[places].astype(float), originals[places].astype(float), "sqeuclidean")
    own = distances.diagonal().copy()
    np.fill_diagonal(distances, np.inf)
    return int((distances.min(axis=1) < own).sum()), len(places)


def checked_places(count: int, most: int) -> np.ndarray:
    """Return the places of what is checked: all of `count`, or `most` of them at even distances."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def doubt(originals: np.ndarray, reconstructions: np.ndarray, what: str, remedy: str) -> str:
    """Return a warning if most reconstructions are nearer to another original than to their own, else nothing.

    Parameters
    ----------
    originals, reconstructions : numpy.ndarray
        As for `nearer_to_another`.
    what : str
        What the reconstructions are called, in the plural.
    remedy : str
        How to match them.
    """
    nearer, compared = nearer_to_another(originals, reconstructions)
    if 2 * nearer <= compared:
        return ""
    return (
        f"{nearer:,} of {compared:,} {what} are nearer to another original than to their own (by chance, about"
        f" {compared - 1:,} would be). Either they show nothing of their originals, or they are paired with the wrong"
        f" ones: {remedy}."
    )


def assign(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Pair originals with reconstructions so that the sum of all distances is as small as it can be.

    Parameters
    ----------
    originals, reconstructions : numpy.ndarray
        Thumbnails [N, D] and [M, D].

    Returns
    -------
    numpy.ndarray
        [N], the place of each original's reconstruction; -1 where none is left, if M is smaller than N.

    Raises
    ------
    SemsimError
        If there are more than `MOST_MATCHED` of either.
    """
    check_number(max(len(originals), len(reconstructions)))
    partners = np.full(len(originals), -1)
    rows, columns = linear_sum_assignment(cdist(originals.astype(float), reconstructions.astype(float), "sqeuclidean"))
    partners[rows] = columns
    return partners


def check_number(images: int) -> None:
    """Refuse more images than can be compared each with each.

    Raises
    ------
    SemsimError
    """
    if images > MOST_MATCHED:
        raise SemsimError(
            f"{images:,} images are too many to be matched by similarity, which compares each with each. Match at most"
            f" {MOST_MATCHED:,} at a time, in folders of their own."
        )


def match(originals: "torch.Tensor | ArrayLike", reconstructions: "torch.Tensor | ArrayLike") -> np.ndarray:
    """Find which reconstruction belongs to which original, where their order was lost, by an optimal assignment.

    Gradients of a batch do not say in which order its images came, so attacks return them in any.

    Parameters
    ----------
    originals, reconstructions : torch.Tensor or array-like
        RGB images [N, 3, H, W], at most 2,000: floats in [0, 1], or bytes. The two may differ in size.

    Returns
    -------
    numpy.ndarray
        int [N]: ``reconstructions[match(originals, reconstructions)]`` are in the originals' order.

    Raises
    ------
    SemsimError
        If they are no images, not equally many, or too many.

    Examples
    --------
    >>> greys = np.linspace(0, 1, 4)[:, None, None, None] * np.ones((4, 3, 8, 8))
    >>> match(greys, greys[[2, 0, 3, 1]]).tolist()
    [1, 3, 0, 2]
    """
    originals, reconstructions = floats(originals, "originals"), floats(reconstructions, "reconstructions")
    if len(originals) != len(reconstructions):
        raise SemsimError(f"{len(originals)} originals cannot be matched with {len(reconstructions)} reconstructions.")
    return assign(thumbnails(originals), thumbnails(reconstructions))


def thumbnails(images: "torch.Tensor") -> np.ndarray:
    """Return what is compared of a batch of images, [N, 3, H, W]: float32 [N, 3 * SIDE * SIDE]."""
    from torch.nn.functional import adaptive_avg_pool2d

    return adaptive_avg_pool2d(images.detach(), SIDE).flatten(1).cpu().numpy()


def floats(images: "torch.Tensor | ArrayLike", what: str) -> "torch.Tensor":
    """Return images, bytes or floats in [0, 1], as a float32 tensor; raise if they are none."""
    return float_images(as_floats(as_tensor(images, what)), what)
