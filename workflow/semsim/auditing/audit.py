"""An audit from the model and the images to the report, in a folder in which it resumes after an interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from PIL import Image
from torch import nn

from semsim import __version__
from semsim.attacks.arguments import checked_client
from semsim.attacks.planning import plan_updates
from semsim.attacks.run import AttackRun
from semsim.auditing.attacks import named_attacks, suited_attacks
from semsim.auditing.findings import answer
from semsim.auditing.folder import LENGTH, check_folder, claimed, read_length
from semsim.auditing.gradients import describe_updates
from semsim.auditing.length import estimate, fitting_length, image_steps, shortened, whole_length
from semsim.auditing.measures import (
    GUESS,
    class_means,
    compare_with_guess,
    count_recognisable,
    score_reconstructions,
)
from semsim.auditing.network import require_logits
from semsim.auditing.page import render_page
from semsim.auditing.sample import Sample, sample_of
from semsim.auditing.settings import AuditSettings
from semsim.commandline import say
from semsim.io.images import as_floats
from semsim.io.tables import write_for_people
from semsim.io.whole import write_text, written_whole
from semsim.learned.shipped import EMBEDDED
from semsim.scoring.arguments import checked_path, in_words_of_python
from semsim.scoring.chances import basis
from semsim.scoring.measures import load_measures
from semsim.settings import validated
from semsim.targets.device import checked_device
from semsim.targets.own_networks import network_label

if TYPE_CHECKING:
    import os

    from semsim.attacks.settings import AttackSettings
    from semsim.targets.models import Target

REPORT = "report.html"
DATASET = "images"
"""What the images are called in tables and seeds."""
ORIGINALS = "originals"
"""The folder of originals beside those of the attacks."""


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes
    ----------
    answer : tuple of str
        The sentences with which the report begins.
    originals : pandas.DataFrame
        One row per attacked image: original (its number), image (its file), source, label, class, and what
        `semsim.auditing.gradients.describe_updates` says of what its client shares.
    attacks : pandas.DataFrame
        One row per reconstruction: how the attack ended, as in a study's ``attacks.csv``.
    scores : pandas.DataFrame
        How close images come to each original: `semsim.auditing.measures.score_reconstructions`.
    comparison : pandas.DataFrame
        One row per attack and metric: `semsim.auditing.measures.compare_with_guess`.
    presets : dict of str to semsim.attacks.settings.AttackSettings
        The attacks that were run, with all their settings.
    left_out : tuple of str
        Attacks and priors that were left out and why.
    settings : semsim.auditing.settings.AuditSettings
    report : pathlib.Path
        The page.
    """

    answer: tuple[str, ...]
    originals: pd.DataFrame
    attacks: pd.DataFrame
    scores: pd.DataFrame
    comparison: pd.DataFrame
    presets: dict[str, AttackSettings]
    left_out: tuple[str, ...]
    settings: AuditSettings
    report: Path


@in_words_of_python()
def audit(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    out: str | os.PathLike,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    last: str | None = None,
    device: torch.device | str = "auto",
    weights: str | os.PathLike = EMBEDDED,
    pretrained: str | os.PathLike | None = None,
    **settings,
) -> Audit:
    """Attack a model with the gradients that it would share, and report what they give away, like ``semsim audit``.

    Parameters
    ----------
    module : torch.nn.Module
        The model, as for `semsim.reconstruct`. It is copied, not trained and not changed.
    images : torch.Tensor or array-like, shape [N, 3, S, S]
        Floating point in [0, 1], or uint8. A balanced sample of them is attacked; the others are what the mean images
        of classes are made of.
    labels : torch.Tensor or array-like, shape [N], whole numbers
        The classes of the images.
    out : path-like
        The folder to write: a new or empty one, or that of the same audit, which resumes where it stopped.
    mean, std, last
        As for `semsim.reconstruct`.
    device : torch.device or {"auto", "cpu", "cuda"}
    weights : str or path-like
        Of SemSim, as for `semsim.SemSim.from_pretrained`.
    pretrained : path-like, optional
        Folder with the weights of LPIPS's trunk.
    **settings
        Fields of `semsim.auditing.settings.AuditSettings`, such as ``originals=8`` or ``attacker={"labels": False}``.

    Returns
    -------
    Audit

    Raises
    ------
    SemsimError
        If the module, the images, the labels and the settings do not fit together, or the folder holds other things.
    """
    settings = validated(AuditSettings, settings, "The audit is not valid")
    out, weights, device = checked_path(out, "out"), checked_path(weights, "weights"), checked_device(device)
    target, images, labels = checked_client(module, images, labels, device, mean, std, last)
    sample = sample_of(images, labels, settings.most_originals, settings.seed, target.spec["classes"])
    return carry_out(target, sample, out, settings, weights, pretrained, network_label(target.spec["architecture"]))


