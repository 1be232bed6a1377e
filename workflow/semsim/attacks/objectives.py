"""Distances between the gradients of candidates and the observed ones, one number per candidate.

An objective is created once from the observed updates, a list of tensors [N, *shape], one per parameter of the target
model. Called with the candidates' gradients, a list of tensors or of `semsim.attacks.outer_products.OuterProduct`, and
the rows that they belong to, it returns their distances, one per row. ``@OBJECTIVES.register(needs=...)`` adds one.
"""

from __future__ import annotations

import lazy_loader

from semsim.attacks.outer_products import OuterProduct, written_out
from semsim.registry import Registry

torch = lazy_loader.load("torch")

OBJECTIVES = Registry()


@OBJECTIVES.register(needs={"shared_gradient"})
class Cosine:
    """1 - the cosine of the angle between the whole gradients (Geiping et al. 2020, equation 4)."""

    def __init__(self, observed: list[torch.Tensor]):
        self.observed = observed
        self.squared_lengths = _sum_over_parameters(_inner, observed, observed)  # looked at once, not in every step

    def __call__(self, gradients: list[torch.Tensor | OuterProduct], rows: slice = slice(None)) -> torch.Tensor:
        gradients = [each if isinstance(each, OuterProduct) else each.flatten(1) for each in gradients]  # for both sums
        inner = _sum_over_parameters(_inner, gradients, [observed[rows] for observed in self.observed])
        squared_lengths = sum(_squared_length(gradient) for gradient in gradients) * self.squared_lengths[rows]
        # An all-zero gradient has no direction: the floor keeps its cost at 1 and its derivative at 0.
        return 1 - inner / squared_lengths.clamp_min(torch.finfo(inner.dtype).tiny).sqrt()


@OBJECTIVES.register(needs={"shared_gradient"})
class Squared:
    """The squared Euclidean distance (Zhu et al. 2019, equation 4).

    Summed over all entries: as inner products, differences would lose the digits that a good candidate needs.
    """

    def __init__(self, observed: list[torch.Tensor]):
        self.observed = observed

    def __call__(self, gradients: list[torch.Tensor | OuterProduct], rows: slice = slice(None)) -> torch.Tensor:
        return _sum_over_parameters(_squared_distance, gradients, [observed[rows] for observed in self.observed])


def _squared_distance(gradient, observed):
    return (written_out(gradient) - observed).square().flatten(1).sum(1)


def _inner(gradient, observed):
    """Return the inner product of each row of two gradients of one parameter."""
    if isinstance(gradient, OuterProduct):
        return gradient.inner(observed)
    return torch.linalg.vecdot(gradient.flatten(1), observed.flatten(1))


def _squared_length(gradient):
    return gradient.squared_length() if isinstance(gradient, OuterProduct) else _inner(gradient, gradient)


def _sum_over_parameters(term, left, right):
    """Return the sum of `term` over the parameters, for each candidate."""
    return sum(term(a, b) for a, b in zip(left, right, strict=True))
