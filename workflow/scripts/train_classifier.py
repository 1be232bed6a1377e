"""Train a plain classifier of public images, the initialisation or a baseline of SemSim: write weights and curves."""

import argparse

from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import json_object, run
from semsim.io.tables import write_table
from semsim.learned.classifier import train_classifier
from semsim.seeds import seed_for
from semsim.settings import validated
from semsim.targets.models import save_target
from semsim.targets.recipe import Recipe


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    classifier, curves = train_classifier(
        data=dict(zip(arguments.datasets, arguments.data, strict=True)),
        backbone=arguments.backbone,
        width=arguments.width,
        recipe=validated(Recipe, arguments.training, "the recipe of the training is not valid"),
        seed=seed_for(arguments.seed, "classifier", *arguments.datasets),
        device=device,
        description=f"classifier of {', '.join(arguments.datasets)}",
    )
    about = {"datasets": arguments.datasets, "validation_accuracy": curves["validation_accuracy"].iloc[-1]}
    save_target(classifier, arguments.weights, about)
    write_table(curves, arguments.curves)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, nargs="+", metavar="X.safetensors", help="the data sets")
    parser.add_argument("--datasets", required=True, nargs="+", metavar="NAME", help="their names, in the same order")
    parser.add_argument("--backbone", required=True, metavar="NAME", help="the network, one of the target models'")
    parser.add_argument("--width", type=int, metavar="N", help="the network's width")
    parser.add_argument("--training", type=json_object, required=True, metavar="JSON", help="the recipe")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, metavar="OUT.safetensors", help="the weights to write")
    parser.add_argument("--curves", required=True, metavar="OUT.csv", help="the losses and accuracies to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
