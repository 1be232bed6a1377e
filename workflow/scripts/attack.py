"""Attack the originals of one target model: reconstruct them from what clients with these images would share."""

import argparse
import sys
from pathlib import Path

import torch
from torch_arguments import add_torch_arguments, device_of

from semsim.attacks.clients import ClientSettings
from semsim.attacks.planning import plan_updates
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.commandline import json_object, run
from semsim.data import open_split
from semsim.io.tables import write_table
from semsim.io.tensors import write_arrays
from semsim.settings import validated
from semsim.targets.augmentation import Augmentation
from semsim.targets.models import load_target
from semsim.targets.settings import TargetSettings

CODE = sys._xoptions.get("code", "")  # how the workflow starts Python: `python -X code=<digest of this script's code>`


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    settings = validated(TargetSettings, arguments.target_settings, "the settings of the target are not valid")
    client = validated(ClientSettings, arguments.client, "the settings of the client are not valid")
    end = None if arguments.count is None else arguments.first + arguments.count
    images, labels = (array[arguments.first : end] for array in open_split(arguments.data, "originals"))
    target = load_target(arguments.weights, device)
    plan = plan_updates(target, client, target.mean.device)
    for path, table in zip(arguments.images, arguments.tables, strict=True):
        attack = path.stem
        changes = arguments.settings.get(attack, {})
        attack_run = AttackRun(
            dataset=arguments.dataset,
            target_name=arguments.target,
            attack=attack,
            target=target,
            originals=torch.from_numpy(images),
            labels=torch.from_numpy(labels),
            settings=attack_settings(**{"preset": attack} | changes),
            augmentation=Augmentation(settings.augmentation),
            defence=settings.defence,
            study_seed=arguments.seed,
            memory_gib=arguments.memory_gib,
            first=arguments.first,
            client=client,
            draw_clients=True,
            plan=plan,
        )
        attacked, outcome = attack_run.run(arguments.state and arguments.state / f"{attack}.pt", CODE)
        arrays = {
            "original": images,
            "attacked": attacked.numpy(),
            "reconstruction": outcome.images.numpy(),
            "label": labels,
        }
        names = {"dataset": arguments.dataset, "target": arguments.target, "attack": attack}
        write_arrays(arrays, path, names | {"settings": changes, "left_out": attack_run.left_out()})
        write_table(attack_run.table(outcome), table)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the data set, as prepare_data.py writes it")
    parser.add_argument("--weights", required=True, help="the target model, as train_target.py writes it")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--target", required=True, help="name of the target model")
    parser.add_argument(
        "--target-settings", type=json_object, required=True, metavar="JSON", help="targets.<name> of the config"
    )
    parser.add_argument(
        "--client", type=json_object, default={}, metavar="JSON", help="what its clients do, targets.<name>.client"
    )
    parser.add_argument(
        "--settings", type=json_object, default={}, metavar="JSON", help="by attack: its preset and changes of it"
    )
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--memory-gib", type=float, default=2.0, help="memory for the searches that run at once")
    parser.add_argument("--first", type=int, default=0, help="number of the first original to attack")
    parser.add_argument("--count", type=int, help="how many originals to attack (all from the first on)")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="where each attack keeps how far it came, and its outcome"
    )
    parser.add_argument(
        "--images",
        required=True,
        nargs="+",
        type=Path,
        metavar="ATTACK.safetensors",
        help="images to write, one file per attack, named after it",
    )
    parser.add_argument(
        "--tables",
        required=True,
        nargs="+",
        metavar="ATTACK.csv",
        help="tables to write, in that order, one row per original",
    )
    arguments = parser.parse_args()
    if len(arguments.images) != len(arguments.tables):
        parser.error("--images and --tables must name as many files, in the same order")
    return arguments


if __name__ == "__main__":
    run(main)
