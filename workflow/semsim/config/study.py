"""A study's configuration: read, checked, completed with defaults, and queried for the settings of each output.

Knows nothing of Snakemake. ``python -m semsim.config.study CONFIG [OVERLAY ...]`` checks a configuration and
says what the study will make, and where.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.commandline import run
from semsim.config.conflicts import conflicts
from semsim.config.settings import StudySettings
from semsim.data.embedded import EMBEDDED
from semsim.data.embedded import IMAGE_SIZE as EMBEDDED_SIZE
from semsim.data.kinds import KINDS
from semsim.data.request import DatasetSettings
from semsim.errors import SemsimError, refuse
from semsim.io.yaml_files import read_yaml
from semsim.learned.backbones import PRETRAINED
from semsim.learned.folds import exclusions, group_targets
from semsim.learned.starts import BACKBONE, WIDTH, start_name
from semsim.names import short_name
from semsim.observers.shipped import shipped_observers
from semsim.settings import check_plain, validated
from semsim.targets.recipe import TargetRecipe
from semsim.targets.settings import TargetSettings
from semsim.text import REPLAYED, counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAIN = "semsim"
"""The name of SemSim with the settings of the study, beside its ablations."""
SAME = (
    "seed",
    "seeds",
    "device",
    "memory_gib",
    "shard",
    "weights",
    "extra_metrics",
    "resamples",
    "labels",
    "human_study_labels",
    "released",
    "folds",
    "defects",
)
"""Settings that `Study` has under the same names."""
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", re.ASCII)
LONGEST_NUMBER = 100
"""Characters of a number."""
HEADING = "The configuration is not valid"


class Study:
    """One checked configuration.

    Parameters
    ----------
    config : dict
        As read from YAML: sections and settings of `semsim.config.settings.StudySettings`. It is not changed.

    Attributes
    ----------
    settings : semsim.config.settings.StudySettings
        All of them, checked.
    name, seed, seeds, device, memory_gib, shard, weights, extra_metrics, resamples, labels, human_study_labels,
    released, folds, defects
        The settings of the same names (`name` is the setting ``study``).
    mirror : pathlib.Path or None
        Folder with local copies of data sets: the setting, else the environment variable ``SEMSIM_MIRROR``.
    datasets, targets, attacks, observers : tuple of str
        Names, in the order of the configuration; of attacks, those that some target model has what they need for.
    observer_training : dict
        How observers are trained.
    semsim_training, classifier_training : dict
        How SemSim is trained, and the classifier of public images that it may start from.
    variants : dict of str to dict
        The settings of SemSim by name: `MAIN`, and the ablations, which are named after what they change.
    pretrained_backbones : list of str
        Networks trained by others whose features are compared.
    networks : dict of str to dict
        By `network_of`: settings with that backbone and width, unless it is pretrained.
    target_groups : dict of str to str
        The group of each target model, if SemSim is tried without groups of them; else empty.
    exclusions : list of str
        What is left out in turn to try SemSim on it.
    replayed : bool
        Whether the labels are those of people about the paper's reconstructions.
    campaign : str or None
        The folder of the campaign that the labels are from.
    replications : dict of str to int
        The seeds of the study with which it is run, by the name of that run: its own, and those of `make seeds`.
    results, figures : str
        Folders of the study, relative to the working directory; those of the one that it builds on, if it does.
    own_results : str
        Folder of the outputs of a study that builds on another one.

    Raises
    ------
    SemsimError
        If the configuration breaks a rule; the message names each place and what is allowed there.

    Examples
    --------
    >>> study = Study({
    ...     "study": "tiny",
    ...     "datasets": {"mnist": {"kind": "mnist", "train": 100, "originals": 4, "public": 10}},
    ...     "targets": {"lenet": {"architecture": "lenet", "training": {"epochs": 2}}},
    ...     "attacks": {"dlg": {"steps": 50}},
    ... })
    >>> study.training_settings("mnist", "lenet")["epochs"], study.training_settings("mnist", "lenet")["momentum"]
    (2, 0.9)
    >>> study.attack_settings("mnist", "dlg")
    {'preset': 'dlg', 'steps': 50}
    """

    def __init__(self, config: dict):
        self.settings = settings = read_settings(config)
        self.name = settings.study
        for name in SAME:
            setattr(self, name, getattr(settings, name))
        mirror = settings.mirror or os.environ.get("SEMSIM_MIRROR")
        self.mirror = Path(os.path.expanduser(mirror)).absolute() if mirror else None
        self.datasets, self.targets, self.observers = map(
            tuple, (settings.datasets, settings.targets, settings.observers)
        )
        suited = {target: self.attacks_on(target) for target in self.targets}
        self.attacks = tuple(name for name in settings.attacks if any(name in each for each in suited.values()))
        self.observer_training = _plain(settings.observer_training)
        self.semsim_training = _plain(settings.semsim_training)
        self.classifier_training = _plain(settings.classifier_training)
        self.variants = {MAIN: _plain(settings.semsim)} | {
            _variant_name(changes): _plain(settings.variant(each))
            for changes, each in zip(copied(config.get("ablations", []), HEADING), settings.ablations, strict=True)
        }
        backbones = {name: each["backbone"] for name, each in self.variants.items()}
        self.pretrained_backbones = [name for name in PRETRAINED if name in backbones.values()]
        trained = [name for name, backbone in backbones.items() if backbone not in PRETRAINED]
        self.networks = {self.network_of(name): self.variants[name] for name in trained}
        architectures = {target: each.label for target, each in settings.targets.items()}
        groups = settings.target_groups
        self.target_groups = group_targets(architectures, groups, self.seed) if groups else {}
        traits = [self.target_traits(target) for target in self.targets]
        values = {trait: list(dict.fromkeys(each[trait] for each in traits)) for trait in ("architecture", "defence")}
        values["targets"] = list(dict.fromkeys(self.target_groups.values()))
        self.exclusions = exclusions({"dataset": self.datasets, "attack": self.attacks, **values})
        self.replayed = settings.labels == REPLAYED
        self.campaign = None if self.replayed else settings.labels
        self.own_results = f"results/{self.name}"
        base = settings.builds_on or self.name
        self.results, self.figures = f"results/{base}", f"figures/{base}"
        others = range(self.seed + 1, self.seed + self.seeds)
        self.replications = {self.name: self.seed} | {f"{self.name}-seed-{seed}": seed for seed in others}

    def data_settings(self, dataset: str) -> dict:
        """Return what the images of a data set depend on: its kind, path, classes and counts."""
        return _plain(self.settings.datasets[dataset], include=set(DatasetSettings.model_fields))

    def image_size_of(self, dataset: str) -> int:
        """Return the side of a data set's images, in pixels."""
        return self.settings.datasets[dataset].image_size or self.settings.image_size

    def shards_of(self, dataset: str) -> range:
        """Return the numbers of the first originals of each shard."""
        return range(0, self.settings.datasets[dataset].originals, self.shard)

    def target_settings(self, target: str) -> dict:
        """Return what a target model is: `semsim.targets.settings.TargetSettings`."""
        return _plain(self.settings.targets[target], include=set(TargetSettings.model_fields))

    def client_settings(self, target: str) -> dict:
        """Return what clients of a target model do: `semsim.attacks.clients.ClientSettings`."""
        return _plain(self.settings.targets[target].client)

    def target_traits(self, target: str) -> dict[str, str]:
        """Return the architecture, defence and group (if any) of a target model: SemSim is tried without each."""
        settings = self.settings.targets[target]
        group = {"targets": self.target_groups[target]} if self.target_groups else {}
        return {"architecture": settings.label, "defence": settings.defences, **group}

    def files_of(self, target: str) -> list[str]:
        """Return the files of the user's that training a target model needs."""
        return self.settings.targets[target].files

    def network_files_of(self, target: str) -> list[str]:
        """Return the files of the user's that loading a target model needs, besides its weights."""
        return self.settings.targets[target].network_files

    def training_settings(self, dataset: str, target: str) -> dict:
        """Return how a target model is trained: the study's recipe, changed by the data set, then by the target."""
        settings = self.settings.training.model_dump()
        for each in (self.settings.datasets[dataset], self.settings.targets[target]):
            settings |= each.training.model_dump(exclude_unset=True)
        return _plain(TargetRecipe(**settings))

    def attack_settings(self, dataset: str, attack: str) -> dict:
        """Return an attack's preset and what differs from it, the data set's own settings last."""
        return self.settings.complete_attack(attack, dataset)

    def attacks_on(self, target: str) -> tuple[str, ...]:
        """Return the attacks that a target model has what they need for."""
        return tuple(attack for attack in self.settings.attacks if not self.settings.unmet_by(attack, target))

    def observer_settings(self, observer: str) -> dict:
        """Return what an observer is: architecture, width and caution."""
        return _plain(self.settings.observers[observer])

    def is_pretrained(self, observer: str) -> bool:
        """Tell whether an observer is a pretrained network."""
        return self.settings.observers[observer].pretrained

    def read_by_shipped(self, dataset: str) -> bool:
        """Tell whether the observers that come with semsim read a data set: all classes of an embedded kind."""
        settings = self.settings.datasets[dataset]
        return self._is_embedded(dataset) and settings.classes is None and bool(shipped_observers(settings.kind))

    def _is_embedded(self, dataset):
        """Tell whether a data set has images of a kind and size from which networks learnt that come with semsim."""
        kind = self.settings.datasets[dataset].kind
        return kind in EMBEDDED and self.image_size_of(dataset) == EMBEDDED_SIZE

    def ready_start(self, variant: str, datasets: Iterable[str]) -> str | None:
        """Return the name of the classifier from which a variant starts, if nobody has to train it.

        It is pretrained, or comes with semsim.

        Parameters
        ----------
        variant : str
            A key of `variants`.
        datasets : iterable of str
            Those that it may have seen.

        Returns
        -------
        str or None
            None if the study has to train one.
        """
        settings = self.variants[variant]
        if settings["backbone"] in PRETRAINED:
            return settings["backbone"]
        if (settings["backbone"], settings["width"]) != (BACKBONE, WIDTH) or not all(map(self._is_embedded, datasets)):
            return None
        return start_name(self.settings.datasets[dataset].kind for dataset in datasets)

    def network_of(self, variant: str) -> str:
        """Return the name of a variant's network: backbone and width, where that is set."""
        settings = self.variants[variant]
        return settings["backbone"] + (f"-{settings['width']}" if settings["width"] else "")

    def source(self, dataset: str) -> Path | None:
        """Return the file or folder that a data set is read from, or None.

        Of kind ``folder``: its path in the mirror, else below the working directory; None if there is nothing at either
        place; `semsim.data` then says where it looked. Of the kinds of `PUBLISHED`: ``<kind>.zip`` in the mirror; None
        if it is not there, and the data set is downloaded. None for any other kind.
        """
        settings = self.settings.datasets[dataset]
        if KINDS[settings.kind].has_path:
            path, folders = settings.path, (self.mirror, Path())
        elif KINDS[settings.kind].published:
            path, folders = f"{settings.kind}.zip", (self.mirror,)
        else:
            return None
        places = [folder / Path(path).expanduser() for folder in folders if folder]
        return next((place for place in places if place.exists()), None)

    def __str__(self):
        if self.released:
            lines = (
                f"Study {self.name}: SemSim from released images",
                f"  weights  {self.results}/semsim/weights/",
                f"  tables   {self.results}/tables/",
            )
            return "\n".join(lines)
        unsuited = [name for name in self.settings.attacks if name not in self.attacks]
        if self.settings.builds_on:
            return f"Study {self.name}, on the results of {self.settings.builds_on}\n  results  {self.own_results}/"
        read = [] if self.labels else [name for name in self.datasets if self.read_by_shipped(name)]
        parts = {"data sets": self.datasets, "targets": self.targets, "attacks": self.attacks}
        counts = " x ".join(counted(len(names), part) for part, names in parts.items())
        return "\n".join(
            [
                f"Study {self.name}: {counts}",
                f"  report   {self.results}/report.html",
                f"  figures  {self.figures}/",
                f"  tables   {self.results}/tables/",
                *(f"  left out attack {name}: no target model has what it needs" for name in unsuited),
                *([f"  observers of {listed(read)} come with semsim"] if read else []),
            ]
        )


