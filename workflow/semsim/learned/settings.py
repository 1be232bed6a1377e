"""The settings of SemSim. Checking them needs no PyTorch."""

from typing import Annotated, Literal

from pydantic import Field

from semsim.errors import SemsimError
from semsim.learned.backbones import BACKBONES, PRETRAINED
from semsim.settings import OneOf, Settings, changes_of, with_defaults
from semsim.targets.architectures import check_network
from semsim.targets.recipe import Recipe

LOSSES = {
    "triplet": "TripletLoss",
    "weighted": "WeightedTripletLoss",
    "ordinal": "OrdinalLoss",
}
"""The losses by name, as names of classes in `semsim.learned.losses`."""


class SemSimSettings(Settings):
    """What SemSim is, and how it learns. The defaults are the recipe of the paper's released code."""

    backbone: Annotated[str, OneOf(BACKBONES)] = Field(
        "resnet18",
        description="the network whose features are compared: one of the project's"
        " [architectures](#architectures), without its classification layer; or a"
        " [pretrained network](#a-pretrained-backbone), for photographs",
    )
    width: int | None = Field(None, ge=1, description="width of the backbone, as for target models")
    start: Literal["random", "classifier"] = Field(
        "random",
        description="initial weights: random, or those of a plain classifier. The classifier is trained on `public`"
        " images, half of them degraded as for the observers; for embedded images, a mobilenet of width 32 ships with"
        " semsim. A pretrained backbone is a classifier already",
    )
    normalised: bool = Field(True, description="whether embeddings are scaled to unit length")
    loss: Annotated[str, OneOf(LOSSES)] = Field(
        "triplet",
        description="loss. `triplet`: the triplet loss; `weighted`: triplets are weighted by the difference of their"
        " recognition rates; `ordinal`: an ordinal regression of the recognition rate on the distance, without"
        " triplets",
    )
    margin: float = Field(
        1.0, gt=0, description="how much farther an unrecognised reconstruction should be than a recognised one"
    )
    anchor: Literal["original", "released"] = Field(
        "original",
        description="anchor of a triplet in training. `original`: each reconstruction is compared with its original;"
        " `released`: as in the released code, both with the same image, which may be a reconstruction",
    )
    reference: Literal["original", "attacked"] = Field(
        "original",
        description="the image with which reconstructions are compared: the `original` before augmentation, as in the"
        " paper, or the `attacked` image after it",
    )
    label_share: float = Field(
        1.0, gt=0, le=1, description="fraction of the labelled reconstructions that it is trained on"
    )

    @property
    def pretrained(self) -> bool:
        """Whether the backbone is a pretrained network, which stays as it is."""
        return self.backbone in PRETRAINED

    def check_fit(self, image_size: int) -> None:
        """Raise `SemsimError` if the backbone does not support this image size, or another setting."""
        check_network(self.backbone, self.pretrained, image_size, self.width)
        if not self.pretrained:
            return
        if self.start != "classifier":
            raise SemsimError(
                f"{self.backbone} is pretrained and cannot start from random weights. Set `start: classifier`, or"
                " another backbone as well."
            )
        if not self.normalised or self.anchor != "original":
            raise SemsimError(
                f"{self.backbone} is pretrained: its features are always scaled to unit length, and each reconstruction"
                " is compared with its original. Leave out `normalised` and `anchor`, or set another backbone."
            )


class Variant(SemSimSettings):
    """SemSim with other settings, evaluated alongside it."""

    evaluation: Literal["unnormalised", "itself"] | None = Field(
        None,
        description="how it is evaluated, if not as it was trained; training is not affected. `unnormalised` does not"
        " scale embeddings to unit length, `itself` compares each reconstruction with itself; the paper's released"
        " code does both",
    )

    def check_fit(self, image_size: int) -> None:
        """Raise `SemsimError` as `SemSimSettings.check_fit` does."""
        super().check_fit(image_size)
        if self.pretrained and self.evaluation == "unnormalised":
            raise SemsimError(
                f"{self.backbone} is pretrained: its features are always scaled to unit length. Leave out"
                " `evaluation: unnormalised`, or set another backbone."
            )


VariantChanges = changes_of(Variant)
SemSimRecipe = with_defaults(Recipe, "SemSimRecipe", epochs=100, learning_rate=0.05, milestones=(0.37, 0.62, 0.87))
"""The recipe of the paper's released code: SGD, 100 epochs of batches of 64, x 0.1 at epochs 37, 62 and 87."""
ClassifierRecipe = with_defaults(
    Recipe, "ClassifierRecipe", epochs=40, optimiser="adamw", schedule="one-cycle", learning_rate=0.004
)
"""How the plain classifier from which SemSim may be initialised is trained."""
