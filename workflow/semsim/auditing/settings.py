"""The settings of an audit, apart from the model and the images."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from semsim.attacks.clients import ClientSettings
from semsim.attacks.settings import PRESETS, Attacker
from semsim.settings import OneOf, Settings, Several
from semsim.targets.defences import AnyDefence, GradientDefence

MOST_ORIGINALS = 10_000
FEWEST_CLIENTS = 4
"""Clients below which nothing can tell an attack from a guess: each finds its own among as many by chance."""


class Length(NamedTuple):
    """How long searches are, which is what takes an audit's time.

    Attributes
    ----------
    steps : int
        Of each attack, unless its preset takes fewer.
    originals : int
        How many images are attacked.
    restarts : int
        Of each attack, unless its preset makes fewer.
    """

    steps: int
    originals: int
    restarts: int


class AuditSettings(Settings):
    """What is attacked, how, and what attackers know."""

    originals: int | None = Field(
        None,
        ge=1,
        le=MOST_ORIGINALS,
        description="number of images that are attacked, cycling through the classes. By default 32, or four clients"
        " if that is more, and fewer if time is short",
    )
    attacks: Annotated[Several[Annotated[str, OneOf(PRESETS)]], Field(min_length=1)] | None = Field(
        None, description="presets; by default those that apply to the network and the attacker"
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="steps of each attack, unless the preset takes fewer. By default 2,000, and fewer if time is short",
    )
    minutes: float = Field(20, gt=0, description="how long the attacks may take, as estimated")
    client: ClientSettings = Field(default_factory=ClientSettings, description="what clients compute and share")
    attacker: Attacker = Field(default_factory=Attacker, description="what attackers know")
    defence: AnyDefence | None = Field(None, description="what clients do to gradients before they share them")
    seed: int = Field(1, ge=0, description="seed of the sample, of random weights and of the attacks")
    memory_gib: float | None = Field(
        None,
        gt=0,
        description="memory for the searches that run at once, in GiB. By default 2, or a quarter of a GPU's if that"
        " is more; a single client may take more",
    )

    @model_validator(mode="after")
    def _clients_can(self):
        if self.originals is not None and self.originals < self.client.batch:
            raise ValueError(f"{self.originals} originals are fewer than the batch of {self.client.batch} of a client.")
        if problem := self.client.cannot_defend(self.shared):
            raise ValueError(problem)
        return self

    @property
    def shared(self) -> GradientDefence:
        """The defence, a `GradientDefence` where there is none."""
        return self.defence or GradientDefence()

    @property
    def most_originals(self) -> int:
        """How many images are attacked where there are as many, and time for them."""
        return self.originals or max(32, self.shortest.originals)

    @property
    def shortest(self) -> Length:
        """What is attacked at least: with less, finding nothing would mean nothing.

        In trials on a ResNet-18 with random weights, an attack (`invertgrad`) began to show shapes after 200 steps, and
        showed none after 100. Two restarts are the fewest that can agree with each other.
        """
        return Length(self.steps or 200, self.originals or FEWEST_CLIENTS * self.client.batch, 2)
