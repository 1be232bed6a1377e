"""Fetch what the paper's authors released on Google Drive; convert its training folders to labelled reconstructions."""

import argparse
import sys
from pathlib import Path

from semsim.commandline import run
from semsim.labels.drive import fetch_archive
from semsim.labels.released import ARCHIVES, read_released, write_released


def main() -> None:
    arguments = parse_arguments()
    path = arguments.tree or fetch_archive(
        ARCHIVES[arguments.archive], arguments.download / f"cifar100-{arguments.archive}.zip"
    )
    if arguments.out:
        study = read_released(path)
        write_released(study, arguments.out)
        print(summary(study), file=sys.stderr)


def summary(study):
    """Say what there is: worth a look before SemSim is tried without each n and each m."""
    table = study.table
    names = [f"{part} {', '.join(table[key].unique())}" for part, key in (("n:", "target"), ("m:", "attack"))]
    counts = f"{len(table):,} reconstructions, {table['recognised'].sum():,} recognised, of {len(study.originals):,}"
    return f"{counts} originals; {'; '.join(names)}"


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--download", type=Path, metavar="DIR", help="where downloads are, or were put by hand")
    source.add_argument("--tree", type=Path, metavar="PATH", help="the training folders: a folder or a .zip file")
    parser.add_argument("--archive", choices=ARCHIVES, default="training", help="what to fetch (default: training)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write reconstructions/ and tables/ to")
    arguments = parser.parse_args()
    if arguments.out and arguments.archive != "training":
        parser.error("only the archive 'training' can be turned into labelled reconstructions")
    return arguments


if __name__ == "__main__":
    run(main)
