"""Measure LPIPS of images that are not scaled to [-1, 1], as released, and compare it with the intended LPIPS."""

import argparse

import pandas as pd
from table_arguments import add_table_arguments
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.defects.unscaled import UNSCALED, load_network, measure_unscaled, unscaled_distances
from semsim.io.tables import KEYS, read_table, write_table
from semsim.metrics.reconstructions import REFERENCES, read_reconstructions
from semsim.seeds import seed_for


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    metrics = read_table(arguments.metrics)
    metric, network = load_network(metrics, arguments.pretrained, arguments.seed, device)
    metrics = metrics[[*KEYS, "reference", metric]].dropna()
    large_enough = set(metrics["dataset"])
    found = []
    for paths in zip(arguments.reconstructions, arguments.tables, strict=True):
        attack = read_reconstructions(*paths)
        if attack.dataset not in large_enough:
            continue
        images = (attack.images[name] for name in (REFERENCES[0], "reconstruction"))
        distances = unscaled_distances(*images, network, device)
        found.append(attack.table[KEYS].assign(reference=REFERENCES[0], **{UNSCALED: distances}))
    values = pd.concat(found, ignore_index=True).merge(metrics, on=[*KEYS, "reference"])
    seed, rates = seed_for(arguments.seed, "unscaled lpips"), read_table(arguments.recognition)
    write_table(measure_unscaled(values, rates, metric, arguments.resamples, seed), arguments.out)
    write_table(values, arguments.out_values)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reconstructions", required=True, nargs="+", metavar="X.safetensors", help="all of the study")
    parser.add_argument("--tables", required=True, nargs="+", metavar="X.csv", help="of the attacks, in that order")
    add_table_arguments(parser, "recognition")
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="LPIPS as it is meant")
    parser.add_argument("--pretrained", metavar="DIR", help="folder to search first for pretrained networks")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="X.csv", help="to write: how faithful both are")
    parser.add_argument("--out-values", required=True, metavar="X.csv", help="to write: both for each reconstruction")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
