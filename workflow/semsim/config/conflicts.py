"""Conflicts between the settings of a study, which would otherwise make it fail hours later."""

import os
from collections.abc import Iterator

from semsim.attacks.settings import PRESETS, attack_settings
from semsim.config.settings import StudySettings
from semsim.errors import SemsimError
from semsim.labels.human_study import ATTACK
from semsim.metrics import METRICS
from semsim.names import near_twins
from semsim.observers.settings import FEWEST_PUBLIC
from semsim.observers.trunks import related
from semsim.pretrained.weights import NETWORKS
from semsim.text import REPLAYED, counted, listed, suggestion

MOST_IMAGES = 10_000_000
MOST_SHARDS = 10_000
MOST_RESAMPLES = 1_000_000


def conflicts(settings: StudySettings) -> Iterator[str]:
    """Yield each conflict as a sentence that begins with its place."""
    problems = list(_names(settings))
    yield from problems
    yield from _networks(settings)
    yield from _networks_of_one_name(settings)
    if not problems:  # otherwise the attacks are not known
        yield from _attacks(settings)
    yield from _related_observers(settings)
    yield from _numbers_of_images(settings)
    yield from _groups(settings)
    yield from _clients(settings)
    yield from _sizes(settings)
    yield from _defects(settings)
    yield from _released(settings)
    yield from _replayed(settings)
    if settings.builds_on == settings.study:
        yield f"builds_on: '{settings.study}' is this study. Name another one, or leave it out."


def _names(settings):
    """Yield references to names that do not exist."""
    for name, attack in settings.attacks.items():
        if attack.preset is None and name not in PRESETS:
            yield f"attacks.{name}: 'preset' is missing: one of {', '.join(PRESETS)}.{suggestion(name, PRESETS)}"
    for trait in ("label", "defences"):
        if alike := near_twins(getattr(target, trait) for target in settings.targets.values()):
            what = {"label": "architectures", "defences": "defences"}[trait]
            yield f"targets: the {what} {listed(alike)} differ only in capitals; file systems may confuse them."
    for name, dataset in settings.datasets.items():
        for attack in dataset.attacks:
            if attack not in settings.attacks:
                known = suggestion(attack, settings.attacks)
                yield f"datasets.{name}.attacks.{attack}: the study has no such attack.{known}"


def _networks(settings):
    """Yield which networks do not support the study's image sizes or their other settings."""
    networks = {f"targets.{name}": target for name, target in settings.targets.items()}
    if not settings.labels:
        networks |= {f"observers.{name}": observer for name, observer in settings.observers.items()}
    networks["semsim"] = settings.semsim
    for number, changes in enumerate(settings.ablations):
        networks[f"ablations.{number}"] = settings.variant(changes)
    sizes = {dataset.image_size or settings.image_size for dataset in settings.datasets.values()}
    for place, network in networks.items():
        yield from dict.fromkeys(f"{place}: {problem}" for size in sorted(sizes) for problem in _misfits(network, size))


def _misfits(network, size):
    """Return why a network does not support an image size or another setting."""
    try:
        network.check_fit(size)
    except SemsimError as error:
        return [str(error)]
    return []


def _networks_of_one_name(settings):
    """Yield which target models have different networks that tables and folds would take for one."""
    targets = {}
    for name, target in settings.targets.items():
        targets.setdefault(target.label, {}).setdefault(_identity(target.network), []).append(name)
    for label, networks in targets.items():
        if len(networks) > 1:
            different = listed([f"targets.{names[0]}" for names in networks.values()])
            yield (
                f"{different}: different networks, but tables would call both '{label}', after the file, the function"
                " and its arguments. Rename a file or a function."
            )


def _related_observers(settings):
    """Yield which target models are of the family of a pretrained observer, for which attacks may leave patterns."""
    if settings.labels:
        return
    for name, observer in settings.observers.items():
        for target, each in settings.targets.items():
            if observer.pretrained and related(observer.architecture, each.label):
                yield (
                    f"observers.{name}: {NETWORKS[observer.architecture].label} is of the same family as"
                    f" targets.{target} ({each.label}), whose reconstructions it must not label. Change one of them, or"
                    " list the other observers by name."
                )


def _identity(network):
    """Return what makes an architecture another one: not how its file is written, nor which layer is its last."""
    if isinstance(network, str):
        return network
    return os.path.realpath(network["file"]), network["name"], repr(network["arguments"])


def _attacks(settings):
    """Yield what is wrong with complete attacks, and which target models cannot be attacked at all."""
    wrong = set()
    for attack in settings.attacks:
        for dataset in (None, *settings.datasets):
            place = f"attacks.{attack}" if dataset is None else f"datasets.{dataset}.attacks.{attack}"
            if attack not in wrong and (problems := _problems_of(settings.complete_attack(attack, dataset))):
                yield from (f"{place}: {problem}" for problem in problems)
                wrong.add(attack)
            elif attack not in wrong and (problems := _forbidden(settings, dataset, attack)):
                yield f"{place}: {'; '.join(problems)}, which `attacker` forbids. Change the attack, or allow it."
                wrong.add(attack)
    if not wrong:
        for target in settings.targets:
            unmet = {attack: settings.unmet_by(attack, target) for attack in settings.attacks}
            if all(unmet.values()):
                missing = dict.fromkeys(sum(unmet.values(), []))
                yield f"targets.{target}: no attack applies to it: {'; '.join(missing)}. Add one that does."
        yield from _unsuited_on_a_dataset(settings)


