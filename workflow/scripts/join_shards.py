"""Join the shards of an attack into one file of images and one table, as if it had been a single job."""

import argparse

from semsim.commandline import run
from semsim.io.stored_arrays import JoinedRows, open_arrays
from semsim.io.tables import append_tables, read_table
from semsim.io.tensors import read_metadata, write_arrays


def main() -> None:
    arguments = parse_arguments()
    shards = [open_arrays(path) for path in arguments.images]
    joined = {name: JoinedRows([shard[name] for shard in shards]) for name in shards[0]}
    write_arrays(joined, arguments.out, read_metadata(arguments.images[0]))
    append_tables(map(read_table, arguments.tables), arguments.table)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, nargs="+", metavar="X.safetensors", help="the shards, in order")
    parser.add_argument("--tables", required=True, nargs="+", metavar="X.csv", help="their tables, in the same order")
    parser.add_argument("--out", required=True, metavar="X.safetensors", help="images to write")
    parser.add_argument("--table", required=True, metavar="X.csv", help="table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
