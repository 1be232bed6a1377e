"""Losses of SemSim, against independent formulas."""

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from semsim.learned.losses import OrdinalLoss, TripletLoss, WeightedTripletLoss
from semsim.learned.triplets import ReleasedAnchors

NEAR, FAR = torch.tensor([0.2, 0.9, 0.5]), torch.tensor([0.6, 0.4, 2.0])
NEAR_RATES, FAR_RATES = torch.tensor([1.0, 0.6, 0.8]), torch.tensor([0.0, 0.4, 0.2])


def test_the_triplet_loss_is_that_of_torch():
    embeddings = [torch.zeros(3, 2), torch.stack([NEAR, NEAR * 0], 1), torch.stack([FAR, FAR * 0], 1)]
    expected = torch.nn.TripletMarginLoss(margin=0.7, eps=0, reduction="none")(*embeddings)
    loss = TripletLoss(0.7, None)(NEAR, FAR, NEAR_RATES, FAR_RATES)
    torch.testing.assert_close(loss, expected)


def test_weights_are_gaps_of_rates_and_keep_the_scale():
    plain, weighted = (each(0.7, None)(NEAR, FAR, NEAR_RATES, FAR_RATES) for each in (TripletLoss, WeightedTripletLoss))
    torch.testing.assert_close(weighted, plain * torch.tensor([1.0, 0.2, 0.6]) / 0.6)
    same = WeightedTripletLoss(0.7, None)(NEAR, FAR, torch.ones(3), torch.zeros(3))
    torch.testing.assert_close(same, plain)


def test_the_ordinal_loss_is_a_logistic_regression_at_each_threshold():
    loss = OrdinalLoss(None, torch.tensor([0.0, 0.4, 0.4, 1.0]))
    np.testing.assert_allclose(loss.thresholds, [0.2, 0.7])
    with torch.no_grad():
        loss.intercepts.copy_(torch.tensor([1.0, -0.5]))
        loss.log_slope.fill_(0.3)
        found = loss(NEAR[:1], FAR[:1], torch.tensor([1.0]), torch.tensor([0.4]))
    above = np.array([[1, 1], [1, 0]])  # of the near and of the far pair, at both thresholds
    chance = expit(np.array([1.0, -0.5]) - np.exp(0.3) * np.array([[0.2], [0.6]]))
    expected = -np.where(above, np.log(chance), np.log(1 - chance)).mean()
    np.testing.assert_allclose(found.item(), expected, rtol=1e-6)


def test_the_released_anchor_is_any_image_of_the_folder():
    rates = [1.0, 0.8, 0.0, 0.9]
    table = pd.DataFrame({"dataset": "a", "original": [0, 0, 0, 1], "recognition_rate": rates})
    pairs = torch.arange(4 * 6, dtype=torch.uint8).reshape(4, 6, 1, 1)
    pairs[:3, :3] = 100  # the original of the first three
    rows = torch.tensor([0] * 300 + [3] * 300)
    drawn = ReleasedAnchors(table).draw(pairs, rows, torch.Generator().manual_seed(0))[:, 0, 0, 0].numpy()
    own, other = np.unique(drawn[:300], return_counts=True), np.unique(drawn[300:], return_counts=True)
    assert set(own[0]) == {100, 3, 9} and set(other[0]) == {18, 21}  # never the unrecognised one
    assert own[1].min() > 70 and other[1].min() > 110
