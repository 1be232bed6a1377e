"""SemSim for training loops that use torchmetrics."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from semsim.compat import import_torchvision
from semsim.learned.metric import SemSim

import_torchvision()  # first: torchmetrics imports it, too, and stops where its operators cannot be loaded
from torchmetrics import Metric  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class MeanSemSim(Metric):
    """The mean SemSim distance of all pairs seen since the last reset.

    Parameters
    ----------
    metric : semsim.learned.metric.SemSim
        In eval mode; its own reduction plays no part.
    **settings
        Of `torchmetrics.Metric`.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, metric: SemSim, **settings: Any) -> None:
        super().__init__(**settings)
        self.metric = metric
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, originals: "Tensor | ArrayLike", reconstructions: "Tensor | ArrayLike") -> None:
        """Take in pairs of images, as `SemSim.forward` does."""
        with torch.no_grad():
            distances = self.metric.distances(originals, reconstructions)
        self.total += distances.sum()
        self.count += len(distances)

    def compute(self) -> Tensor:
        """Return the mean distance; NaN before any pair."""
        return self.total / self.count
