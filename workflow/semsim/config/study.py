"""A study's configuration: read, checked, completed with defaults, and asked for the settings of all that it makes.

Knows nothing of Snakemake. ``python -m semsim.config.study CONFIG [OVERLAY ...]`` checks a configuration and
says what the study will make, and where.
"""

import argparse
import os
import re
from importlib.resources import files
from pathlib import Path

import yaml

from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.learned.folds import exclusions
from semsim.schemas import fill_defaults, problems_with, read_schema
from semsim.text import suggestion

MAIN = "semsim"
"""The name of SemSim with the settings of the study, beside its ablations."""
SETTINGS = (
    "seed",
    "device",
    "image_size",
    "memory_gib",
    "shard",
    "weights",
    "resamples",
    "labels",
    "released",
    "folds",
    "defects",
)
"""Those that `Study` has under the same names."""
PUBLISHED = ("cifar100", "caltech101", "imagenette", "celeba", "stanford_dogs")
"""The kinds of data sets that are downloaded, unless the mirror has them as ``<kind>.zip``."""
STRENGTHS = {"prune": "share", "gaussian": "sigma"}
"""What each kind of gradient defence calls its strength."""
SCHEMA = files("semsim.config") / "config.schema.yaml"


class Study:
    """One checked configuration.

    Parameters
    ----------
    config : dict
        As read from YAML: sections and settings as in ``config.schema.yaml``. It is not changed.

    Attributes
    ----------
    name, seed, device, image_size, memory_gib, shard, weights, resamples, labels, released, folds, defects
        The settings of the same names (`name` is the setting ``study``).
    mirror : pathlib.Path or None
        Folder with local copies of data sets: the setting, else the environment variable ``SEMSIM_MIRROR``.
    datasets, targets, attacks, observers : tuple of str
        Names, in the order of the configuration.
    observer_training : dict
        How observers are trained.
    semsim_training, classifier_training : dict
        How SemSim is trained, and the classifier of public images that it may start from.
    variants : dict of str to dict
        The settings of SemSim by name: `MAIN`, and the ablations, which are named after what they change.
    networks : dict of str to dict
        By `network_of`: settings with that backbone and width.
    exclusions : list of str
        What is left out in turn to try SemSim on it.
    results, figures : str
        Folders of the study, relative to the working directory; those of the one that it builds on, if it does.
    own_results : str
        Folder of what a study that builds on another one has of its own.

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

    def __init__(self, config):
        self._config = completed(config)
        self.name = self._config["study"]
        for setting in SETTINGS:
            setattr(self, setting, self._config[setting])
        mirror = self._config["mirror"] or os.environ.get("SEMSIM_MIRROR")
        self.mirror = Path(mirror).expanduser().absolute() if mirror else None
        self.datasets = tuple(self._config["datasets"])
        self.targets = tuple(self._config["targets"])
        self.attacks = tuple(self._config["attacks"])
        self.observers = tuple(self._config["observers"])
        self.observer_training = self._config["observer_training"]
        self.semsim_training = self._config["semsim_training"]
        self.classifier_training = self._config["classifier_training"]
        main = self._config["semsim"]
        self.variants = {MAIN: main} | {_variant_name(each): main | each for each in self._config["ablations"]}
        self.networks = {self.network_of(name): settings for name, settings in self.variants.items()}
        traits = [self.target_traits(target) for target in self.targets]
        values = {trait: list(dict.fromkeys(each[trait] for each in traits)) for trait in ("architecture", "defence")}
        self.exclusions = exclusions({"dataset": self.datasets, "attack": self.attacks, **values})
        self.own_results = f"results/{self.name}"
        base = self._config["builds_on"] or self.name
        self.results, self.figures = f"results/{base}", f"figures/{base}"

    def data_settings(self, dataset):
        """Return what the images of a data set depend on: its kind, path, classes and counts."""
        settings = self._config["datasets"][dataset]
        return {name: value for name, value in settings.items() if name not in ("image_size", "training", "attacks")}

    def image_size_of(self, dataset):
        """Return the side of a data set's images, in pixels."""
        return self._config["datasets"][dataset]["image_size"] or self.image_size

    def shards_of(self, dataset):
        """Return the numbers of the first originals of each shard."""
        return range(0, self._config["datasets"][dataset]["originals"], self.shard)

    def target_settings(self, target):
        """Return what a target model is: architecture, width, augmentation and gradient defence."""
        settings = self._config["targets"][target]
        return {name: value for name, value in settings.items() if name != "training"}

    def target_traits(self, target):
        """Return the architecture and the defence of a target model: what SemSim is tried without, each for itself."""
        settings = self._config["targets"][target]
        defences = [] if settings["augmentation"] == "none" else [settings["augmentation"]]
        if defence := settings["gradient_defence"]:
            defences.append(f"{defence['kind']}-{defence[STRENGTHS[defence['kind']]]:g}")
        return {"architecture": settings["architecture"], "defence": "+".join(defences) or "none"}

    def training_settings(self, dataset, target):
        """Return how a target model is trained: the study's recipe, changed by the data set, then by the target."""
        dataset, target = self._config["datasets"][dataset], self._config["targets"][target]
        return self._config["training"] | dataset["training"] | target["training"]

    def attack_settings(self, dataset, attack):
        """Return an attack's preset and what differs from it, the data set's own settings last."""
        overrides = self._config["datasets"][dataset]["attacks"].get(attack, {})
        return {"preset": attack} | self._config["attacks"][attack] | overrides

    def attacks_on(self, target):
        """Return the attacks that suit a target: the closed form needs a first layer that is fully connected."""
        if self._config["targets"][target]["architecture"] == "mlp":
            return self.attacks
        return tuple(name for name in self.attacks if not self._starts_in_closed_form(name))

    def _starts_in_closed_form(self, attack):
        settings = {"preset": attack} | self._config["attacks"][attack]
        return settings.get("initialisation", settings["preset"]) == "analytic"

    def observer_settings(self, observer):
        """Return what an observer is: architecture, width and caution."""
        return self._config["observers"][observer]

    def network_of(self, variant):
        """Return the name of a variant's network: backbone and width, where that is set."""
        settings = self.variants[variant]
        return settings["backbone"] + (f"-{settings['width']}" if settings["width"] else "")

    def source(self, dataset):
        """Return the file or folder that a data set is read from, or None.

        Of kind ``folder``: its path in the mirror, else below the working directory; None if there is nothing at either
        place; `semsim.data` then says where it looked. Of the kinds of `PUBLISHED`: ``<kind>.zip`` in the mirror; None
        if it is not there, and the data set is downloaded. None for any other kind.
        """
        settings = self._config["datasets"][dataset]
        if settings["kind"] == "folder":
            path, folders = settings["path"], (self.mirror, Path())
        elif settings["kind"] in PUBLISHED:
            path, folders = f"{settings['kind']}.zip", (self.mirror,)
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
        counts = f"{len(self.datasets)} data sets x {len(self.targets)} targets x {len(self.attacks)} attacks"
        return "\n".join(
            [
                f"Study {self.name}: {counts}",
                f"  report   {self.results}/report.html",
                f"  figures  {self.figures}/",
                f"  tables   {self.results}/tables/",
            ]
        )


