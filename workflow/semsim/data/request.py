"""What a study requests from a data set."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from semsim.data.dataset import SPLITS
from semsim.data.kinds import KINDS, Kind
from semsim.errors import SemsimError
from semsim.settings import OneOf, Place, Settings, validated
from semsim.text import counted

ImageSize = Annotated[int, Field(ge=16, le=512)]
"""Side of square images, in pixels. Smaller images cannot be recognised, and some metrics are undefined on them."""


class DatasetSettings(Settings):
    """The settings of a data set: which images it has."""

    kind: Annotated[str, OneOf(KINDS)] = Field(
        description="where the images come from. "
        + ". ".join(f"`{name}`: {kind.about}" for name, kind in KINDS.items() if not kind.published)
        + ". The others are [published data sets](#published-data-sets)"
    )
    path: Place | None = Field(
        None,
        description="for kind `folder`: a folder or .zip file with `<class>/<image>` or `<split>/<class>/<image>`"
        " inside. A relative path is looked up in the mirror first, then in the working directory",
    )
    classes: int | None = Field(
        None, ge=2, description="number of classes to use, the first ones in alphabetical order; `null` takes all"
    )
    train: int = Field(ge=2, description="number of images that target models are trained on")
    originals: int = Field(ge=1, description="number of images that are attacked. No target model was trained on them")
    public: int = Field(
        ge=1,
        description="number of further images of the same classes that observers and learned metrics may use",
    )

    @model_validator(mode="after")
    def _path_suits_kind(self):
        if KINDS[self.kind].has_path and self.path is None:
            raise ValueError("'path' is missing: the folder or .zip file that holds the images.")
        if self.path is not None and not KINDS[self.kind].has_path:
            with_path = ", ".join(name for name, kind in KINDS.items() if kind.has_path)
            raise ValueError(f"images of kind {self.kind} take no 'path'. For your own images, use kind {with_path}.")
        return self


class _SizedSettings(DatasetSettings):
    image_size: ImageSize = Field(description="side of the square images, in pixels")


@dataclass(frozen=True)
class Request:
    """A checked request for images, and where to look for them.

    Attributes
    ----------
    name : str
        Name of the data set in the study.
    counts : dict of str to int
        Number of images of each of `SPLITS`.
    image_size : int
        Side of the square images in pixels.
    seed : int
        The study's seed.
    class_limit : int or None
        Use only the first n classes, by name.
    path : str or None
        Path of a data set of kind `folder`.
    numbers : tuple of int or None
        The originals, by their places in the published order of the test part; used where the source has that order.
    mirror : pathlib.Path or None
        The folder in which a relative `path` and ``<kind>.zip`` of a published data set are looked up first.
    """

    name: str
    counts: dict[str, int]
    image_size: int
    seed: int
    class_limit: int | None = None
    path: str | None = None
    numbers: tuple[int, ...] | None = None
    mirror: Path | None = None

    def first_classes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the classes to use out of all `names`: sorted, and no more than `class_limit`, a tuple of str.

        Raises
        ------
        SemsimError
            If there are fewer than requested, or fewer than the two that a classifier needs.
        """
        names = sorted(names)
        wanted = len(names) if self.class_limit is None else self.class_limit
        if not 2 <= wanted <= len(names):
            raise SemsimError(
                f"data set '{self.name}': has {counted(len(names), 'classes')}, {wanted} requested. "
                f"Set `classes` to a number between 2 and {len(names)}."
            )
        return tuple(names[:wanted])


def check_request(
    name: str,
    settings: dict,
    image_size: int,
    seed: int,
    mirror: str | os.PathLike | None = None,
    numbers: Sequence[int] | None = None,
) -> tuple[Kind, Request]:
    """Check the parameters of `semsim.data.prepare_dataset`.

    Returns
    -------
    kind : semsim.data.kinds.Kind
    request : Request

    Raises
    ------
    SemsimError
        If the image size or a setting is missing or invalid.
    """
    settings = validated(_SizedSettings, settings | {"image_size": image_size}, f"data set '{name}' is not valid")
    request = Request(
        name=name,
        counts={split: getattr(settings, split) for split in SPLITS},
        image_size=settings.image_size,
        seed=seed,
        class_limit=settings.classes,
        path=settings.path,
        numbers=None if numbers is None else tuple(numbers),
        mirror=Path(mirror).expanduser() if mirror else None,
    )
    return KINDS[settings.kind], request
