"""The argument for plain classifiers from which SemSim is initialised, or whose features are used."""

from argparse import ArgumentParser
from typing import Any

from semsim.learned.starts import shipped_start


def add_start_argument(parser: ArgumentParser, **options: Any) -> None:
    """Add `--start`, whose values are files; options are those of `add_argument`."""
    parser.add_argument(
        "--start",
        type=_file_of,
        metavar="CLASSIFIER",
        help="plain classifier: a file.safetensors, or one that comes with semsim, by the kinds that it has seen",
        **options,
    )


def _file_of(name):
    return name if name.endswith(".safetensors") else shipped_start(name)
