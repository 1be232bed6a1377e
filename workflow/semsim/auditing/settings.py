"""The settings of an audit, beside the model and the images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from semsim.attacks.clients import ClientSettings
from semsim.attacks.settings import PRESETS, Attacker
from semsim.settings import OneOf, Settings, Several
from semsim.targets.defences import AnyDefence, GradientDefence

MOST_ORIGINALS = 10_000


class AuditSettings(Settings):
    """What is attacked, how, and what attackers know."""

    originals: int = Field(
        32, ge=1, le=MOST_ORIGINALS, description="number of images that are attacked; the classes take turns"
    )
    attacks: Annotated[Several[Annotated[str, OneOf(PRESETS)]], Field(min_length=1)] | None = Field(
        None, description="presets; by default those that suit the network and the attacker"
    )
    steps: int = Field(2000, ge=1, description="steps of each attack, unless the preset takes fewer")
    client: ClientSettings = Field(default_factory=ClientSettings, description="what clients compute and share")
    attacker: Attacker = Field(default_factory=Attacker, description="what attackers know")
    defence: AnyDefence | None = Field(None, description="what clients do to gradients before they share them")
    seed: int = Field(1, ge=0, description="seed of the sample, of random weights and of the attacks")
    memory_gib: float = Field(2, gt=0, description="memory for the searches that run at once, in GiB")

    @model_validator(mode="after")
    def _clients_can(self):
        if self.originals < self.client.batch:
            raise ValueError(f"{self.originals} originals are fewer than the batch of {self.client.batch} of a client.")
        if problem := self.client.cannot_defend(self.shared):
            raise ValueError(problem)
        return self

    @property
    def shared(self) -> GradientDefence:
        """The defence, a `GradientDefence` where there is none."""
        return self.defence or GradientDefence()
