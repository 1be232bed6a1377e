"""The settings of simulated observers. Checking them needs no PyTorch."""

from typing import Annotated, NamedTuple

from pydantic import Field

from semsim.settings import OneOf, Settings, with_defaults
from semsim.targets.architectures import ARCHITECTURES, check_architecture
from semsim.targets.recipe import Recipe

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
    """

    noise: float = 0.1
    induced: float = 0.0
    single_channels: bool = False


USUAL_LOOK = Look()
"""How observers look that a study has trained."""


class ObserverSettings(Settings):
    """What a simulated observer is."""

    architecture: Annotated[str, OneOf(ARCHITECTURES)] = Field(
        description="the network. One of the project's [architectures](#architectures)"
    )
    width: int | None = Field(None, ge=1, description="width of the network, as for target models")
    caution: float = Field(
        0.5,
        ge=0,
        lt=1,
        description='smallest probability at which it names a class. Below it, its label is -1, "can\'t tell"',
    )

    def check_fit(self, image_size):
        """Raise `SemsimError` if the network does not support this image size or width."""
        check_architecture(self.architecture, image_size, self.width)


OBSERVERS = {
    "observer-1": ObserverSettings(architecture="vgg3", caution=0.3),
    "observer-2": ObserverSettings(architecture="resnet6", caution=0.4),
    "observer-3": ObserverSettings(architecture="squeezenet", caution=0.35),
    "observer-4": ObserverSettings(architecture="densenet", caution=0.5),
    "observer-5": ObserverSettings(architecture="inception", caution=0.6),
}
"""Observers of studies that configure none."""
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
