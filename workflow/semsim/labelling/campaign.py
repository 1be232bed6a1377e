"""A campaign's folder: what annotators are asked and shown, read and checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field

from semsim.errors import SemsimError, refuse
from semsim.io.texts import read_text
from semsim.io.yaml_files import read_yaml
from semsim.labels.images import IMAGE_COLUMNS, read_images
from semsim.names import composed, is_visible
from semsim.settings import OneOf, Settings, validated
from semsim.text import ANNOTATORS, first_few, quoted

CHECK_COLUMNS = ["image", "dataset", "label"]
SOURCE = "source"
"""The column of ``images.csv`` with what an image was called before the campaign numbered it, where it had a name."""
IMAGE_NAME = re.compile(r"\w[\w.-]*\.png")
"""A file in ``images/``, and never a path."""


class Panel(Settings):
    """A panel such as Prolific that sends participants through one link."""

    parameter: str = Field(
        pattern="^[A-Za-z][A-Za-z0-9_-]{0,39}$",
        description="the parameter of the link that holds the participant's ID, such as PROLIFIC_PID or workerId",
    )
    completion_code: str | None = Field(
        None,
        pattern="^[A-Za-z0-9-]{4,40}$",
        description="the code shown at the end; null shows each participant an individual one",
    )
    completion_url: str | None = Field(
        None,
        pattern="^https://",
        description="the target of the link at the end, if there is one; an address that starts with https://",
    )
    participants: int | None = Field(
        None,
        ge=1,
        description="the number of participants who may answer at most; null for twice as many as are needed",
    )
    signed: bool = Field(
        False, description="whether the panel signs the IDs of its participants, so that nobody can make them up"
    )


def _different(names):
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{first_few(twice)}: named twice.")
    return names


def _visible(name):
    if not is_visible(name):
        raise ValueError(f"{quoted(name)} has invisible characters, which may hide or turn what annotators read.")
    return name


Composed = Annotated[str, AfterValidator(composed)]
ClassName = Annotated[
    Composed,
    Field(min_length=1, max_length=80, description="a name, in quotes if it looks like a number"),
    AfterValidator(_visible),
]
ClassNames = Annotated[
    list[ClassName], Field(min_length=2, description="at least two different names"), AfterValidator(_different)
]


class Classes(Settings):
    """The classes of one data set."""

    classes: ClassNames


class CampaignSettings(Settings):
    """The settings in ``campaign.yaml``: what annotators are asked."""

    title: str = Field(min_length=1, max_length=80, description="the headline of the page")
    question: str = Field(min_length=1, max_length=300, description="what is asked about every image")
    kind: Annotated[str, OneOf(ANNOTATORS)] = Field(
        "human", description="what the annotators are; labels from elsewhere have their own kind"
    )
    labels_per_image: int = Field(5, ge=1, description="how many annotators see each image")
    images_per_annotator: int | None = Field(
        None,
        ge=1,
        description="how many images one annotator is asked about, not counting checks and repeats; null for all",
    )
    checks: float = Field(
        0.05, ge=0, le=0.5, description="attention checks (clear images), as a share of an annotator's images"
    )
    repeats: float = Field(
        0.05, ge=0, le=0.25, description="images shown a second time, as a share of an annotator's images"
    )
    forced_choice: bool = Field(
        False, description="whether annotators must name a class, so that nobody can say that they can't tell"
    )
    patience_hours: float = Field(
        24,
        gt=0,
        le=87_600,
        description="after this many inactive hours, others are asked about the images that an annotator has left open",
    )
    seed: int = Field(1, ge=0, description="whole number that determines every random choice")
    classes: dict[Composed, ClassNames] = Field(
        min_length=1, description="the names of the classes by data set, in the order of their numbers"
    )
    panel: Panel | None = Field(
        None,
        description="a panel such as Prolific that sends participants through one link; null if there is none",
    )


def campaign_folder(name: str | os.PathLike) -> Path:
    """Return the folder of a campaign given on the command line: a name without a slash is one in ``annotations/``."""
    is_path = "/" in os.fspath(name) or os.fspath(name) in (".", "..")
    return Path(name) if is_path else Path("annotations") / name


def as_argument(folder: str | os.PathLike) -> str:
    """Return how a command line names a campaign's folder, so that `campaign_folder` finds it again.

    Examples
    --------
    >>> as_argument("annotations/pilot"), as_argument("pilot"), as_argument("my pilots/1")
    ('annotations/pilot', './pilot', "'my pilots/1'")
    """
    path = os.fspath(folder)
    return shlex.quote(path if "/" in path else f"./{path}")


@dataclass(frozen=True)
class Campaign:
    """A campaign that can be served.

    Attributes
    ----------
    folder : pathlib.Path
    settings : CampaignSettings
    images : pandas.DataFrame
        The images asked about: image, dataset, target, attack, original, label (the true class); source, where the
        campaign has numbered files that had names.
    checks : pandas.DataFrame
        Clear images of the same classes: image, dataset, label.
    consent, instructions : str
        Plain text that the page shows.
    """

    folder: Path
    settings: dict
    images: pd.DataFrame
    checks: pd.DataFrame
    consent: str
    instructions: str

    @property
    def database(self) -> Path:
        """The database of answers."""
        return self.folder / "answers.sqlite"

    @property
    def labels(self) -> Path:
        """The table of labels, once they are exported; if they were given elsewhere, there is no database."""
        return self.folder / "labels.csv"

    @property
    def class_counts(self) -> dict[str, int]:
        """The number of classes by data set."""
        return {dataset: len(names) for dataset, names in self.classes.items()}

    @property
    def secret(self) -> Path:
        """The file with the secret from which links are made."""
        return self.folder / "answers.secret"

    @property
    def classes(self) -> dict[str, list[str]]:
        """The names of the classes by data set."""
        return self.settings.classes

    @cached_property
    def datasets(self) -> dict[str, str]:
        """The data set of each image, including checks."""
        both = pd.concat([self.images, self.checks])
        return dict(zip(both["image"], both["dataset"], strict=True))

    @property
    def images_each(self) -> int:
        """How many images an annotator is asked about, as long as enough need labels."""
        return min(self.settings.images_per_annotator or len(self.images), len(self.images))

    @property
    def most_participants(self) -> int:
        """How many participants of a panel may answer."""
        needed = ceil(len(self.images) * self.settings.labels_per_image / self.images_each)
        return (self.settings.panel and self.settings.panel.participants) or 2 * needed

    def path_of(self, image: str) -> Path:
        """Return the file of an image."""
        return self.folder / "images" / image

    def has_image(self, image: str) -> bool:
        """Return whether a name is that of a PNG file in ``images/``; a link that leads out of there is none."""
        path = self.path_of(image)
        is_file = bool(IMAGE_NAME.fullmatch(image)) and path.is_file()
        return is_file and (not path.is_symlink() or path.resolve().is_relative_to(path.parent.resolve()))

    def picture(self, image: str) -> bytes:
        """Return the content of an image.

        Raises
        ------
        SemsimError
            If it is not the one with which the campaign was opened.
        """
        content = self.path_of(image).read_bytes() if self.has_image(image) else b""
        if _hash(content) != self._hashes[image]:
            raise SemsimError(f"{self.path_of(image)}: no longer the picture it was. Restore it.")
        return content

    @cached_property
    def _hashes(self):
        return {image: _hash(self.path_of(image).read_bytes()) for image in self.datasets}

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of what must not change once there are answers, by what it is."""
        tables = [self.images[["image", "dataset", "target", "attack", "original", "label"]], self.checks]
        parts = {
            "words of the question": [self.settings.question, self.settings.forced_choice],
            "instructions": self.instructions,
            "classes": self.classes,
            "tables of images": [table.to_csv(index=False) for table in tables],
            "pictures": self._hashes,
        }
        return {name: _hash(json.dumps(part).encode()) for name, part in parts.items()}


