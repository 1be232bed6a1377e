"""The recipe of a training: how long and how fast."""

import math
from typing import Literal

from pydantic import Field

from semsim.settings import Settings, Several, ShareOfSteps


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
        description="images in a batch, at least 2 since BatchNorm needs company. Images left over are spread over the"
        " batches, so that none is small",
    )
    optimiser: Literal["sgd", "adamw"] = Field(
        "sgd", description="what moves the parameters, SGD with Nesterov momentum or AdamW"
    )
    schedule: Literal["steps", "one-cycle"] = Field(
        "steps",
        description="how the learning rate changes. `steps`: it is multiplied by `decay` at each milestone."
        " `one-cycle`: it rises in the first fifth of the training and then falls to nothing, which learns as much in a"
        " fraction of the epochs",
    )
    learning_rate: float = Field(0.1, gt=0, description="largest step size")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum of `sgd`")
    weight_decay: float = Field(5e-4, ge=0, description="weight of the squared norm of the parameters")
    milestones: Several[ShareOfSteps] = Field(
        (0.375, 0.625, 0.875),
        description="shares of the epochs after which the learning rate is multiplied by `decay`, with `steps`",
    )
    decay: float = Field(0.1, gt=0, le=1, description="factor on the learning rate at each milestone")

    def optimise(self, parameters, batches):
        """Return the optimiser of a model's parameters, and what changes its learning rate after each batch.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
        batches : int
            In an epoch.

        Returns
        -------
        optimiser : torch.optim.Optimizer
        schedule : torch.optim.lr_scheduler.LRScheduler
        """
        from torch import optim  # settings are checked where there is no PyTorch

        if self.optimiser == "adamw":
            optimiser = optim.AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)
        else:
            momentum = {"momentum": self.momentum, "nesterov": self.momentum > 0}
            optimiser = optim.SGD(parameters, self.learning_rate, weight_decay=self.weight_decay, **momentum)
        if self.schedule == "one-cycle":
            cycle = {"total_steps": self.epochs * batches + 1, "pct_start": 0.2, "cycle_momentum": False}
            return optimiser, optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, **cycle)
        falls = [math.ceil(milestone * self.epochs) * batches for milestone in self.milestones]
        return optimiser, optim.lr_scheduler.MultiStepLR(optimiser, falls, self.decay)


class TargetRecipe(Recipe):
    """How a target model is trained, if it is. The defaults are those of the original study."""

    epochs: int = Field(
        200,
        ge=0,
        description="passes over the training images. With 0, the model keeps the weights that it begins with",
    )
