"""The settings of a study: those of its stages, put together, and the rules between them.

Checking them needs no PyTorch.
"""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from semsim.attacks.settings import PRESETS, AttackSettings
from semsim.data.request import DatasetSettings, ImageSize
from semsim.defects import DEFECTS
from semsim.learned.settings import ClassifierRecipe, SemSimRecipe, SemSimSettings, VariantChanges
from semsim.observers.settings import OBSERVERS, ObserverRecipe, ObserverSettings
from semsim.settings import OneOf, Settings, changes_of, written
from semsim.targets.recipe import TargetRecipe
from semsim.targets.settings import TargetSettings
from semsim.text import alike_in_small_letters, listed

STUDY_NAME = r"^[a-z0-9][a-z0-9-]*$"
TAKEN = ("reference", "human-study", "released")
"""Folders of results that are no study's."""
LONGEST_NAME = 64
ENTRY_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
NO_NAME = re.compile(r"all|(?i:na|nan|null|none|true|false|inf|infinity)")
"""What tables take for no value, a truth value or a number."""


def _check_entry_name(name):
    if not isinstance(name, str) or not ENTRY_NAME.fullmatch(name) or NO_NAME.fullmatch(name):
        raise ValueError(
            f"{written(name)} cannot be used (a name stands in tables and file names, so it begins with a letter, has"
            f" letters, digits, hyphens and underscores, {LONGEST_NAME} at most, and is not `all`, nor, in small"
            " letters or capitals, what tables take for no value, a truth value or a number, such as `na`, `none`,"
            " `true` or `inf`)."
        )
    return name


def _check_study_name(name):
    if name in TAKEN:
        raise ValueError(f"{name!r} cannot be used: results/{name}/ is not a study's. Take another name.")
    return name


def _given(entries):
    """Leave out what is set to null."""
    return {name: entry for name, entry in entries.items() if entry is not None}


def _apart(entries):
    """Refuse names that would be one and the same folder on some systems."""
    if alike := alike_in_small_letters(entries):
        raise ValueError(f"{listed(alike)} differ only in capitals, and file systems may take them for one. Rename.")
    return entries


def _not_empty(entries):
    if not entries:
        raise ValueError("there is none, and at least one is needed. (Entries set to null are left out.)")
    return entries


def _each_once(items):
    if len(set(items)) < len(items):
        raise ValueError(f"{', '.join(items)}: one of them stands there twice.")
    return items


Entry = TypeVar("Entry")
EntryName = Annotated[str, BeforeValidator(_check_entry_name)]
Entries = Annotated[dict[EntryName, Entry | None], AfterValidator(_given), AfterValidator(_apart)]
"""Settings by names that people choose; null leaves one out."""
SomeEntries = Annotated[Entries[Entry], AfterValidator(_not_empty)]
"""The same, and not none."""
StudyName = Annotated[
    str, Field(pattern=STUDY_NAME, min_length=1, max_length=LONGEST_NAME), AfterValidator(_check_study_name)
]
Place = Annotated[str, Field(min_length=1)]
"""A file or folder."""
RecipeChanges = changes_of(TargetRecipe)


class StudyAttack(changes_of(AttackSettings)):
    """A preset, and the settings that differ from it."""

    preset: Annotated[str, OneOf(PRESETS)] | None = Field(
        None,
        description="the attack that the other settings start from. It may be left out where the attack bears its name",
    )


class StudyDataset(DatasetSettings):
    """A data set, and what differs for it."""

    image_size: ImageSize | None = Field(
        None, description="side of this data set's images, in pixels; `null` takes the study's"
    )
    training: RecipeChanges = Field(
        default_factory=RecipeChanges, description="changes of the section `training` for this data set"
    )
    attacks: dict[str, StudyAttack] = Field(
        {}, description="changes of the section `attacks` for this data set, such as `{invertgrad: {steps: 2000}}`"
    )


class StudyTarget(TargetSettings):
    """A target model, and how its training differs."""

    training: RecipeChanges = Field(
        default_factory=RecipeChanges, description="changes of the section `training` for this target"
    )


