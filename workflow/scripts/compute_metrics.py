"""Score the reconstructions of a data set with all metrics, of pairs and of sets."""

import argparse
from pathlib import Path

import pandas as pd
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.data import open_split
from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.metrics.measure import measure_reconstructions, measure_sets
from semsim.metrics.reconstructions import check_originals, read_reconstructions
from semsim.targets.models import load_target


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    attacks = [read_reconstructions(*pair) for pair in zip(arguments.reconstructions, arguments.tables, strict=True)]
    originals, _ = open_split(arguments.data, "originals")
    for attack in attacks:
        check_originals(attack, originals)
    if unknown := {attack.target for attack in attacks} - {path.stem for path in arguments.weights}:
        raise SemsimError(f"{min(unknown)}: reconstructions, but no weights. Give the weights of all target models.")
    pairs, sets = [], []
    for weights in arguments.weights:
        target, of_target = load_target(weights, device), [each for each in attacks if each.target == weights.stem]
        pairs.append(
            measure_reconstructions(target, of_target, arguments.pretrained, arguments.seed, device, arguments.extra)
        )
        sets.append(measure_sets(of_target, arguments.pretrained, device))
    write_table(pd.concat(pairs, ignore_index=True), arguments.out)
    write_table(pd.concat(sets, ignore_index=True), arguments.sets)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set that was attacked")
    parser.add_argument(
        "--weights",
        required=True,
        nargs="+",
        type=Path,
        metavar="X.safetensors",
        help="the target models, each named as its file",
    )
    parser.add_argument(
        "--reconstructions",
        required=True,
        nargs="+",
        metavar="A.safetensors",
        help="images, one file per attack",
    )
    parser.add_argument(
        "--tables", required=True, nargs="+", metavar="A.csv", help="tables of the attacks, in that order"
    )
    parser.add_argument("--pretrained", metavar="DIR", help="folder to search first for pretrained networks")
    parser.add_argument("--extra", nargs="*", default=[], metavar="NAME", help="extra metrics to compute")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.parquet", help="metrics of each reconstruction, to write")
    parser.add_argument("--sets", required=True, metavar="X.parquet", help="metrics of sets, FID and KID, to write")
    arguments = parser.parse_args()
    if len(arguments.reconstructions) != len(arguments.tables):
        parser.error("--reconstructions and --tables must name as many files, in the same order")
    return arguments


if __name__ == "__main__":
    run(main)
