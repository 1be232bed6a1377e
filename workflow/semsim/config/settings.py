"""The settings of a study: those of its stages, put together, and the rules between them.

Checking them needs no PyTorch.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from semsim.attacks.clients import ClientSettings
from semsim.attacks.settings import PRESETS, Attacker, AttackSettings, attack_settings
from semsim.data.request import DatasetSettings, ImageSize
from semsim.defects import DEFECTS
from semsim.learned.settings import ClassifierRecipe, SemSimRecipe, SemSimSettings, Variant, VariantChanges
from semsim.metrics import extra_metrics
from semsim.names import near_twins
from semsim.observers.settings import OBSERVERS, PANEL, ObserverRecipe, ObserverSettings, PanelSettings
from semsim.settings import OneOf, Place, Settings, changes_of
from semsim.targets.recipe import TargetRecipe
from semsim.targets.settings import TargetSettings
from semsim.targets.traits import KNOWLEDGE
from semsim.text import listed
from semsim.validation import written

EXTRA_METRICS = extra_metrics()
STUDY_NAME = r"^[a-z0-9][a-z0-9-]*$"
TAKEN = ("reference", "human-study", "human-study-others", "released", "embedded")
"""Folders of results that do not belong to a study."""
LONGEST_NAME = 64
ENTRY_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
NO_NAME = re.compile(r"all|(?i:na|nan|null|none|true|false|inf|infinity)")
"""Words that read as missing, Boolean or numeric values in tables."""


def _check_entry_name(name):
    if not isinstance(name, str) or not ENTRY_NAME.fullmatch(name) or NO_NAME.fullmatch(name):
        raise ValueError(
            f"{written(name)} cannot be used (a name appears in tables and file names: it begins with a letter and has"
            f" letters, digits, hyphens and underscores, at most {LONGEST_NAME}. Reserved are `all` and, in upper or"
            " lower case, words that read as missing, Boolean or numeric values, such as `na`, `none`, `true` and"
            " `inf`)."
        )
    return name


def _check_study_name(name):
    if name in TAKEN:
        raise ValueError(f"{name!r} cannot be used: results/{name}/ is reserved. Choose another name.")
    return name


def _given(entries):
    """Leave out what is set to null."""
    return {name: entry for name, entry in entries.items() if entry is not None}


def _apart(entries):
    """Refuse names that would be one and the same folder on some systems."""
    if alike := near_twins(entries):
        raise ValueError(f"{listed(alike)} differ only in capitals, and file systems may confuse them. Rename one.")
    return entries


def _not_empty(entries):
    if not entries:
        raise ValueError("at least one entry is needed. (Entries set to null are left out.)")
    return entries


def _each_once(items):
    if len(set(items)) < len(items):
        raise ValueError(f"{', '.join(items)}: one of them is listed twice.")
    return items


def _spelt_out(observers):
    """Replace `kind: panel` by the observers that it stands for."""
    if not isinstance(observers, dict) or not isinstance(observers.get("kind"), str):
        return observers
    if observers["kind"] != "panel":
        raise ValueError(f"kind: {written(observers['kind'])} is not known. There is `panel`.")
    if others := [name for name, each in observers.items() if name != "kind" and each is not None]:
        raise ValueError(f"`kind: panel` stands alone, without {listed(others)}. Set the others to null.")
    return {name: each.model_dump() for name, each in PANEL.items()}


Entry = TypeVar("Entry")
EntryName = Annotated[str, BeforeValidator(_check_entry_name)]
Entries = Annotated[dict[EntryName, Entry | None], AfterValidator(_given), AfterValidator(_apart)]
"""Settings by user-chosen names; null leaves an entry out."""
ObserverEntries = Entries[ObserverSettings] | PanelSettings
SomeEntries = Annotated[Entries[Entry], AfterValidator(_not_empty)]
"""The same, with at least one entry."""
StudyName = Annotated[
    str, Field(pattern=STUDY_NAME, min_length=1, max_length=LONGEST_NAME), AfterValidator(_check_study_name)
]
RecipeChanges = changes_of(TargetRecipe)


class StudyAttack(changes_of(AttackSettings)):
    """A preset, and the settings that differ from it."""

    preset: Annotated[str, OneOf(PRESETS)] | None = Field(
        None,
        description="the published attack that the other settings modify. May be left out if the attack has its name",
    )


class StudyDataset(DatasetSettings):
    """A data set, and the settings that differ for it."""

    image_size: ImageSize | None = Field(
        None, description="side of this data set's images, in pixels; `null` takes the study's"
    )
    training: RecipeChanges = Field(
        default_factory=RecipeChanges, description="overrides of the section `training` for this data set"
    )
    attacks: dict[str, StudyAttack] = Field(
        {}, description="overrides of the section `attacks` for this data set, such as `{invertgrad: {steps: 2000}}`"
    )


class StudyTarget(TargetSettings):
    """A target model, what its clients do, and the settings of its training that differ."""

    client: ClientSettings = Field(
        default_factory=ClientSettings,
        description="what a client computes before it shares, such as `{batch: 8}`; see [below](#clients)",
    )
    training: RecipeChanges = Field(
        default_factory=RecipeChanges, description="overrides of the section `training` for this target"
    )


class StudySemSim(SemSimSettings):
    """SemSim in a study."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_ablation(cls, settings):
        if isinstance(settings, dict) and "evaluation" in settings:
            raise ValueError("SemSim is evaluated as it was trained: 'evaluation' belongs in `ablations`.")
        return settings


