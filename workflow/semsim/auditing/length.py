"""How long an audit takes, and how to shorten its searches so that it fits a time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.auditing.settings import Length
from semsim.config.estimate import milliseconds_on
from semsim.text import counted, duration, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from semsim.attacks.run import AttackRun
    from semsim.attacks.settings import AttackSettings
    from semsim.auditing.settings import AuditSettings

BENCHMARK = "NVIDIA H100"
"""The GPU that an estimate mentions beside this machine."""
MOST_STEPS = 2000
"""Steps of a search where there is time, unless an option sets them."""
STEPS_APART = 10
"""Numbers of steps that are tried are this far apart."""


def whole_length(settings: AuditSettings, attacks: Iterable[AttackSettings], images: int) -> Length:
    """Return the length of an audit that is not shortened, by these attacks, of as many images as there are."""
    restarts = max(each.restarts for each in attacks)
    return Length(settings.steps or MOST_STEPS, min(settings.most_originals, images), restarts)


def fitting_length(runs: dict[str, AttackRun], settings: AuditSettings) -> Length:
    """Return the longest length for which there is time.

    First, an attack that restarts does so less often. Then searches are shortened: a preset's schedule is in shares of
    its steps, so a shorter search comes to its end, too. Below some number of steps it would find little anywhere, so
    there are fewer originals instead, down to as many as it takes to tell an attack from a guess. What options fix
    stays.

    Parameters
    ----------
    runs : dict of str to semsim.attacks.run.AttackRun
        All attacks on all originals. The rate of each is measured.
    settings : semsim.auditing.settings.AuditSettings

    Returns
    -------
    semsim.auditing.settings.Length
        The shortest one, where there is no time even for that.
    """
    attacks = [run.settings for run in runs.values()]
    whole = whole_length(settings, attacks, len(next(iter(runs.values())).originals))
    lengths = list(_lengths(whole, settings))
    fitting = (each for each in lengths if _seconds(runs, image_steps(runs, each)) <= 60 * settings.minutes)
    return next(fitting, lengths[-1])


def _lengths(whole: Length, settings: AuditSettings) -> Iterator[Length]:
    """Yield lengths, the longest first."""
    steps, originals, restarts = settings.shortest
    batch = settings.client.batch
    restarts = min(restarts, whole.restarts)
    for more in range(whole.restarts, restarts, -1):
        yield whole._replace(restarts=more)
    for more in range(whole.steps, steps - 1, -STEPS_APART):
        yield Length(more, whole.originals, restarts)
    for more in range((whole.originals - 1) // batch * batch, originals - 1, -batch):
        yield Length(steps, more, restarts)


def image_steps(runs: dict[str, AttackRun], length: Length) -> dict[str, float]:
    """Return how many steps on single images each attack takes, all restarts of its preset together counted as one."""
    return {
        name: length.originals
        * min(length.steps, run.settings.steps)
        * min(length.restarts / run.settings.restarts, 1.0)
        for name, run in runs.items()
    }


def _seconds(runs, steps):
    return sum(count * runs[name].step_seconds for name, count in steps.items() if count)


def estimate(runs: dict[str, AttackRun], steps: dict[str, float]) -> tuple[float, str]:
    """Measure a step of each attack and say how long all of them take.

    Parameters
    ----------
    runs : dict of str to semsim.attacks.run.AttackRun
        On one target model.
    steps : dict of str to float
        How many steps on single images are left of each, of `image_steps`.

    Returns
    -------
    seconds : float
    sentence : str
    """
    if not any(steps.values()):
        return 0.0, "The attacks take a moment."
    seconds, target = _seconds(runs, steps), next(iter(runs.values())).target
    count = round(sum(each * runs[name].settings.restarts for name, each in steps.items()))
    side = f"{target.spec['image_size']} pixels"
    here = "this GPU" if target.mean.is_cuda else "this CPU"
    sentence = f"{count:,} steps of single images at {side}: about {duration(seconds)} on {here}, as a few steps took"
    if not target.mean.is_cuda:
        elsewhere = duration(count * milliseconds_on(BENCHMARK, target) / 1000)
        sentence += f", and {elsewhere} on an {BENCHMARK.removeprefix('NVIDIA ')} by benchmark"
    return seconds, f"{sentence}."


def shortened(length: Length, whole: Length) -> list[str]:
    """Say what there is no time for, and what that means; nothing if there is time for everything."""
    less = []
    if length.restarts < whole.restarts:
        less.append(f"{length.restarts} of {counted(whole.restarts, 'restarts')}")
    if length.steps < whole.steps:
        less.append(f"{length.steps:,} of {counted(whole.steps, 'steps')}")
    if length.originals < whole.originals:
        less.append(f"{length.originals:,} of {counted(whole.originals, 'images')}")
    if not less:
        return []
    sentence = f"Shortened to fit the time limit on this machine: to {listed(less)}."
    if length.steps < whole.steps or length.restarts < whole.restarts:
        sentence += " Longer searches find more: what is found here is a lower bound on what leaks."
    return [sentence]
