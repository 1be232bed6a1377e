"""The attacks of an audit: those that apply to the network and the attacker's knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.attacks.settings import PRESETS, attack_settings, check_knowledge
from semsim.errors import SemsimError
from semsim.targets.calls import has_seen_images
from semsim.targets.traits import KNOWLEDGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsim.attacks.clients import ClientSettings
    from semsim.attacks.settings import Attacker, AttackSettings
    from semsim.targets.models import Target


def suited_attacks(
    target: Target, client: ClientSettings, attacker: Attacker
) -> tuple[dict[str, AttackSettings], list]:
    """Return the presets that apply to a target model, its clients and an attacker.

    A preset applies if all its needs are met, its priors included. Running statistics that have never been updated say
    nothing about images: a search that matches them ends in a single colour. An attacker who does not know the labels
    reads them from the gradient where a preset would know them, or optimises them. One who knows the BatchNorm
    statistics of the batch compares with these instead of the running ones. Of presets that differ only in how they
    obtain the label, the last one is taken, which knows more.

    Parameters
    ----------
    target : semsim.targets.models.Target
    client : semsim.attacks.clients.ClientSettings
    attacker : semsim.attacks.settings.Attacker

    Returns
    -------
    attacks : dict of str to semsim.attacks.settings.AttackSettings
    left_out : list of str
        Which presets do not apply and why, as sentences.

    Raises
    ------
    SemsimError
        If no preset applies.
    """
    has, found, left_out = {*target.traits, *client.traits, *KNOWLEDGE}, {}, []
    for name in PRESETS:
        settings = _for_attacker(attack_settings(name), attacker, has)
        problems = [*settings.unmet(has), *settings.left_out(has), *settings.forbidden(attacker)]
        if "batchnorm" in settings.priors and "batchnorm" in has and not has_seen_images(target.network):
            problems.append("the BatchNorm layers have no running statistics of images, as before any training")
        if problems:
            left_out.append(f"{name}: {'; '.join(problems)}.")
        else:
            found[name] = settings
    if not found:
        raise SemsimError(f"no attack applies to this network, client and attacker: {' '.join(left_out)}")
    last = {_without_label(settings): name for name, settings in found.items()}
    for name, settings in found.items():
        if (other := last[_without_label(settings)]) != name:
            left_out.append(f"{name}: differs from {other} only in how it obtains the label.")
    return {name: found[name] for name in found if name in last.values()}, left_out


def named_attacks(
    names: Sequence[str], target: Target, client: ClientSettings, attacker: Attacker
) -> dict[str, AttackSettings]:
    """Return presets by their names.

    Raises
    ------
    SemsimError
        If one does not exist, or needs what the target model or the client lacks, or knowledge that the attacker does
        not have.
    """
    attacks = {name: attack_settings(name) for name in names}
    check_knowledge(attacks, attacker)
    for name, settings in attacks.items():
        if problems := settings.unmet({*target.traits, *client.traits, *KNOWLEDGE}):
            raise SemsimError(f"attack {name}: {'; '.join(problems)}. Leave it out.")
    return attacks


def _without_label(settings):
    return settings.model_copy(update={"label": ""}).model_dump_json()


def _for_attacker(settings, attacker, has):
    """Return the settings with a label rule that the attacker can follow, and with the statistics that it knows."""
    changes = {}
    if settings.label == "known" and not attacker.labels:
        changes["label"] = "analytic" if "last_bias" in has else "optimised"
    if "batchnorm" in settings.priors and "batchnorm_train" in has and attacker.batch_statistics:
        renamed = {"batchnorm": "batch_statistics"}
        changes["priors"] = {renamed.get(name, name): weight for name, weight in settings.priors.items()}
    return settings.model_copy(update=changes)
