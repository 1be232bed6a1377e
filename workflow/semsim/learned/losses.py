"""Losses of SemSim, as functions of the distances of a recognised and an unrecognised reconstruction."""

import torch
from torch import nn
from torch.nn import functional


class TripletLoss(nn.Module):
    """Penalises unrecognised reconstructions that are not farther away than recognised ones, by a margin.

    Parameters
    ----------
    margin : float
    rates : torch.Tensor
        Recognition rates of all training pairs [N]; not used.

    References
    ----------
    Schroff, Kalenichenko, Philbin: FaceNet. CVPR 2015, equation 2, but with distances that are not squared, as in the
    paper on SemSim.
    """

    def __init__(self, margin: float, rates: torch.Tensor):
        super().__init__()
        self.margin = margin

    def forward(
        self, near: torch.Tensor, far: torch.Tensor, near_rates: torch.Tensor, far_rates: torch.Tensor
    ) -> torch.Tensor:
        """Return the losses [B].

        Parameters
        ----------
        near, far : torch.Tensor
            [B], the distances of recognised and of unrecognised pairs.
        near_rates, far_rates : torch.Tensor
            [B], how often each was recognised, in [0, 1].
        """
        return functional.relu(near - far + self.margin)


class WeightedTripletLoss(TripletLoss):
    """The triplet loss, with each triplet weighted by the difference of the two recognition rates."""

    def forward(
        self, near: torch.Tensor, far: torch.Tensor, near_rates: torch.Tensor, far_rates: torch.Tensor
    ) -> torch.Tensor:
        """Return the losses [B], as `TripletLoss.forward` does."""
        weights = near_rates - far_rates
        return super().forward(near, far, near_rates, far_rates) * weights / weights.mean()


class OrdinalLoss(nn.Module):
    """An ordinal regression of each pair's recognition rate on its distance, without triplets.

    For every threshold between two recognition rates, a logistic regression on the distance predicts whether the rate
    is above it; all share one slope. Thresholds and slope are learned with the metric.

    Parameters
    ----------
    margin : float
        Not used.
    rates : torch.Tensor
        As for `TripletLoss`; the thresholds lie between its distinct values.

    References
    ----------
    Rennie, Srebro: Loss functions for preference levels: regression with discrete ordered labels. IJCAI workshop 2005,
    the "all-threshold" logistic loss.
    """

    def __init__(self, margin: float, rates: torch.Tensor):
        super().__init__()
        levels = rates.unique()
        self.register_buffer("thresholds", (levels[1:] + levels[:-1]) / 2)
        self.intercepts = nn.Parameter(torch.zeros_like(self.thresholds))
        self.log_slope = nn.Parameter(torch.zeros((), device=rates.device))

    def forward(
        self, near: torch.Tensor, far: torch.Tensor, near_rates: torch.Tensor, far_rates: torch.Tensor
    ) -> torch.Tensor:
        """Return the losses [B], as `TripletLoss.forward` does: the mean of the two pairs of a triplet."""
        distances, rates = torch.stack([near, far], dim=-1)[..., None], torch.stack([near_rates, far_rates], dim=-1)
        above = (rates[..., None] > self.thresholds).to(distances.dtype)
        logits = self.intercepts - self.log_slope.exp() * distances
        return functional.binary_cross_entropy_with_logits(logits, above, reduction="none").mean(dim=(-2, -1))
