"""Train one target model: write its weights, with its accuracy in their metadata, and its curves."""

import argparse

import numpy as np
import torch

from semsim.commandline import json_object, run
from semsim.data import load_classes, load_split, open_split
from semsim.errors import SemsimError
from semsim.io.stored_arrays import JoinedRows
from semsim.io.tables import write_table
from semsim.seeds import seed_for
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence
from semsim.targets.device import choose_device
from semsim.targets.models import count_parameters, save_target
from semsim.targets.training import Recipe, train_target

SETTINGS = ("architecture", "width", "augmentation", "gradient_defence", "training")


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    name, settings = f"{arguments.dataset}/{arguments.target}", arguments.settings
    if unknown := set(settings) - set(SETTINGS):
        raise SemsimError(
            f"target {arguments.target}: '{min(unknown)}' is not known. The settings are {', '.join(SETTINGS)}."
        )
    if "architecture" not in settings:
        raise SemsimError(f"target {arguments.target}: it has no architecture. Set one, for instance convnet.")
    augmentation = Augmentation(settings.get("augmentation", "none"))
    defence = GradientDefence.from_settings(settings.get("gradient_defence"))

    target, curves = train_target(
        train=load_split(arguments.data, "train"),
        validation=load_validation(arguments.data),
        classes=len(load_classes(arguments.data)),
        architecture=settings["architecture"],
        width=settings.get("width"),
        augmentation=augmentation,
        gradient_defence=defence,
        recipe=Recipe.from_settings(arguments.training),
        seed=seed_for(arguments.seed, "target", arguments.dataset, arguments.target),
        device=choose_device(arguments.device),
        description=name,
    )
    last = curves.iloc[-1]
    metadata = {
        "dataset": arguments.dataset,
        "target": arguments.target,
        "architecture": settings["architecture"],
        "augmentation": augmentation.name,
        "gradient_defence": str(defence),
        "parameters": count_parameters(target),
        "train_accuracy": last["train_accuracy"],
        "validation_accuracy": last["validation_accuracy"],
    }
    save_target(target, arguments.weights, metadata)
    write_table(curves, arguments.curves)


def load_validation(path):
    """Return all images of a data set, and their labels, that its targets are not trained on."""
    images, labels = zip(*(open_split(path, split) for split in ("originals", "public")), strict=True)
    return JoinedRows(images), np.concatenate(labels)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument("--target", required=True, metavar="NAME", help="the name of the target model")
    parser.add_argument(
        "--settings", type=json_object, required=True, metavar="JSON", help="targets.<name> of the config"
    )
    parser.add_argument("--training", type=json_object, required=True, metavar="JSON", help="the recipe, merged")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of PyTorch (default: 1)")
    parser.add_argument("--weights", required=True, metavar="OUT.safetensors", help="the weights to write")
    parser.add_argument("--curves", required=True, metavar="OUT.csv", help="the losses and accuracies to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
