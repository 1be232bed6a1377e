"""Train one target model: write its weights, with its accuracy in their metadata, and its curves."""

import argparse

import numpy as np
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import json_object, run
from semsim.data import load_classes, load_split, open_split
from semsim.io.stored_arrays import JoinedRows
from semsim.io.tables import write_table
from semsim.seeds import seed_for
from semsim.settings import validated
from semsim.targets.augmentation import Augmentation
from semsim.targets.models import count_parameters, save_target
from semsim.targets.privacy import privacy_spent
from semsim.targets.recipe import TargetRecipe
from semsim.targets.settings import TargetSettings
from semsim.targets.training import initial_target, train_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    settings = validated(TargetSettings, arguments.settings, f"the settings of {arguments.target} are not valid")
    recipe = validated(TargetRecipe, arguments.training, "the recipe of the training is not valid")
    augmentation, train = Augmentation(settings.augmentation), load_split(arguments.data, "train")
    seed = seed_for(arguments.seed, "target", arguments.dataset, arguments.target)
    untrained = initial_target(
        settings.network,
        len(load_classes(arguments.data)),
        train[0],
        width=settings.width,
        seed=seed,
        weights=settings.weights,
        normalisation=settings.normalisation,
    )
    settings.check_traits(untrained)

    target, curves = train_target(
        untrained,
        train,
        load_validation(arguments.data),
        recipe,
        augmentation=augmentation,
        gradient_defence=settings.defence,
        seed=seed,
        device=device,
        description=f"{arguments.dataset}/{arguments.target}",
    )
    last = curves.iloc[-1]
    metadata = {
        "dataset": arguments.dataset,
        "target": arguments.target,
        "architecture": settings.label,
        "augmentation": augmentation.name,
        "gradient_defence": str(settings.defence),
        "parameters": count_parameters(target),
        "train_accuracy": last["train_accuracy"],
        "validation_accuracy": last["validation_accuracy"],
        **privacy_spent(settings.defence, recipe, len(train[0])),
    }
    save_target(target, arguments.weights, metadata)
    write_table(curves, arguments.curves)


def load_validation(path):
    """Return all images of a data set, and their labels, that its targets are not trained on."""
    images, labels = zip(*(open_split(path, split) for split in ("originals", "public")), strict=True)
    return JoinedRows(images), np.concatenate(labels)


def parse_arguments() -> argparse.Namespace:
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
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, metavar="OUT.safetensors", help="the weights to write")
    parser.add_argument("--curves", required=True, metavar="OUT.csv", help="the losses and accuracies to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