def carry_out(
    target: Target,
    sample: Sample,
    out: str | os.PathLike,
    settings: AuditSettings,
    weights: str | os.PathLike,
    pretrained: str | os.PathLike | None,
    name: str,
    confirm: Callable[[float], None] = lambda seconds: None,
) -> Audit:
    """Attack, measure and report.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode, on the device to run on.
    sample : semsim.auditing.sample.Sample
    out : path-like
    settings : semsim.auditing.settings.AuditSettings
    weights, pretrained
        As for `audit`.
    name : str
        What the model is called on the page.
    confirm : callable
        Given the estimated seconds of a new audit, it may raise an error to stop before anything is written.

    Returns
    -------
    Audit
    """
    require_logits(target, as_floats(sample.images))
    attacks, left_out = _choose_attacks(target, settings)
    plan = plan_updates(target, settings.client, target.mean.device)
    whole = whole_length(settings, attacks.values(), len(sample.labels))
    all_runs = _runs(attacks, target, sample, settings, plan, whole)
    left_out += [f"{name}: {sentence}." for name, run in all_runs.items() for sentence in run.left_out()]
    measures, about = load_measures(None, weights, target.mean.device, pretrained)
    started = read_length(out)
    length = started or fitting_length(all_runs, settings)
    sample = sample.first(length.originals)
    runs = _runs(attacks, target, sample, settings, plan, length)
    presets = {name: run.settings for name, run in runs.items()}
    identity = _identity(target, sample, presets, settings, length, weights)
    check_folder(out, identity)
    left = {name: runs[name].left(_state(out, name)) * count for name, count in image_steps(all_runs, length).items()}
    seconds, sentence = estimate(all_runs, left)
    short = shortened(length, whole)
    for each in (sentence, *short):
        say(each)
    if not started:
        confirm(seconds)
    with claimed(out, identity) as folder:
        tables, reconstructions = _attack_and_measure(folder, target, sample, runs, measures, settings.seed)
        recognisable = count_recognisable(tables["scores"], measures, sample)
        first, *more = answer(tables["originals"], tables["comparison"], measures, recognisable)
        result = Audit(
            answer=(first, *short, *more),
            **tables,
            presets=presets,
            left_out=tuple(left_out),
            settings=settings,
            report=folder / REPORT,
        )
        paths = _write_images(folder, sample, reconstructions)
        for stem, table in tables.items():
            write_for_people(table, folder / f"{stem}.csv")
        about = [*basis(measures, as_floats(sample.images)), *about]
        html = render_page(result, target, name, measures, about, paths, recognisable)
        write_text(html, result.report)
    return result


def _choose_attacks(target, settings):
    """Return the attacks that were asked for, or else those that suit; and why others were left out."""
    conditions = target, settings.client, settings.attacker
    if settings.attacks is None:
        return suited_attacks(*conditions)
    return named_attacks(settings.attacks, *conditions), []


