"""The settings of observers (simulated annotators). Checking them needs no PyTorch."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from semsim.observers.trunks import TRUNKS
from semsim.settings import OneOf, Settings, with_defaults
from semsim.targets.architectures import ARCHITECTURES, check_network
from semsim.targets.recipe import Recipe

USUAL_CAUTION = 0.5
"""Of an observer that a study has trained, if none is set."""
FEWEST_PUBLIC = 5
"""Public images of a data set: two each to train its observers and a classifier, one to measure their accuracy."""


class Look(NamedTuple):
    """How observers look at an image.

    Attributes
    ----------
    noise : float
        Standard deviation of the noise of a look, in [0, 1], where the image has none.
    induced : float
        By how much that grows with the noise in the image: a ratio of standard deviations.
    single_channels : bool
        Whether each look shows one of the colour channels, as grey, in turns.
    looks : int
        How often they look.
    aside : int
        By how many pixels a look is shifted, at most.
    """

    noise: float = 0.1
    induced: float = 0.0
    single_channels: bool = False
    looks: int = 8
    aside: int = 1


USUAL_LOOK = Look()
"""How observers look that a study has trained."""
PANEL_LOOK = Look(noise=0, looks=1, aside=0)
"""How pretrained networks look: attacks on other families of networks leave no patterns for them."""


class ObserverSettings(Settings):
    """What an observer (simulated annotator) is."""

    architecture: Annotated[str, OneOf((*ARCHITECTURES, *TRUNKS))] = Field(
        description="the network: one of the project's [architectures](#architectures), or a"
        " [pretrained network](#pretrained-networks), which is fine-tuned"
    )
    width: int | None = Field(None, ge=1, description="width of the network, as for target models")
    caution: float | None = Field(
        None,
        ge=0,
        lt=1,
        description='smallest probability at which it names a class. Below it, its label is -1, "can\'t tell". `null`'
        " is 0.5, and for a pretrained network the value at which nine in ten of the classes that it names are right,"
        " on clear and degraded images from which it did not learn",
    )

    @property
    def pretrained(self) -> bool:
        """Whether the network is pretrained, and fine-tuned."""
        return self.architecture in TRUNKS

    def check_fit(self, image_size: int) -> None:
        """Raise `SemsimError` if the network does not support this image size or width."""
        check_network(self.architecture, self.pretrained, image_size, self.width)


class PanelSettings(Settings):
    """Stands for several observers."""

    kind: Literal["panel"] = Field(description="the available pretrained networks, each as an observer")


OBSERVERS = {
    "observer-1": ObserverSettings(architecture="vgg3", caution=0.3),
    "observer-2": ObserverSettings(architecture="resnet6", caution=0.4),
    "observer-3": ObserverSettings(architecture="squeezenet", caution=0.35),
    "observer-4": ObserverSettings(architecture="densenet", caution=0.5),
    "observer-5": ObserverSettings(architecture="inception", caution=0.6),
}
"""Observers of studies that configure none."""
PANEL = {name: ObserverSettings(architecture=name) for name in TRUNKS}
"""Observers of kind ``panel``: the pretrained networks."""
ObserverRecipe = with_defaults(
    Recipe,
    "ObserverRecipe",
    epochs=40,
    batch_size=24,
    optimiser="adamw",
    schedule="one-cycle",
    learning_rate=0.004,
)
"""How observers are trained: faster than target models."""
