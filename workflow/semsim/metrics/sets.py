"""Metrics that compare two sets of images in the features of an Inception network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.io.images import as_tensor, shape_of
from semsim.metrics.registry import metric

if TYPE_CHECKING:
    import torch

KERNEL_ROWS = 1024
"""Rows of the kernel matrix that KID computes at once."""


@metric(
    label="FID",
    bounds=(0, float("inf")),
    higher_is_better=False,
    of="set",
    caveat="rank-deficient and biased upwards with fewer than 2048 images",
)
def fid(reference_features: torch.Tensor, reconstruction_features: torch.Tensor) -> torch.Tensor:
    """Fréchet inception distance: between Gaussians fitted to the Inception features of the two sets.

    The trace of the square root of the covariances' product is the sum of the singular values of ``A @ B.T``, where
    ``A`` and ``B`` are the centred features (or the triangular factors of their QR decompositions). For n images this
    needs the decomposition of an n x n matrix, not of a 2048 x 2048 one of rank n.

    Parameters
    ----------
    reference_features, reconstruction_features : torch.Tensor
        Float [N, D] and [M, D]; N and M at least 2. With fewer images than features the covariances are rank-deficient
        and the value is biased upwards.

    Returns
    -------
    torch.Tensor
        A float64 scalar.

    References
    ----------
    Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: "GANs trained by a two time-scale update rule converge to a
    local Nash equilibrium", NeurIPS 2017.
    """
    import torch

    def mean_and_root(features):
        mean = features.mean(dim=0)
        return mean, torch.linalg.qr((features - mean) / (len(features) - 1) ** 0.5, mode="r").R

    a, b = _checked("fid", reference_features, reconstruction_features)
    (mean_a, root_a), (mean_b, root_b) = mean_and_root(a), mean_and_root(b)
    traces = root_a.square().sum() + root_b.square().sum()
    common = torch.linalg.svdvals(root_a @ root_b.T).sum()
    return ((mean_a - mean_b).square().sum() + traces - 2 * common).clamp(min=0)


@metric(label="KID", higher_is_better=False, of="set")
def kid(reference_features: torch.Tensor, reconstruction_features: torch.Tensor) -> torch.Tensor:
    """Kernel inception distance: the unbiased squared maximum mean discrepancy of the Inception features.

    All pairs of images are used, not random subsets, however small the sets are.

    Parameters
    ----------
    reference_features, reconstruction_features : torch.Tensor
        Float [N, D] and [M, D]; N and M at least 2.

    Returns
    -------
    torch.Tensor
        A float64 scalar; around 0, and therefore sometimes negative, for two samples of the same distribution.

    References
    ----------
    Bińkowski, Sutherland, Arbel, Gretton: "Demystifying MMD GANs", ICLR 2018.
    """

    def summed(a, b):
        # In blocks of rows: all pairs of many thousand images would take gigabytes.
        return sum(((rows @ b.T / b.shape[1] + 1) ** 3).sum() for rows in a.split(KERNEL_ROWS))

    def mean_off_diagonal(a):
        of_itself = ((a.square().sum(dim=1) / a.shape[1] + 1) ** 3).sum()
        return (summed(a, a) - of_itself) / (len(a) * (len(a) - 1))

    a, b = _checked("kid", reference_features, reconstruction_features)
    return mean_off_diagonal(a) + mean_off_diagonal(b) - 2 * summed(a, b) / (len(a) * len(b))


def _checked(name, *sets):
    """Return sets of finite features, [N, D] with at least two rows and one D, in double precision on one device."""
    sets = [as_tensor(features, f"{name}: features", expected="[N, D]") for features in sets]
    for features in sets:
        if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
            raise SemsimError(f"{name}: features are {shape_of(features)}. Give [N, D] of at least 2 images.")
        if features.is_complex():
            raise SemsimError(f"{name}: features are {features.dtype}. Give real numbers.")
        if not features.isfinite().all():
            raise SemsimError(f"{name}: features are not finite. Leave out diverged reconstructions.")
    first, *others = sets
    for other in others:
        if other.shape[1] != first.shape[1]:
            raise SemsimError(
                f"{name}: the two sets have {first.shape[1]} and {other.shape[1]} features. Give those of one network."
            )
        if other.device != first.device:
            raise SemsimError(
                f"{name}: features are on {first.device} and {other.device}. Move one of them with .to()."
            )
    return [features.double() for features in sets]
