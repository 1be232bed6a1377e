"""Train one observer (simulated annotator) on degraded public images: write its weights and its curves."""

import argparse

from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import json_object, run
from semsim.data import load_classes
from semsim.io.tables import write_table
from semsim.observers.degradations import Degradation
from semsim.observers.images import divide_public
from semsim.seeds import seed_for
from semsim.settings import validated
from semsim.targets.models import save_target
from semsim.targets.recipe import Recipe
from semsim.targets.training import initial_target, train_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    training, held_out = divide_public(arguments.data, arguments.dataset, arguments.seed, "observers")
    classes = len(load_classes(arguments.data))
    seed = seed_for(arguments.seed, "observer", arguments.dataset, arguments.observer)
    observer, curves = train_target(
        initial_target(arguments.architecture, classes, training[0], arguments.width, seed),
        training,
        held_out,
        validated(Recipe, arguments.training, "the recipe of the training is not valid"),
        augmentation=Degradation(),
        seed=seed,
        device=device,
        description=f"{arguments.dataset}/{arguments.observer}",
    )
    accuracy = curves["validation_accuracy"].iloc[-1]
    save_target(observer, arguments.weights, {"observer": arguments.observer, "validation_accuracy": accuracy})
    write_table(curves, arguments.curves)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument("--observer", required=True, metavar="NAME", help="the name of the observer")
    parser.add_argument("--architecture", required=True, metavar="NAME", help="its network, one of the target models'")
    parser.add_argument("--width", type=int, metavar="N", help="the network's width")
    parser.add_argument("--training", type=json_object, required=True, metavar="JSON", help="the recipe")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, metavar="OUT.safetensors", help="the weights to write")
    parser.add_argument("--curves", required=True, metavar="OUT.csv", help="the losses and accuracies to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