def read_config(*paths: str | os.PathLike) -> dict:
    """Read YAML files and merge them, later ones over earlier ones, as Snakemake's ``--configfile`` does.

    Raises
    ------
    SemsimError
        If a file is missing or is not a YAML mapping.
    """
    config = {}
    for path in paths:
        settings = read_yaml(path)
        if not isinstance(settings, dict):
            raise SemsimError(f"{path}: expected settings such as 'study: demo' at the top level.")
        _merge(config, copied(settings, f"{path} is not valid"))
    return config


def read_settings(config: dict) -> StudySettings:
    """Check a configuration and fill in all defaults.

    Parameters
    ----------
    config : dict
        As read from YAML. It is not changed.

    Returns
    -------
    semsim.config.settings.StudySettings

    Raises
    ------
    SemsimError
        If anything is wrong; the message names each place and what is allowed there.
    """
    settings = validated(StudySettings, copied(config, HEADING), HEADING)
    refuse(conflicts(settings), HEADING)
    return settings


def _plain(settings, **choice):
    """Return settings as JSON has them."""
    return settings.model_dump(mode="json", **choice)


def _variant_name(changes):
    """Return the name of an ablation, which is part of a path: what it changes, such as ``margin-0.2``."""
    texts = {True: "yes", False: "no", None: "default"}
    parts = (f"{name}-{texts[value] if isinstance(value, bool | None) else value}" for name, value in changes.items())
    return short_name("+".join(parts))


def _merge(settings, changes):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(settings.get(name), dict):
            _merge(settings[name], value)
        else:
            settings[name] = value


def copied(config: object, heading: str) -> Any:
    """Copy plain data, reading text such as "1e-3" as a number: YAML 1.1 wants 1.0e-3, and few people know.

    Raises
    ------
    SemsimError
        As `semsim.settings.check_plain` does.
    """
    check_plain(config, heading)
    copy = _with_numbers(config)
    check_plain(copy, heading)  # numbers that were text
    return copy


def _with_numbers(value):
    if isinstance(value, dict):
        return {name: _with_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and NUMBER.fullmatch(value):
        number = float(value)
        return int(number) if number.is_integer() else number
    return value


def main() -> None:
    """Check configuration files, and print what the study makes."""
    parser = argparse.ArgumentParser(
        prog="semsim.config.study", description="Check a configuration; say what the study makes, and where."
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files; later ones change earlier ones")
    print(Study(read_config(*parser.parse_args().configs)))


if __name__ == "__main__":
    run(main)