def _unsuited_on_a_dataset(settings):
    """Yield which attacks suit a target model, but not with what a data set changes of them."""
    for name, dataset in settings.datasets.items():
        for attack in dataset.attacks:
            planned = [target for target in settings.targets if not settings.unmet_by(attack, target)]
            unmet = {target: settings.unmet_by(attack, target, name) for target in planned}
            if missing := dict.fromkeys(sum(unmet.values(), [])):
                unsuited = listed([target for target in planned if unmet[target]])
                yield (
                    f"datasets.{name}.attacks.{attack}: {'; '.join(missing)}, but the attack is planned for {unsuited}."
                    " Change what is set here, or make it an attack of its own in `attacks`."
                )


def _forbidden(settings, dataset, attack):
    return attack_settings(**settings.complete_attack(attack, dataset)).forbidden(settings.attacker)


def _problems_of(attack):
    try:
        attack_settings(**attack)
    except SemsimError as error:
        heading, *problems = str(error).splitlines()
        return [line.strip().removeprefix("top level: ") for line in problems] or [heading]
    return []


def _numbers_of_images(settings):
    """Yield where there are too few images."""
    if settings.released:
        return
    if not settings.labels and not settings.observers:
        yield "observers: there are none, and `labels` names no campaign. Leave the section out, or add one."
    for name, dataset in settings.datasets.items():
        if dataset.public < FEWEST_PUBLIC:
            yield (
                f"datasets.{name}.public: {dataset.public} images are too few for observers and a classifier:"
                f" {FEWEST_PUBLIC} or more."
            )
        learnt = dataset.originals - -(-dataset.originals // settings.folds)
        if dataset.originals < settings.folds or learnt < 2:
            yield (
                f"datasets.{name}.originals: {dataset.originals} cannot be divided into {settings.folds} `folds` so"
                " that two remain for training. Set more originals or a different number of folds."
            )


def _groups(settings):
    """Yield that target models cannot be divided into so many groups."""
    if settings.target_groups and settings.target_groups > len(settings.targets):
        yield (
            f"target_groups: {counted(len(settings.targets), 'target models')} cannot be divided into"
            f" {settings.target_groups} groups. Set fewer groups, or null."
        )


def _clients(settings):
    """Yield which clients cannot fill their batch, or cannot defend what they share."""
    for name, target in settings.targets.items():
        if problem := target.client.cannot_defend(target.defence):
            yield f"targets.{name}.client: {problem}"
        batch = target.client.batch
        for dataset in settings.datasets:
            if (originals := settings.datasets[dataset].originals) < batch:
                yield (
                    f"targets.{name}.client.batch: {dataset} has {originals} originals, fewer than a batch of {batch}."
                    " Set more originals or a smaller batch."
                )
        if settings.shard and settings.shard % batch:
            yield f"shard: {settings.shard} is not a multiple of {batch}, the batch of targets.{name}. Set one that is."


def _sizes(settings):
    """Yield which numbers are beyond what any machine holds or Snakemake plans."""
    for name, dataset in settings.datasets.items():
        for split in ("train", "originals", "public"):
            if (count := getattr(dataset, split)) > MOST_IMAGES:
                yield f"datasets.{name}.{split}: {count:,} images are too many, {MOST_IMAGES:,} at most."
        shards = -(-dataset.originals // (settings.shard or dataset.originals))
        if shards > MOST_SHARDS:
            yield (
                f"shard: the {dataset.originals:,} originals of {name} would be {shards:,} jobs for each attack,"
                f" {MOST_SHARDS:,} at most. Set a larger `shard`."
            )
    if settings.resamples > MOST_RESAMPLES:
        yield f"resamples: {settings.resamples:,} are too many, {MOST_RESAMPLES:,} at most."


def _defects(settings):
    """Yield which defects cannot be measured in this study."""
    if settings.defects and settings.released:
        yield "defects: they need the study's own target models. Leave out `defects` or `released`."
    if "defence_scope" in settings.defects and all(each.gradient_defence for each in settings.targets.values()):
        yield "defects: defence_scope compares with a target model without a gradient defence. Add one to `targets`."
    sizes = [dataset.image_size or settings.image_size for dataset in settings.datasets.values()]
    smallest = METRICS["lpips"].smallest_image
    if "unscaled_lpips" in settings.defects and max(sizes) < smallest:
        yield f"defects: unscaled_lpips needs images of {smallest} pixels. Set a larger `image_size`."


def _released(settings):
    """Yield which settings of SemSim need data that are not released."""
    if settings.released:
        ablations = ((f"ablations.{number}", changes) for number, changes in enumerate(settings.ablations))
        for place, each in (("semsim", settings.semsim), *ablations):
            for name, value in (("start", "classifier"), ("reference", "attacked")):
                if getattr(each, name) == value:
                    yield f"{place}.{name}: '{value}' needs data that are not released. Use another value, or none."


def _replayed(settings):
    """Yield why the published labels cannot be replayed for a study."""
    if settings.labels != REPLAYED:
        return
    if [dataset.kind for dataset in settings.datasets.values()] != ["cifar100"]:
        yield "labels: the published labels are of CIFAR-100. Replay them for one data set, of kind cifar100."
    elif any(dataset.classes for dataset in settings.datasets.values()):
        yield "labels: the published labels name all classes of CIFAR-100. Leave out `classes`."
    if ATTACK not in settings.attacks:
        yield f"labels: the published labels are of the attack '{ATTACK}'. Add it, under this name."
    if settings.human_study_labels:
        yield "labels: replayed labels are people's. Leave out `human_study_labels`."
