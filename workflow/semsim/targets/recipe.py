"""The recipe of a training: how long and how fast."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from semsim.settings import Settings, Several, ShareOfSteps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn, optim


class Recipe(Settings):
    """How a classifier is trained. The defaults are those of the original study.

    References
    ----------
    Smith, Topin: Super-Convergence. arXiv 1708.07120, 2017.
    """

    epochs: int = Field(200, ge=1, description="passes over the training images")
    batch_size: int = Field(
        64,
        ge=2,
        description="images per batch, at least 2 because BatchNorm needs more than one image. The remainder is"
        " distributed over the batches, so that no batch is small",
    )
    optimiser: Literal["sgd", "adamw"] = Field("sgd", description="optimiser: SGD with Nesterov momentum, or AdamW")
    schedule: Literal["steps", "one-cycle"] = Field(
        "steps",
        description="how the learning rate changes. `steps`: it is multiplied by `decay` at each milestone."
        " `one-cycle`: it rises during the first fifth of training and then falls to zero; this reaches a similar"
        " accuracy in far fewer epochs",
    )
    learning_rate: float = Field(0.1, gt=0, description="largest learning rate of the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum of `sgd`")
    weight_decay: float = Field(5e-4, ge=0, description="weight decay: L2 penalty of `sgd`, decoupled in `adamw`")
    milestones: Several[ShareOfSteps] = Field(
        (0.375, 0.625, 0.875),
        description="for `steps`: fractions of the epochs after which the learning rate is multiplied by `decay`",
    )
    decay: float = Field(
        0.1, gt=0, le=1, description="factor by which the learning rate is multiplied at each milestone"
    )

    def optimise(
        self, parameters: Iterable[nn.Parameter], batches: int
    ) -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
        """Return the optimiser of a model's parameters, and its learning-rate schedule, stepped after each batch.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
        batches : int
            Per epoch.

        Returns
        -------
        optimiser : torch.optim.Optimizer
        schedule : torch.optim.lr_scheduler.LRScheduler
        """
        from torch import optim  # settings are also checked without PyTorch

        if self.optimiser == "adamw":
            optimiser = optim.AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)
        else:
            momentum = {"momentum": self.momentum, "nesterov": self.momentum > 0}
            optimiser = optim.SGD(parameters, self.learning_rate, weight_decay=self.weight_decay, **momentum)
        if self.schedule == "one-cycle":
            steps = self.epochs * batches + 1
            rise = 0.2 if steps != 5 else 0.19  # OneCycleLR divides by zero where the rise ends with the first step
            cycle = {"total_steps": steps, "pct_start": rise, "cycle_momentum": False}
            return optimiser, optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, **cycle)
        falls = [math.ceil(milestone * self.epochs) * batches for milestone in self.milestones]
        return optimiser, optim.lr_scheduler.MultiStepLR(optimiser, falls, self.decay)


class TargetRecipe(Recipe):
    """How a target model is trained, if it is. The defaults are those of the original study."""

    epochs: int = Field(
        200,
        ge=0,
        description="passes over the training images. With 0, the model keeps its initial weights",
    )
