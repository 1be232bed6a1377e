"""Measure whether a person could recognise an image reconstructed from what a model shares.

The subpackages follow the order in which the study's data flows; each imports only from earlier ones:
`data` -> `targets` -> `attacks` -> `metrics`, `labels` -> `statistics` -> `learned` -> `figures`, `report`.
Beside them, `labelling` asks people for labels, `scoring` scores anyone's reconstructions, and `commands` is the
command line `semsim`.
"""

__version__ = "0.1.0"
__all__ = ["MeanSemSim", "SemSim"]


def __getattr__(name):
    """Import the learned metric when it is asked for: it needs torch, which most of the library does without."""
    if name == "SemSim":
        from semsim.learned.metric import SemSim

        return SemSim
    if name == "MeanSemSim":
        from semsim.learned.torchmetric import MeanSemSim

        return MeanSemSim
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
