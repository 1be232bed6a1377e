"""Which reconstruction of a client's batch belongs to which of its images: gradients do not reveal their order."""

from __future__ import annotations

import torch


def match_batch(images: torch.Tensor, reconstructions: torch.Tensor) -> torch.Tensor:
    """Match reconstructions with images so that the sum of their squared errors is as small as possible.

    Parameters
    ----------
    images : torch.Tensor, shape [B, 3, S, S]
        In [0, 1].
    reconstructions : torch.Tensor, uint8, [B, 3, S, S]

    Returns
    -------
    torch.Tensor, shape [B], int64
        ``reconstructions[match_batch(images, reconstructions)]`` are in the order of the images.

    References
    ----------
    Crouse: On implementing 2D rectangular assignment algorithms. IEEE Transactions on Aerospace and Electronic Systems
    52 (4), 2016; implemented in `scipy.optimize.linear_sum_assignment`.
    """
    if len(images) == 1:
        return torch.zeros(1, dtype=torch.int64)
    from scipy.optimize import linear_sum_assignment  # slow to import, and most clients have one image

    differences = images[:, None].double() - reconstructions[None].double() / 255
    _, partners = linear_sum_assignment(differences.square().flatten(2).sum(2).numpy())
    return torch.from_numpy(partners)
