"""Make one data set of the study: three splits of images, drawn, read from local files, or downloaded.

Downloads are kept in the folder in the environment variable SEMSIM_CACHE, or else in the user's cache folder.
"""

import argparse
import os
from pathlib import Path

from semsim.commandline import json_object, run
from semsim.data import prepare_dataset, save_dataset
from semsim.io.tables import read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the data set's name in the study")
    parser.add_argument(
        "--settings", required=True, type=json_object, help="its settings: datasets.<NAME> of the config"
    )
    parser.add_argument("--image-size", required=True, type=int, metavar="PIXELS", help="side of the square images")
    parser.add_argument("--seed", required=True, type=int, help="the study's seed")
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="DIR",
        default=os.environ.get("SEMSIM_MIRROR") or None,
        help="folder in which a relative `path` and <kind>.zip are looked up first (default: SEMSIM_MIRROR)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="X.safetensors", help="the images and labels")
    parser.add_argument("--index", required=True, type=Path, metavar="X.csv", help="a table of them, for people")
    parser.add_argument(
        "--originals-of", metavar="images.csv", help="take the originals of these published images, if they can be told"
    )
    arguments = parser.parse_args()
    numbers = sorted(set(read_table(arguments.originals_of)["original"])) if arguments.originals_of else None
    dataset = prepare_dataset(
        *(arguments.dataset, arguments.settings, arguments.image_size, arguments.seed, arguments.mirror),
        numbers=numbers,
    )
    save_dataset(dataset, arguments.out, arguments.index)


if __name__ == "__main__":
    run(main)
