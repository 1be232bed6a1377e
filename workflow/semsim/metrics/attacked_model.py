"""Metrics that use the attacked target model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import torch

    from semsim.targets.models import Target


@metric(
    label="Feature distance",
    bounds=(0, float("inf")),
    higher_is_better=False,
    caveat="each target model is measured in its own features, whose scales differ",
)
def feature_distance(reference: torch.Tensor, reconstruction: torch.Tensor, target: Target) -> torch.Tensor:
    """Euclidean distance between the two images' activations in the target model's penultimate layer.

    Parameters
    ----------
    reference, reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].
    target : semsim.targets.models.Target
        In eval mode.

    Returns
    -------
    torch.Tensor
        Shape [N]. In the units of the layer: comparable between attacks on one target model, hardly between models.
    """
    return (target.features(reference) - target.features(reconstruction)).norm(dim=1)


@metric(
    label="Target's top-1",
    bounds=(0, 1),
    higher_is_better=True,
    caveat="each target model classifies its own reconstructions",
)
def top1(reconstruction: torch.Tensor, label: torch.Tensor, target: Target) -> torch.Tensor:
    """Whether the target model itself predicts the original's class for the reconstruction.

    Parameters
    ----------
    reconstruction : torch.Tensor
        RGB images [N, 3, H, W], float, in [0, 1].
    label : torch.Tensor
        Class of each original, int64 [N].
    target : semsim.targets.models.Target
        In eval mode.

    Returns
    -------
    torch.Tensor
        Shape [N], 0 or 1.
    """
    return (target(reconstruction).argmax(dim=1) == label).float()
