"""How many of a set of images annotators would recognise, from the chance of each: an interval."""

from __future__ import annotations

import numpy as np

from semsim.statistics.resampling import percentile_interval

DRAWS = 2000
IMAGES_AT_ONCE = 1000
SMALLEST = 1e-9
"""Chances are clipped to at least this distance from 0 and 1."""


def log_odds(chances: np.ndarray) -> np.ndarray:
    """Return the log-odds of chances, which are finite even for 0 and 1."""
    chances = np.clip(chances, SMALLEST, 1 - SMALLEST)
    return np.log(chances) - np.log1p(-chances)


def shares(logits: np.ndarray) -> np.ndarray:
    """Return the chances of log-odds."""
    return 0.5 * (1 + np.tanh(logits / 2))


def count_interval(chances: np.ndarray, covariance: np.ndarray, seed: int = 0) -> tuple[int, int]:
    """Return the 95 % interval of how many images of a set one annotator recognises.

    Two things are uncertain, and both are drawn: by how much the set deviates from the chances as a whole
    (`semsim.statistics.calibration`: an intercept and a slope of their log-odds), and then each image by itself.

    Parameters
    ----------
    chances : numpy.ndarray
        [images], of each.
    covariance : numpy.ndarray
        Of intercept and slope, [2, 2]; zeros if only images are uncertain.
    seed : int
        Of the draws.

    Returns
    -------
    low, high : int

    Examples
    --------
    >>> count_interval(np.full(32, 0.34), np.zeros((2, 2)))
    (6, 16)
    >>> count_interval(np.full(32, 0.34), np.diag([0.5, 0.0]))
    (2, 23)
    """
    generator = np.random.default_rng(seed)
    deviation = generator.multivariate_normal([0, 1], covariance, DRAWS, method="eigh")
    logits, counts = log_odds(chances), np.zeros(DRAWS)
    for start in range(0, len(logits), IMAGES_AT_ONCE):
        drawn = shares(deviation[:, :1] + deviation[:, 1:] * logits[start : start + IMAGES_AT_ONCE])
        counts += (generator.random(drawn.shape) < drawn).sum(1)
    low, high = percentile_interval(counts)
    return round(low), round(high)