class Ablation(VariantChanges):
    """Changes to SemSim's settings, evaluated alongside them."""

    @model_validator(mode="after")
    def _changes_something(self):
        if not self.model_fields_set:
            raise ValueError("it changes nothing. Name a setting of `semsim` and another value.")
        return self


class StudySettings(Settings):
    """What is reconstructed, from which models, by which attacks, and how it is evaluated."""

    study: StudyName = Field(
        description="the name of the study, in lower-case letters, digits and hyphens. Results go to"
        " `results/<study>/`, figures to `figures/<study>/`"
    )
    seed: int = Field(
        1,
        ge=0,
        description="seed of every random choice. Equal seeds give equal results, on any number of cores",
    )
    seeds: int = Field(
        10,
        ge=2,
        description="number of seeds, starting at `seed`, with which `make seeds` runs the study to show what holds"
        " across seeds",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="where networks run; `auto` uses CUDA if it is available. `cuda` without a GPU is an error",
    )
    image_size: ImageSize = Field(
        32, description="side of all images, in pixels. Images of other sizes are resized and centre-cropped"
    )
    memory_gib: float = Field(
        2,
        gt=0,
        description="memory for the originals that an attack processes at once, in GiB. The rest are queued",
    )
    shard: int | None = Field(
        None,
        ge=1,
        description="number of originals per attack job; `null` is all. With thousands of steps on a large model,"
        " shards keep jobs short. A different value gives different, equally good reconstructions",
    )
    mirror: Place | None = Field(
        None,
        description="folder with local copies of data sets, such as `cifar100.zip`; `null` uses the environment"
        " variable `SEMSIM_MIRROR`, if it is set",
    )
    weights: Place | None = Field(
        None,
        description="folder that is searched first for the weights of [pretrained networks](#pretrained-networks),"
        " before torch hub's folder and the cache of `semsim fetch`. A study downloads none: metrics whose weights are"
        " missing are left out, and listed in `unmeasured.csv`",
    )
    extra_metrics: Annotated[list[Annotated[str, OneOf(EXTRA_METRICS)]], AfterValidator(_each_once)] = Field(
        [],
        description="metrics that are only measured if they are listed here, because they are slow or add little to"
        " the others",
    )
    resamples: int = Field(
        10000,
        ge=100,
        description="number of bootstrap resamples of originals and target models for each interval",
    )
    labels: Place | None = Field(
        None,
        description="folder of a campaign whose annotators labelled this study's reconstructions; `null` uses"
        " simulated annotators (the section `observers`). See [`annotations/`](../annotations/README.md). `replayed`"
        " uses [people's labels of the paper's reconstructions](#the-published-labels-replayed)",
    )
    human_study_labels: Place | None = Field(
        None,
        description="folder of a campaign whose annotators, for instance models, labelled the images of the published"
        " human study. If set, `make human-study` evaluates these labels instead and writes to"
        " `results/human-study-others/`",
    )
    folds: int = Field(
        4, ge=2, description="number of cross-validation folds over the originals of each data set, for SemSim"
    )
    target_groups: int | None = Field(
        None,
        ge=2,
        description="number of groups of target models that are held out in turn when SemSim is tested, in addition to"
        " single architectures and defences; `null`: no groups",
    )
    released: bool = Field(
        False,
        description="whether SemSim is trained on the human-labelled images that the paper's authors released, instead"
        " of the study's own. See [below](#semsim-from-peoples-labels)",
    )
    builds_on: StudyName | None = Field(
        None,
        description="another study of the same data sets, targets, attacks and labels, whose results this one reuses"
        " (and computes if they are missing). Only `ablations` and `defects` may differ",
    )
    defects: Annotated[list[Annotated[str, OneOf(DEFECTS)]], AfterValidator(_each_once)] = Field(
        [],
        description="defects of the metrics and defences in the paper's released code. Their effects are measured"
        " instead of writing a report. See [below](#defects-of-the-released-code)",
    )
    datasets: SomeEntries[StudyDataset] = Field(description="the data sets by name")
    training: TargetRecipe = Field(default_factory=TargetRecipe, description="how target models are trained")
    targets: SomeEntries[StudyTarget] = Field(description="the target models by name")
    attacks: SomeEntries[StudyAttack] = Field(description="the attacks by name")
    attacker: Attacker = Field(default_factory=Attacker, description="what attackers know")
    observers: Annotated[
        Entries[ObserverSettings], BeforeValidator(_spelt_out, json_schema_input_type=ObserverEntries)
    ] = Field(
        OBSERVERS,
        description="the observers (simulated annotators) of all data sets except embedded ones, by name; or"
        " `{kind: panel}`, which stands for pretrained networks",
    )
    observer_training: ObserverRecipe = Field(default_factory=ObserverRecipe, description="how observers are trained")
    semsim: StudySemSim = Field(default_factory=StudySemSim, description="settings of SemSim")
    semsim_training: SemSimRecipe = Field(default_factory=SemSimRecipe, description="how SemSim is trained")
    classifier_training: ClassifierRecipe = Field(
        default_factory=ClassifierRecipe,
        description="how the plain classifier is trained, from which SemSim may be initialised and with which it is"
        " compared",
    )
    ablations: list[Ablation] = Field(
        [],
        description="changes to the settings of `semsim`, each evaluated alongside them on folds over originals",
    )

    def complete_attack(self, attack: str, dataset: str | None = None) -> dict[str, Any]:
        """Return the preset of an attack and all changes to it; those of the data set take precedence.

        Returns
        -------
        dict
            Arguments of `semsim.attacks.settings.attack_settings`.
        """
        complete = {"preset": attack}
        for part in (self.attacks[attack], dataset and self.datasets[dataset].attacks.get(attack)):
            if part:
                given = part.model_dump(exclude_unset=True)
                if part.preset is None:
                    given.pop("preset", None)  # null leaves it out
                if "priors" in given:
                    given["priors"] = complete.get("priors", {}) | given["priors"]
                complete |= given
        return complete

    def unmet_by(self, attack: str, target: str, dataset: str | None = None) -> list[str]:
        """Return the unmet requirements of an attack on a target model, as sentences; none if it fits.

        With a data set, they are those of the attack's settings for it.
        """
        traits = {*self.targets[target].traits, *self.targets[target].client.traits, *KNOWLEDGE}
        return attack_settings(**self.complete_attack(attack, dataset)).unmet(traits)

    def variant(self, changes: Ablation) -> Variant:
        """Return SemSim with some of its settings changed."""
        return Variant(**self.semsim.model_dump() | changes.model_dump(exclude_unset=True))
