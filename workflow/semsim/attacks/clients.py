"""What a client does before it shares: how many images, how many local steps, and how BatchNorm normalises.

Its update is the gradient of the mean cross-entropy over a batch of its images. After several local steps it is the
difference of the weights before and after, divided by the learning rate: the sum of the gradients at the weights in
between. Every local step is plain gradient descent on the whole batch, as in algorithm 1 of McMahan, Moore, Ramage,
Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks from Decentralized Data. AISTATS 2017.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from semsim.seeds import seed_for
from semsim.settings import Settings
from semsim.targets.defences import GradientDefence


class ClientSettings(Settings):
    """What a client of federated learning computes before it shares; attackers know these settings."""

    batch: int = Field(
        1, ge=1, le=1000, description="number of images in the batch of a client, which shares one update for them"
    )
    local_steps: int = Field(
        1,
        ge=1,
        le=1000,
        description="gradient steps on that batch before the client shares its update; with 1, it shares the gradient",
    )
    local_rate: float = Field(0.01, gt=0, description="learning rate of these steps, if there are several")
    batchnorm: Literal["eval", "train"] = Field(
        "eval",
        description="what BatchNorm layers normalise by. `eval`: their running statistics. `train`: those of the"
        " client's batch. Dropout is off in either case",
    )

    def __str__(self):
        """For instance ``batch of 8, 4 local steps, BatchNorm in train mode``, or ``one image``."""
        parts = ["one image" if self.batch == 1 else f"batch of {self.batch}"]
        if self.local_steps > 1:
            parts.append(f"{self.local_steps} local steps at {self.local_rate:g}")
        if self.batchnorm == "train":
            parts.append("BatchNorm in train mode")
        return ", ".join(parts)

    @property
    def traits(self) -> frozenset[str]:
        """What attacks may need of the client: keys of `semsim.targets.traits.CLIENT`."""
        has = {"single_image": self.batch == 1, "batchnorm_train": self.batchnorm == "train"}
        return frozenset(trait for trait, there in has.items() if there)

    def cannot_defend(self, defence: GradientDefence) -> str:
        """Return why a defence cannot be applied to what this client shares, as a sentence; empty if it can."""
        alone = self.local_steps == 1 and self.batchnorm == "eval"
        if alone or not (defence.acts_on("shared") and defence.alone_in_training):
            return ""
        return (
            f"the defence {defence.kind} bounds each image's own gradient, which clients with several local steps or"
            " BatchNorm in train mode do not have. Change the client, or restrict the defence to training."
        )


def consecutive(numbers: list[int], batch: int) -> list[list[int]]:
    """Return numbers in groups of `batch`; the last may be smaller.

    Examples
    --------
    >>> consecutive([0, 1, 2, 3, 4], 2)
    [[0, 1], [2, 3], [4]]
    """
    return [numbers[first : first + batch] for first in range(0, len(numbers), batch)]


def drawn(numbers: list[int], batch: int, *seed_key: int | str) -> list[list[int]]:
    """Return numbers in groups of `batch` that are drawn at random; the last may be smaller.

    Groups of a multiple of this size consist of whole groups of this size.

    Parameters
    ----------
    numbers : list of int
    batch : int
    *seed_key : int or str
        What the draw depends on (`semsim.seeds.seed_for`), besides the numbers.
    """
    return consecutive(sorted(numbers, key=lambda number: seed_for(*seed_key, number)), batch)
