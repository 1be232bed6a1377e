"""Give a study's reconstructions the answers of people about the paper's reconstructions of the same originals."""

import argparse

import pandas as pd

from semsim.commandline import run
from semsim.io.tables import read_parts, read_table, write_table
from semsim.io.tensors import read_metadata
from semsim.labels import shown_images
from semsim.labels.replayed import pair_images, replay_labels


def main() -> None:
    arguments = parse_arguments()
    images = pd.concat(map(shown_images, read_parts(arguments.attacks)), ignore_index=True)
    numbers = read_metadata(arguments.data)["published_numbers"]
    pairs = pair_images(images, read_table(arguments.published_images), numbers)
    unit = "original" if numbers else "class, not original: this source of CIFAR-100 has no published order"
    print(f"{len(pairs)} of {len(images)} reconstructions have the labels of one of the same target model and {unit}.")
    write_table(replay_labels(read_table(arguments.published_labels), pairs), arguments.out)
    write_table(pairs.assign(unit="original" if numbers else "label"), arguments.out_pairs)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", required=True, metavar="attacks.csv", help="the study's table of attacks")
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="its data set, from prepare_data.py")
    parser.add_argument("--published-images", required=True, metavar="images.csv", help="from fetch_human_study.py")
    parser.add_argument("--published-labels", required=True, metavar="labels.csv", help="from fetch_human_study.py")
    parser.add_argument("--out", required=True, metavar="labels.csv", help="to write: one row per label")
    parser.add_argument("--out-pairs", required=True, metavar="pairs.csv", help="to write: which images are partners")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
