"""What an attack is, as data: its named parts, and the published attacks as presets. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field, create_model, field_validator, model_validator

from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.optimisers import OPTIMISERS
from semsim.attacks.priors import PRIORS
from semsim.errors import SemsimError
from semsim.registry import Registry
from semsim.settings import OneOf, Settings, Several, ShareOfSteps, validated
from semsim.targets.traits import KNOWLEDGE, lacking
from semsim.text import suggestion

SEVERAL_RESTARTS = "several_restarts"


class _Attacker(Settings):
    """What an attacker knows. An attack that needs more is refused."""

    @property
    def forbidden(self) -> frozenset[str]:
        """What it does not know: keys of `semsim.targets.traits.KNOWLEDGE`."""
        return frozenset(name for name, known in self if not known)


Attacker = create_model(
    "Attacker",
    __base__=_Attacker,
    __doc__=_Attacker.__doc__,
    __module__=__name__,
    **{name: (bool, Field(True, description=f"whether the attacker knows {what}")) for name, what in KNOWLEDGE.items()},
)
"""One setting for each piece of `semsim.targets.traits.KNOWLEDGE`."""


class AttackSettings(Settings):
    """The parts of an attack that searches for an image whose gradient matches an observed one.

    Images are searched for in the target model's normalised space, in which the published learning rates and weights
    are stated. The cost of a candidate is its objective plus each prior times its weight.
    """

    steps: int = Field(
        ge=0, description="optimisation steps. Each computes the cost and its gradient once; 0 keeps the initialisation"
    )
    objective: Annotated[str, OneOf(OBJECTIVES)] = Field(
        "cosine", description="distance between the shared gradient and the gradient of the reconstruction"
    )
    optimiser: Annotated[str, OneOf(OPTIMISERS)] = Field("adam", description="optimiser of the reconstruction")
    learning_rate: float = Field(
        0.1, gt=0, description="initial learning rate of Adam, in units of the images' standard deviation"
    )
    signed: bool = Field(False, description="whether Adam uses only the sign of the gradient")
    boxed: bool = Field(True, description="whether Adam clips the reconstruction to the valid range of pixels")
    milestones: Several[ShareOfSteps] = Field(
        (), description="fractions of the steps after which the learning rate is multiplied by `decay`"
    )
    decay: float = Field(0.1, gt=0, le=1, description="factor by which the learning rate is multiplied")
    history: int = Field(100, ge=1, description="number of past steps that L-BFGS uses")
    priors: dict[Annotated[str, OneOf(PRIORS)], Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="weight of each prior, by name. Each overrides that of the preset; 0 removes the prior",
    )
    restarts: int = Field(
        1,
        ge=1,
        le=10_000,
        description="searches started for each original. The one with the lowest final cost is kept",
    )
    initialisation: Annotated[str, OneOf(INITIALISATIONS)] = Field(
        "normal", description="starting point of the search: noise, or the closed form"
    )
    label: Annotated[str, OneOf(LABELS)] = Field(
        "known", description="how the attacker obtains the class: it is known, read from the gradient, or optimised"
    )
    tolerance: float = Field(
        0.0, ge=0, description="the search stops as converged when the cost is at or below this value"
    )

    @field_validator("priors")
    @classmethod
    def _in_one_order(cls, priors):
        """Drop weights of 0 and sort the rest as in the registry, so that sums do not depend on the order given."""
        return {name: priors[name] for name in PRIORS if priors.get(name)}

    @model_validator(mode="after")
    def _enough_restarts(self):
        for name in self.priors:
            if SEVERAL_RESTARTS in PRIORS[name].needs and self.restarts == 1:
                raise ValueError(
                    f"{lacking(f'prior {name}', SEVERAL_RESTARTS)}. Set restarts to 2 or more, or its weight to 0."
                )
        return self

    @property
    def needs(self) -> frozenset[str]:
        """The traits without which the attack cannot work (`semsim.targets.traits`); priors can be left out."""
        return frozenset().union(*(part.needs for part in self._parts().values()))

    def unmet(self, traits: Collection[str]) -> list[str]:
        """Return the unmet requirements of the attack, as sentences.

        Parameters
        ----------
        traits : collection of str
            Those of the target model and of the attacker's knowledge.
        """
        return [
            lacking(who, trait)
            for who, part in self._parts().items()
            for trait in sorted(part.needs)
            if trait not in traits
        ]

    def priors_on(self, traits: Collection[str]) -> dict[str, float]:
        """Return the weights of the priors that have what they need."""
        traits = {SEVERAL_RESTARTS, *traits}
        return {name: weight for name, weight in self.priors.items() if traits >= PRIORS[name].needs}

    def left_out(self, traits: Collection[str]) -> list[str]:
        """Return which priors are left out and why, as sentences."""
        traits = {SEVERAL_RESTARTS, *traits}
        return [
            lacking(f"prior {name}", trait)
            for name in self.priors
            for trait in sorted(PRIORS[name].needs)
            if trait not in traits
        ]

    def knowledge(self, traits: Collection[str]) -> list[str]:
        """Return what the attack makes use of: keys of `semsim.targets.traits.KNOWLEDGE`, in order.

        Parameters
        ----------
        traits : collection of str
            As for `unmet`; priors that lack what they need use nothing.
        """
        used = self.needs.union(*(PRIORS[name].needs for name in self.priors_on(traits)))
        return [name for name in KNOWLEDGE if name in used]

    def forbidden(self, attacker: Attacker) -> list[str]:
        """Return what the attack needs to know although the attacker does not, as sentences."""
        parts = self._parts() | {f"prior {name}": PRIORS[name] for name in self.priors}
        return [lacking(who, trait) for who, part in parts.items() for trait in sorted(part.needs & attacker.forbidden)]

    def _parts(self):
        """Return the parts that the attack requires, by their names in sentences."""
        return {
            f"objective {self.objective}": OBJECTIVES[self.objective],
            f"optimiser {self.optimiser}": OPTIMISERS[self.optimiser],
            f"initialisation {self.initialisation}": INITIALISATIONS[self.initialisation],
            f"label {self.label}": LABELS[self.label],
        }


PRESETS = Registry()
"""The published attacks: functions that return their settings."""


@PRESETS.register()
def dlg() -> AttackSettings:
    """Deep Leakage from Gradients (Zhu et al. 2019): squared distance, L-BFGS, label optimised along with the image.

    References
    ----------
    Zhu, Liu, Han: Deep Leakage from Gradients. NeurIPS 2019.
    """
    return AttackSettings(steps=6000, objective="squared", optimiser="lbfgs", label="optimised", tolerance=1e-9)


@PRESETS.register()
def idlg() -> AttackSettings:
    """Improved DLG (Zhao et al. 2020): DLG with the label read from the gradient.

    References
    ----------
    Zhao, Mopuri, Bilen: iDLG: Improved Deep Leakage from Gradients. arXiv 2001.02610, 2020.
    """
    return AttackSettings(steps=6000, objective="squared", optimiser="lbfgs", label="analytic", tolerance=1e-9)


@PRESETS.register()
def invertgrad() -> AttackSettings:
    """Inverting Gradients (Geiping et al. 2020): cosine distance, signed Adam, total variation.

    Its weights are those for images of 32 pixels.

    References
    ----------
    Geiping, Bauermeister, Dröge, Moeller: Inverting Gradients. NeurIPS 2020.
    """
    return AttackSettings(
        steps=8000, objective="cosine", signed=True, priors={"total_variation": 1e-4}, milestones=(3 / 8, 5 / 8, 7 / 8)
    )


@PRESETS.register()
def gradinversion() -> AttackSettings:
    """See through Gradients (Yin et al. 2021): BatchNorm statistics, total variation, L2 norm, group consistency.

    Its weights are divided by the paper's weight of the gradient term (1e-3), since here that term has weight one.

    References
    ----------
    Yin et al.: See through Gradients: Image Batch Recovery via GradInversion. CVPR 2021.
    """
    return AttackSettings(
        steps=8000,
        objective="squared",
        label="analytic",
        priors={"total_variation": 1e-1, "l2_norm": 1e-3, "batchnorm": 1e2, "group_consistency": 1e1},
        restarts=4,
        milestones=(3 / 8, 5 / 8, 7 / 8),
    )


@PRESETS.register()
def analytic() -> AttackSettings:
    """The closed form through a fully connected first layer (Phong et al. 2018): the positive control.

    References
    ----------
    Phong et al.: Privacy-Preserving Deep Learning via Additively Homomorphic Encryption. IEEE TIFS 2018, section 3.
    """
    return AttackSettings(steps=0, initialisation="analytic", label="analytic")


def attack_settings(preset: str, **changes) -> AttackSettings:
    """Return the settings of a preset with some of them changed.

    Parameters
    ----------
    preset : str
        A key of `PRESETS`.
    **changes
        Fields of `AttackSettings`. The priors in `priors` change those of the preset one by one.

    Raises
    ------
    SemsimError
        If the preset or a setting is unknown, or a value is not allowed.

    Examples
    --------
    >>> attack_settings("invertgrad", steps=400).priors
    {'total_variation': 0.0001}
    >>> attack_settings("invertgrad", priors={"l2_norm": 1e-3}).priors
    {'total_variation': 0.0001, 'l2_norm': 0.001}
    """
    if not isinstance(preset, str):
        raise SemsimError(f"the preset must be a name, one of {', '.join(PRESETS)}, but is {preset!r}.")
    if preset not in PRESETS:
        raise SemsimError(
            f"attack preset '{preset}' is not known. Choose one of {', '.join(PRESETS)}.{suggestion(preset, PRESETS)}"
        )
    settings = PRESETS[preset]().model_dump()
    if isinstance(changes.get("priors"), dict):
        changes = changes | {"priors": settings["priors"] | changes["priors"]}
    return validated(AttackSettings, settings | changes, f"The settings of the attack {preset} are not valid")


def check_knowledge(attacks: dict[str, AttackSettings], attacker: Attacker) -> None:
    """Refuse attacks, by name, that need knowledge that the attacker does not have.

    Raises
    ------
    SemsimError
    """
    for name, settings in attacks.items():
        if problems := settings.forbidden(attacker):
            raise SemsimError(f"attack {name}: {'; '.join(problems)}, which this one does not. Choose another attack.")
