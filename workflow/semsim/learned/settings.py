"""The settings of SemSim. Checking them needs no PyTorch."""

from typing import Annotated, Literal

from pydantic import Field

from semsim.settings import OneOf, Settings, changes_of, with_defaults
from semsim.targets.architectures import ARCHITECTURES, check_architecture
from semsim.targets.recipe import Recipe

LOSSES = {
    "triplet": "TripletLoss",
    "weighted": "WeightedTripletLoss",
    "ordinal": "OrdinalLoss",
}
"""The losses by name: what their classes are called in `semsim.learned.losses`."""


class SemSimSettings(Settings):
    """What SemSim is, and how it learns. The defaults are the recipe of the paper's released code."""

    backbone: Annotated[str, OneOf(ARCHITECTURES)] = Field(
        "resnet18",
        description="the network whose features are compared. One of the project's"
        " [architectures](#architectures), whose classifier is cut off",
    )
    width: int | None = Field(None, ge=1, description="how wide the backbone is, as for target models")
    start: Literal["random", "classifier"] = Field(
        "random",
        description="the weights that training starts from, random or those of a plain classifier. That is one of the"
        " `public` images, half of them degraded as for the observers",
    )
    normalised: bool = Field(True, description="whether embeddings are scaled to length 1")
    loss: Annotated[str, OneOf(LOSSES)] = Field(
        "triplet",
        description="what is minimised. `triplet`; `weighted`: triplets weighted with how far apart the recognition"
        " rates are; `ordinal`: no triplets, but an ordinal regression of the recognition rate on the distance",
    )
    margin: float = Field(
        1.0, gt=0, description="by how much an unrecognised reconstruction should be farther than a recognised one"
    )
    anchor: Literal["original", "released"] = Field(
        "original",
        description="what is compared in training. Each reconstruction with its `original`; or, as the `released` code"
        " has it, both of a triplet with one image, which may be a reconstruction",
    )
    reference: Literal["original", "attacked"] = Field(
        "original",
        description="what counts as the original. The `original` before augmentation, as in the paper, or what was"
        " `attacked`",
    )
    label_share: float = Field(
        1.0, gt=0, le=1, description="the share of the labelled reconstructions that it learns from"
    )

    def check_fit(self, image_size):
        """Refuse a side of images or a width that the backbone does not take, with a `SemsimError`."""
        check_architecture(self.backbone, image_size, self.width)


class Variant(SemSimSettings):
    """SemSim with other settings, tried beside it."""

    evaluation: Literal["unnormalised", "itself"] | None = Field(
        None,
        description="how it is evaluated, if not as it was trained; its weights are those without this setting."
        " `unnormalised` measures embeddings that are not scaled to length 1, `itself` compares each reconstruction"
        " with itself, both as in the paper's released code",
    )


VariantChanges = changes_of(Variant)
SemSimRecipe = with_defaults(Recipe, "SemSimRecipe", epochs=100, learning_rate=0.05, milestones=(0.37, 0.62, 0.87))
"""The recipe of the paper's released code: SGD, 100 epochs of batches of 64, x 0.1 at epochs 37, 62 and 87."""
ClassifierRecipe = with_defaults(
    Recipe, "ClassifierRecipe", epochs=40, optimiser="adamw", schedule="one-cycle", learning_rate=0.004
)
"""How the plain classifier is trained that SemSim may start from."""