def read_config(*paths):
    """Read YAML files and merge them, later ones over earlier ones, as Snakemake's ``--configfile`` does.

    Raises
    ------
    SemsimError
        If a file is missing or is not a YAML mapping.
    """
    config = {}
    for path in paths:
        try:
            settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SemsimError(f"{path}: cannot read this configuration ({error.strerror}).") from None
        except yaml.YAMLError as error:
            raise SemsimError(f"{path}: not valid YAML: {error}") from None
        if not isinstance(settings, dict):
            raise SemsimError(f"{path}: expected settings such as 'study: demo' at the top level.")
        _merge(config, settings)
    return config


def completed(config):
    """Return a copy of a configuration with entries set to null left out, checked, and with all defaults filled in."""
    config = _with_numbers(config)
    for section in ("datasets", "targets", "attacks", "observers"):
        if isinstance(config.get(section), dict):
            config[section] = {name: entry for name, entry in config[section].items() if entry is not None}
    _check(config)
    fill_defaults(config, read_schema(SCHEMA))
    return config


def _variant_name(changes):
    """Return the name of an ablation, which is part of a path: what it changes, such as ``margin-0.2``."""
    texts = {True: "yes", False: "no", None: "default"}
    return "+".join(
        f"{setting}-{texts[value] if isinstance(value, bool | None) else value}" for setting, value in changes.items()
    )


