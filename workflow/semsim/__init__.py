"""Measure whether a person could recognise an image reconstructed from what a model shares.

    from semsim import SemSim       the learned metric, a torch module: SemSim.from_pretrained("embedded")
    from semsim import score        all metrics of pairs of images, as a table
    from semsim import match        which reconstruction belongs to which original, where their order was lost
    from semsim import audit        what a model gives away, in a folder with a report
    from semsim import reconstruct  what an attack makes of a network's gradients
    from semsim import MeanSemSim   SemSim as a torchmetrics metric, for training loops

The subpackages follow the order in which the study's data flows; each imports only from earlier ones: `data` ->
`targets` -> `attacks` -> `metrics`, `labels` -> `statistics` -> `learned` -> `figures`, `report`. In addition,
`labelling` asks people for labels, `scoring` scores anyone's reconstructions, `auditing` attacks anyone's model, and
`commands` is the command line `semsim`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from semsim.extras import needing

if TYPE_CHECKING:
    from semsim.attacks.reconstruct import reconstruct
    from semsim.auditing.audit import audit
    from semsim.learned.metric import SemSim
    from semsim.learned.torchmetric import MeanSemSim
    from semsim.scoring.likeness import match
    from semsim.scoring.score import score

__version__ = "0.1.0"
__all__ = ["MeanSemSim", "SemSim", "audit", "match", "reconstruct", "score"]

_HOMES = {
    "MeanSemSim": ("semsim.learned.torchmetric", "score"),
    "SemSim": ("semsim.learned.metric", ""),
    "audit": ("semsim.auditing.audit", "attack,score"),
    "match": ("semsim.scoring.likeness", "score"),
    "reconstruct": ("semsim.attacks.reconstruct", "attack"),
    "score": ("semsim.scoring.score", "score"),
}
"""The module of each public name and the extra that it needs: most of the library does without torch, so nothing is
imported before it is asked for."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _HOMES[name]
    with needing(extra, f"semsim.{name}"):
        return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
