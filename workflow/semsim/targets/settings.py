"""The settings of a target model. Checking them needs no PyTorch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from semsim.errors import SemsimError
from semsim.names import short_name
from semsim.settings import OneOf, Place, Settings, Several, checked_by
from semsim.targets.architectures import ARCHITECTURES, check_architecture
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import AnyDefence, GradientDefence
from semsim.targets.own_networks import TORCHVISION, check_arguments, check_file, network_label
from semsim.targets.traits import TARGET
from semsim.text import listed
from semsim.validation import written

if TYPE_CHECKING:
    from semsim.targets.models import Target

Width = Annotated[int | None, Field(ge=1)]


class OwnNetwork(Settings):
    """A network from a Python file."""

    file: Place = Field(
        description="path of the Python file, relative to the working directory. Its imports must be installed",
    )
    name: str = Field(
        "build",
        min_length=1,
        description="the function or class in that file that builds the network. It is called with the keyword argument"
        " `classes`, with `image_size` if it accepts one, and with `arguments`. It returns a `torch.nn.Module` that"
        " maps normalised images [N, 3, S, S] to logits [N, classes]",
    )
    arguments: Annotated[dict[str, Any], checked_by(check_arguments)] = Field(
        {}, description="further keyword arguments of that call"
    )
    last: str | None = Field(
        None, description="the name of the last linear layer, as in `named_modules()`; with `null`, it is detected"
    )
    traits: Several[Annotated[str, OneOf(TARGET)]] = Field(
        ("last_bias",),
        description="what attacks may rely on: "
        + "; ".join(f"`{name}`, {about}" for name, about in TARGET.items())
        + ". Attacks that need anything else are not run on this target",
    )

    @model_validator(mode="after")
    def _is_there(self):
        try:
            check_file(self.file, self.name)
        except SemsimError as error:
            raise ValueError(str(error)) from None
        return self


class _NetworkName(OneOf):
    """A name of the registry, or ``torchvision:`` followed by a name that only torchvision can check."""

    def __get_pydantic_json_schema__(self, core_schema, handler):
        named = super().__get_pydantic_json_schema__(core_schema, handler)
        return {"anyOf": [named, {"type": "string", "pattern": f"^{TORCHVISION}[A-Za-z0-9_]+$"}]}

    def _check(self, name):
        if name.startswith(TORCHVISION):
            if not re.fullmatch(r"[A-Za-z0-9_]+", name.removeprefix(TORCHVISION)):
                raise ValueError(f"{written(name)} is not a network. Write, for instance, {TORCHVISION}resnet18.")
            return name
        return super()._check(name)


Network = Annotated[
    Annotated[str, _NetworkName(ARCHITECTURES), Tag("name")] | Annotated[OwnNetwork, Tag("OwnNetwork")],
    Discriminator(lambda value: "OwnNetwork" if isinstance(value, dict | OwnNetwork) else "name"),
]
"""An architecture of the project, of torchvision, or from a file."""
Mean = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(gt=0, le=1)]


class Normalisation(Settings):
    """How images are normalised: each channel minus its mean, divided by its standard deviation."""

    mean: Annotated[Several[Mean], Field(min_length=3, max_length=3)] = Field(
        description="mean of the red, green and blue channels of images in [0, 1]"
    )
    std: Annotated[Several[Spread], Field(min_length=3, max_length=3)] = Field(
        description="standard deviation of these channels"
    )


class TargetSettings(Settings):
    """What a target model is."""

    architecture: Network = Field(
        description="the network: one of [these](#architectures); `torchvision:NAME`, one of torchvision's, such as"
        " `torchvision:resnet18`; or [one of your own](#a-network-of-your-own)"
    )
    width: Width = Field(
        None,
        description="width of the network, if it can be chosen: the number of channels of the first layer, in units of"
        " 16 for `resnet20`, or of hidden units for `mlp`; `null` takes the [default](#architectures)",
    )
    augmentation: Annotated[str, checked_by(Augmentation)] = Field(
        "none",
        description="how images are augmented, in training and before their gradient is shared. `none`: not at all."
        " `crop`: random crop and flip. `3-1-7`: the same, followed by the transformations 3, 1 and 7 of ATSPrivacy."
        " `3-1-7+43-18-18`: one of two such policies for each image",
    )
    gradient_defence: AnyDefence | None = Field(
        None, description="the defence of gradients, one of [these](#gradient-defences); `null` is no defence"
    )
    weights: Place | None = Field(
        None,
        description="a file with the state dict from which training starts: .safetensors, or .pt with only tensors;"
        " `null` draws random weights. With `training: {epochs: 0}`, the weights stay unchanged",
    )
    normalisation: Normalisation | None = Field(
        None,
        description="`{mean: [...], std: [...]}` of the channels of images in [0, 1]; `null` takes those of the"
        " training images. Give the values that your weights were trained with",
    )

    @model_validator(mode="after")
    def _trains_alone(self):
        if self.defence.alone_in_training and self.defence.acts_on("training") and "batchnorm" in self.traits:
            without = [name for name, each in ARCHITECTURES.items() if "batchnorm" not in each.traits]
            raise ValueError(
                f"gradient_defence {self.defence.kind} needs the gradient of each image alone in training, but"
                f" {self.label} has BatchNorm layers. Choose an architecture without them ({', '.join(without)}), or"
                " `scope: shared`."
            )
        return self

    @property
    def network(self) -> str | dict:
        """The architecture, as `semsim.targets.models.build_target` takes it: str or dict."""
        own = isinstance(self.architecture, OwnNetwork)
        return self.architecture.model_dump(mode="json", exclude={"traits"}) if own else self.architecture

    @property
    def label(self) -> str:
        """What the network is called in tables and in names of files."""
        return network_label(self.network)

    @property
    def traits(self) -> frozenset[str]:
        """What attacks may rely on: a frozenset of keys of `semsim.targets.traits.TARGET`."""
        if isinstance(self.architecture, OwnNetwork):
            return frozenset(self.architecture.traits)
        known = ARCHITECTURES.get(self.architecture)
        return known.traits if known else frozenset({"last_bias"})

    @property
    def defence(self) -> GradientDefence:
        """The gradient defence, a `GradientDefence` where there is none."""
        return self.gradient_defence or GradientDefence()

    @property
    def defences(self) -> str:
        """Augmentation and gradient defence in one name, such as ``crop+prune-0.7``, or ``none``."""
        parts = [] if self.augmentation == "none" else [self.augmentation]
        return short_name("+".join([*parts, *([self.defence.trait] if self.gradient_defence else [])])) or "none"

    @property
    def network_files(self) -> list[str]:
        """The files that loading the model needs, besides that of its weights."""
        return [self.architecture.file] if isinstance(self.architecture, OwnNetwork) else []

    @property
    def files(self) -> list[str]:
        """The user's files that training the model needs, besides its data."""
        return [*self.network_files, *([self.weights] if self.weights else [])]

    def check_traits(self, target: Target) -> None:
        """Refuse a built model that lacks declared traits.

        Parameters
        ----------
        target : semsim.targets.models.Target

        Raises
        ------
        SemsimError
        """
        if isinstance(self.architecture, str) and self.architecture in ARCHITECTURES:
            return
        has = target.traits
        if lacking := sorted(self.traits - has):
            missing = listed([TARGET[trait] for trait in lacking])
            raise SemsimError(
                f"{self.label}: this network does not have {missing}, on which attacks rely. Declare the traits that it"
                f" has in `architecture`: traits: [{', '.join(sorted(has))}]."
            )

    def check_fit(self, image_size: int) -> None:
        """Raise `SemsimError` if the network does not support this image size or width."""
        if isinstance(self.architecture, str) and self.architecture in ARCHITECTURES:
            check_architecture(self.architecture, image_size, self.width)
        elif self.width is not None:
            raise SemsimError(f"{self.label} has no width to set. Remove 'width: {self.width}'.")
