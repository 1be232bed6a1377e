"""The arguments for plain classifiers from which SemSim is initialised, or whose features are used."""

from argparse import ArgumentParser
from typing import Any

from semsim.learned.backbones import PRETRAINED
from semsim.learned.starts import shipped_start


def add_start_arguments(parser: ArgumentParser, **options: Any) -> None:
    """Add `--pretrained`, and `--start` with the values of `open_classifier` and options of `add_argument`."""
    parser.add_argument(
        "--start",
        type=_classifier_of,
        metavar="CLASSIFIER",
        help="plain classifier: a file.safetensors, one that comes with semsim, by the kinds that it has seen, or a"
        " pretrained network",
        **options,
    )
    add_pretrained_argument(parser)


def add_pretrained_argument(parser: ArgumentParser) -> None:
    """Add `--pretrained`."""
    parser.add_argument("--pretrained", metavar="DIR", help="folder to search first for pretrained networks")


def _classifier_of(name):
    return name if name in PRETRAINED or name.endswith(".safetensors") else shipped_start(name)