def _hash(content):
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_campaign_folder(folder: str | os.PathLike) -> Campaign:
    """Read a campaign and refuse an invalid one.

    Parameters
    ----------
    folder : path-like
        As written by `semsim.labelling.making` and described in annotations/README.md.

    Returns
    -------
    Campaign

    Raises
    ------
    SemsimError
        If a file is missing or invalid; the message names it.
    """
    folder = _existing(folder)
    campaign = Campaign(
        folder=folder,
        settings=read_settings(folder / "campaign.yaml"),
        images=_read_images(folder / "images.csv", [*IMAGE_COLUMNS, SOURCE]),
        checks=_read_images(folder / "checks.csv", CHECK_COLUMNS),
        consent=read_text(folder / "consent.txt"),
        instructions=read_text(folder / "instructions.txt"),
    )
    refuse([*_problems(campaign), *_problems_of_pictures(campaign)], f"{folder}: not a valid campaign")
    return campaign


def _existing(folder):
    folder = Path(folder)
    if not folder.is_dir():
        raise SemsimError(
            f"{folder}: no such campaign. Create it with: semsim label new {as_argument(folder)} --study STUDY"
        )
    return folder


def has_labels_from_elsewhere(folder: str | os.PathLike) -> bool:
    """Return whether a campaign has labels, but no database of answers from which they were exported."""
    folder = Path(folder)
    return (folder / "labels.csv").exists() and not (folder / "answers.sqlite").exists()


