"""Collect the labels of a study's reconstructions, the images that were shown, and recognition rates."""

import argparse

import pandas as pd
from table_arguments import add_table_arguments

from semsim.commandline import run
from semsim.io.tables import appending, read_parts, read_table, write_table
from semsim.labels import check_labels, read_campaign, recognition_rates, shown_images
from semsim.metrics.summaries import concatenated


def main() -> None:
    arguments = parse_arguments()
    images = pd.concat(map(shown_images, read_parts(arguments.attacks)), ignore_index=True)
    classes = dict(read_table(arguments.datasets)[["dataset", "classes"]].itertuples(index=False))
    if arguments.campaign:
        tables = [read_campaign(arguments.campaign, images, classes)]
    else:
        tables = labels_of_observers(arguments.labels, images, classes)
    with appending(arguments.out_labels) as append_labels, appending(arguments.out_recognition) as append_rates:
        for labels in tables:
            append_labels(labels)
            append_rates(recognition_rates(labels, images))
    write_table(images, arguments.out_images)
    if arguments.reading:
        write_table(concatenated(arguments.reading), arguments.out_observers)


def labels_of_observers(paths, images, classes):
    """Yield the table of labels of each data set."""
    for path in paths:
        labels = read_table(path)
        check_labels(labels, images, classes, where=path)
        yield labels


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", required=True, metavar="attacks.csv", help="the study's table of attacks")
    add_table_arguments(parser, "datasets")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", nargs="+", metavar="X.csv", help="labels by data set, simulated or replayed")
    source.add_argument("--campaign", metavar="FOLDER", help="a campaign: images.csv and labels.csv")
    parser.add_argument("--out-labels", required=True, metavar="labels.csv", help="output: one row per label")
    parser.add_argument("--out-images", required=True, metavar="images.csv", help="output: one row per image")
    parser.add_argument(
        "--out-recognition", required=True, metavar="recognition.csv", help="to write: each image's recognition rate"
    )
    parser.add_argument("--reading", nargs="+", metavar="X.csv", help="how well observers read, by data set")
    parser.add_argument("--out-observers", metavar="observers.csv", help="to write: the same in one table")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
