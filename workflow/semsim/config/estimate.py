"""The running time and disk space of a study's attacks: ``python -m semsim.config.estimate CONFIG [OVERLAY ...]``.

Attacks take nearly all the time of a large study. An image-step is one evaluation of an attack's cost and gradient for
one image.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from semsim.attacks.settings import attack_settings
from semsim.commandline import run
from semsim.config.study import Study, read_config
from semsim.errors import SemsimError
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.own_networks import network_label
from semsim.text import duration, listed, size_in_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from semsim.targets.models import Target

RATES = files("semsim.attacks") / "rates.jsonl"
CLASSES = 100
"""Of the networks whose operations are compared; the last layer hardly matters."""
IMAGES = 4
"""Images stored per attacked original: the original, the attacked image, and the reconstruction, kept twice."""


class Rate(NamedTuple):
    """A measured rate: milliseconds per image-step of a network on a device."""

    architecture: str
    width: int | None
    image_size: int
    milliseconds: float
    source: str


def read_rates(device: str, path: Path = RATES) -> list[Rate]:
    """Return the rates measured on a device: ``cpu``, or a GPU by the beginning of its name.

    Raises
    ------
    SemsimError
        If there are none.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rates = [
        Rate(line["architecture"], line["width"], line["image_size"], line["batched_ms"], line["machine"])
        for line in lines
        if line["machine"].lower().startswith(device.lower())
    ]
    if not rates:
        known = listed(sorted({line["machine"] for line in lines}))
        raise SemsimError(
            f"No rate was measured on '{device}', only on {known}. Measure it there:"
            " python benchmarks/attack_engine.py >> workflow/semsim/attacks/rates.jsonl"
        )
    return rates


def forward_flops(architecture: str | dict, classes: int, image_size: int, width: int | None = None) -> int:
    """Return the floating-point operations of one forward pass of one image; arguments as for `build_target`."""
    import torch

    from semsim.targets.models import build_target

    # Ours are built without memory for this; a user's network may need actual values when it is built.
    with torch.device("meta" if isinstance(architecture, str) and architecture in ARCHITECTURES else "cpu"):
        return flops_of(build_target(architecture, classes, image_size, width).eval())


def flops_of(target: Target) -> int:
    """Return the floating-point operations of one forward pass of one image through a target model in eval mode."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    side, place = target.spec["image_size"], next(target.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        target.network(torch.zeros(1, 3, side, side, device=place))
    return counter.get_total_flops()


def milliseconds_on(device: str, target: Target) -> float:
    """Return the milliseconds per image-step of a target model on a device, scaled from the rates measured there.

    Parameters
    ----------
    device : str
        As for `read_rates`.
    target : semsim.targets.models.Target
        In eval mode.
    """
    flops = flops_of(target)
    rate, known = _nearest(_with_flops(read_rates(device)), network_label(target.spec["architecture"]), flops)
    return rate.milliseconds * flops / known


class Cost(NamedTuple):
    """The cost of the attacks on one architecture."""

    image_steps: int
    milliseconds: float
    basis: str


def estimate(study: Study, rates: list[Rate]) -> dict[str, Cost]:
    """Return the cost of a study's attacks, by architecture.

    Parameters
    ----------
    study : semsim.config.study.Study
    rates : list of Rate
        Of one device. A network measured at the study's image size has its own rate. Otherwise, the rate of the same
        architecture, or else of the one with the closest number of operations, is scaled by that number.

    Returns
    -------
    dict of str to Cost
    """
    steps, networks = defaultdict(int), {}
    for dataset in study.datasets:
        originals, size = study.data_settings(dataset)["originals"], study.image_size_of(dataset)
        for target in study.targets:
            network = study.target_settings(target)
            for attack in study.attacks_on(target):
                settings = attack_settings(**study.attack_settings(dataset, attack))
                key = (study.target_traits(target)["architecture"], network["width"], size)
                networks[key] = network["architecture"]
                evaluations = settings.steps * settings.restarts * study.client_settings(target)["local_steps"]
                steps[key] += originals * evaluations
    measured = _with_flops(rates)
    costs = {}
    for (architecture, width, size), count in steps.items():
        flops = forward_flops(networks[architecture, width, size], CLASSES, size, width)
        rate, known = _nearest(measured, architecture, flops)
        same = (rate.architecture, rate.width, rate.image_size) == (architecture, width, size)
        basis = "measured" if same else f"scaled by operations from {rate.architecture} at {rate.image_size} pixels"
        name = architecture + (f" of width {width}" if width else "") + f", {size} pixels"
        costs[name] = Cost(count, rate.milliseconds * (1 if same else flops / known), basis)
    return costs


def _with_flops(rates):
    """Return pairs of a rate and the operations of its network."""
    return [(rate, forward_flops(rate.architecture, CLASSES, rate.image_size, rate.width)) for rate in rates]


def _nearest(measured, architecture, flops):
    """Return the most similar measured rate and its operations; of several batch sizes, the fastest."""

    def distance(pair):
        rate, known = pair
        return rate.architecture != architecture, abs(known / flops - 1), rate.milliseconds

    return min(measured, key=distance)


def disk_bytes(study: Study) -> int:
    """Return the size of a study's images: its data, and the images stored for each attack."""
    total = 0
    for dataset in study.datasets:
        settings = study.data_settings(dataset)
        attacks = sum(len(study.attacks_on(target)) for target in study.targets)
        images = settings["train"] + settings["public"] + settings["originals"] * (1 + IMAGES * attacks)
        total += 3 * study.image_size_of(dataset) ** 2 * images
    return total


def main() -> None:
    """Print what the attacks of a study take, by its configuration files."""
    parser = argparse.ArgumentParser(prog="semsim.config.estimate", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files; later ones change earlier ones")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, or a GPU, such as 'NVIDIA H100' (cpu)")
    arguments = parser.parse_args()
    study, rates = Study(read_config(*arguments.configs)), read_rates(arguments.device)
    costs = estimate(study, rates)
    print(f"Study {study.name} on {rates[0].source}, attacks only:")
    for name, cost in costs.items():
        time = duration(cost.image_steps * cost.milliseconds / 1000)
        each = f"{cost.milliseconds:.3g} ms ({cost.basis})"
        print(f"  {name:34} {cost.image_steps:>15,} image-steps x {each}: {time}")
    total = sum(cost.image_steps * cost.milliseconds for cost in costs.values()) / 1000
    print(f"  {'together':34} {sum(cost.image_steps for cost in costs.values()):>15,} image-steps: {duration(total)}")
    print(f"  images on disk: {size_in_bytes(disk_bytes(study))}")
    print("Rates come from benchmarks/attack_engine.py and are stored in semsim/attacks/rates.jsonl. L-BFGS with many")
    print("restarts and small batches take longer. Training, metrics and labels are not included.")


if __name__ == "__main__":
    run(main)
