"""Fine-tune a pretrained network on degraded public images, as an observer; write its weights and losses."""

import argparse

import torch
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.data import load_classes
from semsim.io.tables import write_table
from semsim.observers.fine_tuning import ASKED, build_observer, choose_caution, fine_tune
from semsim.observers.images import divide_public
from semsim.pretrained.networks import load_layers
from semsim.pretrained.weights import require_weights
from semsim.seeds import seed_for
from semsim.targets.models import save_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    path = require_weights(arguments.architecture, arguments.pretrained, ", or set other `observers`")
    training, others = (divide(arguments, learners) for learners in ("observers", "classifier"))
    layers, classes = load_layers(arguments.architecture, path), len(load_classes(arguments.data))
    observer = build_observer(arguments.architecture, classes, training[0].shape[-1], layers)
    seed = seed_for(arguments.seed, "observer", arguments.dataset, arguments.observer)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():  # of dropout
        torch.manual_seed(seed)
        losses = fine_tune(observer, *training, generator, device, f"{arguments.dataset}/{arguments.observer}")
    caution = choose_caution(observer, *(each[:ASKED] for each in others), generator)
    save_target(observer, arguments.weights, {"observer": arguments.observer, "caution": caution})
    write_table(losses, arguments.curves)


def divide(arguments, learners):
    """Return the public images and labels of some learners, as tensors."""
    chosen, _ = divide_public(arguments.data, arguments.dataset, arguments.seed, learners)
    return tuple(map(torch.from_numpy, chosen))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument("--observer", required=True, metavar="NAME", help="the name of the observer")
    parser.add_argument("--architecture", required=True, metavar="NAME", help="its network, a pretrained one")
    parser.add_argument("--pretrained", metavar="DIR", help="folder of weights to search first")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--weights", required=True, metavar="OUT.safetensors", help="the weights to write")
    parser.add_argument("--curves", required=True, metavar="OUT.csv", help="the losses to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
