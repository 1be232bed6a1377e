"""From a distance and an original to the chance that annotators recognise the reconstruction.

Whether annotators recognise a reconstruction depends on its distance and on how difficult the original is, which is
predicted from its embedding. `semsim.learned.calibrating` fits both to labels of originals that SemSim was not trained
on.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from semsim.errors import SemsimError
from semsim.text import ANNOTATORS, counted, listed, quoted

COUNTS = ("labels", "reconstructions", "originals")
"""What a calibration rests on, as numbers."""
MOST_DATASETS = 100
LONGEST_NAME = 100
"""Characters of the name of a data set."""
LARGEST_SIDE = 10_000
NO_CALIBRATION = "these weights of SemSim carry no calibration"


class Calibration(nn.Module):
    """The chance that one annotator recognises a reconstruction, and which originals it can be trusted on.

    Parameters
    ----------
    facts : mapping
        annotators (their kind), labels, reconstructions and originals (how many it rests on), datasets (their names)
        and image_size (pixels a side).
    features : int
        Length of an embedding.

    Attributes
    ----------
    coefficients : torch.Tensor
        [3]: log-odds of an average original at distance 0, what a distance of 1 adds, and what a difficulty of 1 adds.
    deviation : torch.Tensor
        [2, 2]: how far a set of reconstructions may deviate as a whole, the covariance that
        `semsim.statistics.recalibration.count_interval` takes.
    direction, offset : torch.Tensor
        [features] and []: difficulty of an original, in log-odds, as a linear function of its embedding.
    centres, radii : torch.Tensor
        [datasets, features] and [datasets]: mean embedding of the originals of each data set, and the distance within
        which all but one in twenty of them lie.
    """

    def __init__(self, facts: Mapping[str, Any], features: int) -> None:
        super().__init__()
        self.facts = _checked(facts)
        datasets = len(self.facts["datasets"])
        shapes = {"coefficients": (3,), "deviation": (2, 2), "direction": (features,), "offset": ()}
        shapes |= {"centres": (datasets, features), "radii": (datasets,)}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def difficulty(self, embeddings: Tensor) -> Tensor:
        """Return how difficult originals are, [N], from their embeddings [N, D]."""
        return embeddings @ self.direction + self.offset

    def chances(self, distances: Tensor, embeddings: Tensor) -> Tensor:
        """Return the chance that one annotator recognises each reconstruction.

        Parameters
        ----------
        distances : torch.Tensor
            SemSim's, [N].
        embeddings : torch.Tensor
            Of the originals, [N, D].

        Returns
        -------
        torch.Tensor
            [N], in [0, 1].
        """
        average, of_distance, of_difficulty = self.coefficients
        return torch.sigmoid(average + of_distance * distances + of_difficulty * self.difficulty(embeddings))

    def unlike(self, embeddings: Tensor) -> Tensor:
        """Return which originals are unlike all data sets that the calibration rests on, bool [N].

        Their embeddings are farther from the mean of each data set than at least nineteen in twenty of its originals.
        """
        return (torch.cdist(embeddings, self.centres) > self.radii).all(dim=1)

    @property
    def annotators(self) -> str:
        """What the annotators are called, such as "simulated annotators"."""
        return ANNOTATORS[self.facts["annotators"]]

    def __str__(self):
        return (
            f"{counted(self.facts['labels'], 'labels')} by {self.annotators} of"
            f" {counted(self.facts['originals'], 'originals')} ({listed(self.facts['datasets'])},"
            f" {self.facts['image_size']} pixels a side)"
        )


def _checked(facts):
    """Return facts that may come from anybody.

    Raises
    ------
    SemsimError
    """
    expected = {"annotators", *COUNTS, "datasets", "image_size"}
    if not isinstance(facts, Mapping) or set(facts) != expected:
        raise SemsimError(f"calibration must give {listed(sorted(expected))}, but is {quoted(facts)}")
    if not isinstance(facts["annotators"], str) or facts["annotators"] not in ANNOTATORS:
        raise SemsimError(f"annotators must be one of {', '.join(ANNOTATORS)}, but is {quoted(facts['annotators'])}")
    for name in (*COUNTS, "image_size"):
        value, most = facts[name], LARGEST_SIDE if name == "image_size" else 2**63
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < most:
            raise SemsimError(f"{name} of the calibration must be a whole number above 0, but is {quoted(value)}")
    names = facts["datasets"]
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_DATASETS:
        raise SemsimError(f"datasets of the calibration must be a list of 1 to {MOST_DATASETS}, but is {quoted(names)}")
    for name in names:
        if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME:
            raise SemsimError(f"a data set of the calibration must have a short name, but is {quoted(name)}")
    return dict(facts)
