"""Score labelled reconstructions whose target models are not available, with all metrics that need only the images."""

import argparse

from table_arguments import add_table_arguments
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import run
from semsim.io.tables import KEYS, read_table, write_table
from semsim.learned.pairs import read_pairs
from semsim.metrics import describe_scales
from semsim.metrics.measure import gather_networks, measure_pairs


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    pairs = read_pairs(arguments.reconstructions, read_table(arguments.recognition))
    networks = gather_networks(pairs.references.shape[-1], arguments.pretrained, arguments.seed, device)
    values = measure_pairs(pairs.references, pairs.reconstructions, device=device, **networks)
    write_table(pairs.table[[*KEYS, "label"]].assign(reference="original").join(values), arguments.out)
    write_table(describe_scales(values), arguments.out_scales)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reconstructions", required=True, nargs="+", metavar="PATH", help="files or folders")
    add_table_arguments(parser, "recognition")
    parser.add_argument("--pretrained", metavar="DIR", help="folder to search first for pretrained networks")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="metrics.csv", help="to write: metrics of each reconstruction")
    parser.add_argument("--out-scales", required=True, metavar="scales.csv", help="to write: how to read them")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