def _attack_and_measure(folder, target, sample, runs, measures, seed):
    """Return the tables of an `Audit` by name, and the images that each attack and a guess come to."""
    outcomes = {name: run.run(_state(folder, name))[1] for name, run in runs.items()}
    attacks = pd.concat([run.table(outcomes[name]) for name, run in runs.items()], ignore_index=True)
    reconstructions = {name: outcome.images for name, outcome in outcomes.items()} | {GUESS: class_means(sample)}
    diverged = {attack: (rows["status"] == "diverged").to_numpy() for attack, rows in attacks.groupby("attack")}
    run = next(iter(runs.values()))
    scores = score_reconstructions(target, sample, reconstructions, diverged, run.clients(), measures)
    tables = {
        "originals": _describe(sample, run),
        "attacks": attacks,
        "scores": scores,
        "comparison": compare_with_guess(scores, run.clients(), measures, seed),
    }
    return tables, reconstructions


def _runs(attacks, target, sample, settings, plan, length):
    """Return the runs of attacks by their names."""
    about = {
        "dataset": DATASET,
        "target_name": network_label(target.spec["architecture"]),
        "target": target,
        "originals": sample.images[: length.originals],
        "labels": sample.labels[: length.originals],
        "augmentation": lambda image, generator: image,
        "defence": settings.shared,
        "study_seed": settings.seed,
        "memory_gib": settings.memory_gib,
        "client": settings.client,
        "draw_clients": True,
        "plan": plan,
    }
    return {name: AttackRun(**about, attack=name, settings=_shortened(each, length)) for name, each in attacks.items()}


def _shortened(attack, length):
    """Return the settings of an attack with no more steps and restarts than there is time for."""
    less = {"steps": min(attack.steps, length.steps), "restarts": min(attack.restarts, length.restarts)}
    return attack.model_copy(update=less)


def _identity(target, sample, attacks, settings, length, weights):
    """Return everything that decides the results, by what it is called when it differs: first what options set."""
    options = settings.model_dump(mode="json", exclude={"attacks"})
    return {f"--{name.replace('_', '-')}": value for name, value in options.items()} | {
        "--semsim": str(weights),
        LENGTH: list(length),
        "the model": _digest([*target.state_dict().values()], target.spec),
        "the images": _digest([sample.images, sample.labels, sample.others, sample.other_labels], sample.names),
        "the attacks": {name: each.model_dump(mode="json") for name, each in attacks.items()},
        "the device": target.mean.device.type,
        "the version of semsim": __version__,
        "the version of PyTorch": torch.__version__,
    }


def _digest(tensors, names):
    digest = hashlib.blake2b(repr(names).encode(), digest_size=16)
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _state(folder, name):
    """Return the file in which an attack is kept, from its first steps to its outcome."""
    return Path(folder) / "state" / f"{name}.pt"


def _describe(sample, run):
    """Return the table of originals."""
    count = len(sample.labels)
    table = pd.DataFrame(
        {
            "original": range(count),
            "image": [f"images/{ORIGINALS}/{_file(place)}" for place in range(count)],
            "source": sample.names,
            "label": sample.labels.numpy(),
            "class": [sample.classes[label] for label in sample.labels],
        }
    )
    clients = {place: number for number, places in enumerate(run.clients()) for place in places}
    return table.assign(client=table["original"].map(clients)).join(describe_updates(run))


def _file(place):
    return f"{place:03d}.png"


def _write_images(folder, sample, reconstructions):
    """Write all images as PNG files; return their paths by attack, those of the originals first."""
    originals = (as_floats(sample.images) * 255).round().to(torch.uint8)
    paths = {}
    for name, images in ({ORIGINALS: originals} | reconstructions).items():
        paths[name] = [folder / "images" / name / _file(place) for place in range(len(images))]
        for path, image in zip(paths[name], images, strict=True):
            with written_whole(path) as part:
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(part)
    return paths
