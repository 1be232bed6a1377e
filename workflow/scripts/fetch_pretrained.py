"""Fetch pretrained networks into the cache shared by all studies, unless they are found."""

import argparse

from semsim.commandline import run
from semsim.pretrained.packages import fetch_weights
from semsim.pretrained.weights import listing


def main() -> None:
    arguments = parse_arguments()
    fetch_weights(folder=arguments.pretrained)
    print(listing(arguments.pretrained))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrained", metavar="DIR", help="folder of weights to search first")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