class StudySemSim(SemSimSettings):
    """SemSim as the study has it."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_ablation(cls, settings):
        if isinstance(settings, dict) and "evaluation" in settings:
            raise ValueError("SemSim is evaluated as it was trained: try 'evaluation' in `ablations`.")
        return settings


class Ablation(VariantChanges):
    """Changes of SemSim's settings, tried beside them."""

    @model_validator(mode="after")
    def _changes_something(self):
        if not self.model_fields_set:
            raise ValueError("it changes nothing. Name a setting of `semsim` and another value.")
        return self


class StudySettings(Settings):
    """What is reconstructed, from which models, by which attacks, and how it is judged."""

    study: StudyName = Field(
        description="the name of the study, in lower-case letters, digits and hyphens. Results go to"
        " `results/<study>/`, figures to `figures/<study>/`"
    )
    seed: int = Field(
        1,
        ge=0,
        description="whole number from which every random choice follows. Equal seeds give equal results, on any number"
        " of cores",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="where networks run; `auto` takes CUDA if there is one. Asking for `cuda` where there is none is an"
        " error",
    )
    image_size: ImageSize = Field(
        32, description="side of all images, in pixels. Others are resized and cropped at the centre"
    )
    memory_gib: float = Field(
        2,
        gt=0,
        description="memory that one attack may fill with originals attacked at once, in GiB. The rest are queued",
    )
    shard: int | None = Field(
        None,
        ge=1,
        description="how many originals one job attacks; `null` is all. With thousands of steps on a large model,"
        " shards keep jobs short. They belong to the study: another value gives other, equally good reconstructions",
    )
    mirror: Place | None = Field(
        None,
        description="folder with local copies of data sets, such as `cifar100.zip`; `null` takes the environment"
        " variable `SEMSIM_MIRROR`, if it is set",
    )
    weights: Place | None = Field(
        None,
        description="folder with public pretrained weights, AlexNet for LPIPS, Inception for FID and KID; `null` takes"
        " torch hub's checkpoint folder. Nothing is downloaded: metrics whose weights are missing are left out, and the"
        " tables say so",
    )
    resamples: int = Field(
        10000,
        ge=100,
        description="how often originals and target models are resampled for the intervals of a statistic",
    )
    labels: Place | None = Field(
        None,
        description="folder of a campaign whose annotators labelled this study's reconstructions; `null` asks the"
        " simulated observers. See [`annotations/`](../annotations/README.md)",
    )
    folds: int = Field(
        4, ge=2, description="into how many parts the originals of each data set are divided to try SemSim on each part"
    )
    released: bool = Field(
        False,
        description="whether SemSim learns from the images that the paper's authors released and people labelled, in"
        " place of the study's own. See [below](#semsim-from-peoples-labels)",
    )
    builds_on: StudyName | None = Field(
        None,
        description="another study of the same data sets, targets, attacks and labels, whose results this one reuses"
        " (or makes) instead of its own. For `ablations` and `defects` alone",
    )
    defects: Annotated[list[Annotated[str, OneOf(DEFECTS)]], AfterValidator(_each_once)] = Field(
        [],
        description="defects of the metrics and defences in the paper's released code, whose effect is measured in"
        " place of a report. See [below](#defects-of-the-released-code)",
    )
    datasets: SomeEntries[StudyDataset] = Field(description="the data sets by name")
    training: TargetRecipe = Field(default_factory=TargetRecipe, description="how target models are trained")
    targets: SomeEntries[StudyTarget] = Field(description="the target models by name")
    attacks: SomeEntries[StudyAttack] = Field(description="the attacks by name")
    observers: Entries[ObserverSettings] = Field(OBSERVERS, description="the simulated observers by name")
    observer_training: ObserverRecipe = Field(default_factory=ObserverRecipe, description="how observers are trained")
    semsim: StudySemSim = Field(default_factory=StudySemSim, description="what SemSim is, and how it learns")
    semsim_training: SemSimRecipe = Field(default_factory=SemSimRecipe, description="how SemSim is trained")
    classifier_training: ClassifierRecipe = Field(
        default_factory=ClassifierRecipe,
        description="how the plain classifier is trained, SemSim's start and one of its baselines",
    )
    ablations: list[Ablation] = Field(
        [],
        description="changes of the settings of `semsim`, each of which is tried beside them on folds over originals",
    )
