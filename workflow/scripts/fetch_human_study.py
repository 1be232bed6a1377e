"""Fetch the published human labels of CIFAR-100 reconstructions, and convert them to the project's tables."""

import argparse
from pathlib import Path

from semsim.commandline import run
from semsim.io.tables import write_table
from semsim.labels import check_labels, read_campaign, recognition_rates
from semsim.labels.human_study import CLASSES, DATASET, SCALES, find_labels, read_human_study


def main() -> None:
    arguments = parse_arguments()
    study = read_human_study(find_labels(arguments.mirror))
    check_labels(study.labels, study.images, {DATASET: CLASSES}, where="the published labels")
    if arguments.campaign:
        study = study._replace(labels=read_campaign(arguments.campaign, study.images, {DATASET: CLASSES}))
    rates = recognition_rates(study.labels, study.images)
    tables = {**study._asdict(), "recognition": rates, "scales": SCALES}
    for name, table in tables.items():
        write_table(table, arguments.out / f"{name}.csv")


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="DIR",
        help="folder with the file in annotations/, instead of a download into the cache",
    )
    parser.add_argument("--campaign", metavar="FOLDER", help="take this campaign's labels of the images instead")
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder to write labels.csv, metrics.csv, images.csv, targets.csv, recognition.csv and scales.csv to",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