def read_results_folder(folder: str | os.PathLike) -> Campaign:
    """Read what the results of a campaign need: not its texts and, if its labels were given elsewhere, no checks.

    Parameters
    ----------
    folder : path-like
        As for `read_campaign_folder`, or as written by `semsim.labelling.importing`.

    Returns
    -------
    Campaign
        One with labels from elsewhere has no checks, empty texts, and pictures only if there are any.

    Raises
    ------
    SemsimError
        If a file is missing or invalid; the message names it.
    """
    folder = _existing(folder)
    if not has_labels_from_elsewhere(folder):
        return read_campaign_folder(folder)
    campaign = Campaign(
        folder=folder,
        settings=read_settings(folder / "campaign.yaml"),
        images=_read_images(folder / "images.csv", [*IMAGE_COLUMNS, SOURCE]),
        checks=pd.DataFrame(columns=CHECK_COLUMNS),
        consent="",
        instructions="",
    )
    refuse(_problems(campaign), f"{folder}: not a valid campaign")
    return campaign


def read_settings(path: str | os.PathLike) -> CampaignSettings:
    """Read ``campaign.yaml``, check it, and fill in the defaults.

    Raises
    ------
    SemsimError
        If it cannot be read, or is not what `CampaignSettings` say.
    """
    return validated(CampaignSettings, read_yaml(path), f"{path} is not valid")


def _read_images(path, columns):
    needed = [name for name in columns if name != SOURCE]
    table = read_images(path, needed).reset_index(drop=True)
    return table[[name for name in columns if name in table]]


def _problems(campaign):
    """Yield what is inconsistent in the tables."""
    if campaign.images.empty:
        yield "images.csv: no images, so there is nothing to ask."
    for name, table in (("images.csv", campaign.images), ("checks.csv", campaign.checks)):
        counts = table["dataset"].map(campaign.class_counts).astype(float)
        yield from _listed(f"{name}: data sets without classes in campaign.yaml", table["dataset"][counts.isna()])
        wrong = counts.notna() & ~(table["label"].isna() | table["label"].between(0, counts - 1))
        yield from _listed(f"{name}: not of a class that campaign.yaml has", table["image"][wrong])


def _problems_of_pictures(campaign):
    """Yield what is wrong with the pictures that annotators are to see."""
    for name, table in (("images.csv", campaign.images), ("checks.csv", campaign.checks)):
        files = table["image"].map(campaign.has_image).astype(bool)
        yield from _listed(f"{name}: no such PNG file in images/", table["image"][~files])
    shared = campaign.checks["image"][campaign.checks["image"].isin(campaign.images["image"])]
    yield from _listed("checks.csv: also in images.csv, so checks and questions could not be told apart", shared)


def _listed(what, values):
    values = list(dict.fromkeys(values))
    if values:
        yield f"{what}: {first_few(values)}."
