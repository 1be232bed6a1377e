"""Gather what annotators saw in a study's reconstructions: labels, what was shown, and recognition rates."""

import argparse

from semsim.commandline import run
from semsim.files import read_table, write_table
from semsim.labels import check_labels, read_campaign, recognition_rates, shown_images, with_truth
from semsim.tables import concatenated


def main():
    arguments = parse_arguments()
    images = shown_images(read_table(arguments.attacks))
    classes = dict(read_table(arguments.datasets)[["dataset", "classes"]].itertuples(index=False))
    if arguments.campaign:
        labels = read_campaign(arguments.campaign, images, classes)
    else:
        labels = concatenated(arguments.labels)
        check_labels(labels, images, classes, where=" ".join(arguments.labels))
    write_table(labels, arguments.out_labels)
    write_table(images, arguments.out_images)
    write_table(recognition_rates(with_truth(labels, images)), arguments.out_recognition)
    if arguments.reading:
        write_table(concatenated(arguments.reading), arguments.out_observers)


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", required=True, metavar="attacks.csv", help="the study's table of attacks")
    parser.add_argument("--datasets", required=True, metavar="datasets.csv", help="the study's table of data sets")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", nargs="+", metavar="X.csv", help="labels of simulated observers, by data set")
    source.add_argument("--campaign", metavar="FOLDER", help="a campaign: images.csv and labels.csv")
    parser.add_argument("--out-labels", required=True, metavar="labels.csv", help="to write: a row a label")
    parser.add_argument("--out-images", required=True, metavar="images.csv", help="to write: a row an image")
    parser.add_argument(
        "--out-recognition", required=True, metavar="recognition.csv", help="to write: each image's recognition rate"
    )
    parser.add_argument("--reading", nargs="+", metavar="X.csv", help="how well observers read, by data set")
    parser.add_argument("--out-observers", metavar="observers.csv", help="to write: the same in one table")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
