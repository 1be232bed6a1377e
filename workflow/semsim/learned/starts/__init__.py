"""The classifiers of embedded images from which SemSim may start, and which come with the package.

One for each set of kinds that it has seen, so that SemSim can be tried on data sets that its start has not seen either.
CARD.md says how they were made.
"""

from collections.abc import Iterable
from importlib.resources import files
from itertools import combinations
from pathlib import Path

from semsim.data.embedded import EMBEDDED

BACKBONE, WIDTH = "mobilenet", 32
SEEN = tuple(chosen for count in range(1, len(EMBEDDED) + 1) for chosen in combinations(EMBEDDED, count))
"""The kinds that each start has seen."""


def start_name(kinds: Iterable[str]) -> str:
    """Return the name of the start that has seen some kinds, such as ``glyphs-mnist``."""
    return "-".join(sorted(set(kinds)))


def shipped_start(name: str) -> Path:
    """Return the file of a start that comes with the package."""
    return Path(files(__name__)) / f"{name}.safetensors"