def _merge(settings, changes):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(settings.get(name), dict):
            _merge(settings[name], value)
        else:
            settings[name] = value


def _with_numbers(value):
    """Copy plain data, reading text such as "1e-3" as a number: YAML 1.1 wants 1.0e-3, and few people know."""
    if isinstance(value, dict):
        return {name: _with_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value


def _check(config):
    """Raise one error that lists everything wrong with a configuration."""
    problems = list(problems_with(config, read_schema(SCHEMA))) or list(_contradictions(config))
    if problems:
        raise SemsimError("\n  ".join(["The configuration is not valid:", *problems]))


def _contradictions(config):
    """Yield what a configuration gets wrong between its settings, in the same form."""
    presets = read_schema(SCHEMA)["$defs"]["attack"]["properties"]["preset"]["enum"]
    attacks = config["attacks"]
    for name, attack in attacks.items():
        if "preset" not in attack and name not in presets:
            yield f"attacks.{name}: 'preset' is missing: one of {', '.join(presets)}.{suggestion(name, presets)}"
    for name, dataset in config["datasets"].items():
        if dataset["kind"] == "folder" and "path" not in dataset:
            yield f"datasets.{name}: 'path' is missing: the folder or .zip file that holds the images."
        if dataset["kind"] != "folder" and "path" in dataset:
            yield f"datasets.{name}.path: images of kind {dataset['kind']} have no path; own images are of kind folder."
        for attack in (attack for attack in dataset.get("attacks", {}) if attack not in attacks):
            yield f"datasets.{name}.attacks.{attack}: the study has no such attack.{suggestion(attack, attacks)}"
    for name, target in config["targets"].items():
        if defence := target.get("gradient_defence"):
            strength = STRENGTHS[defence["kind"]]
            if defence.keys() & set(STRENGTHS.values()) != {strength}:
                yield f"targets.{name}.gradient_defence: {defence['kind']} takes {strength!r}, and no other strength."
    if "evaluation" in config.get("semsim", {}):
        yield "semsim.evaluation: SemSim is evaluated as it was trained. Try anything else in `ablations`."
    if config.get("released"):
        if config.get("defects"):
            yield "defects: they need target models of the study's own. Leave `defects` out, or `released`."
        for place, settings in [("semsim", config.get("semsim", {})), *_numbered("ablations", config)]:
            for name, value in (("start", "classifier"), ("reference", "attacked")):
                if settings.get(name) == value:
                    yield f"{place}.{name}: '{value}' needs what is not released. Take another value, or none."


def _numbered(section, config):
    """Yield the entries of a list with their places."""
    for number, entry in enumerate(config.get(section, [])):
        yield f"{section}.{number}", entry


def main():
    parser = argparse.ArgumentParser(
        prog="semsim.config.study", description="Check a configuration; say what the study makes, and where."
    )
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files; later ones change earlier ones")
    print(Study(read_config(*parser.parse_args().configs)))


if __name__ == "__main__":
    run(main)
