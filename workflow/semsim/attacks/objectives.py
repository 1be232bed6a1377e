"""Distances between the gradients of candidates and the observed ones, one number a candidate.

An objective is made once from what was observed, a list of tensors [N, *shape], one a parameter of the target model.
Called with the candidates' gradients, a list of tensors or of `semsim.attacks.gradients.OuterProduct`, and the rows
that they belong to, it returns their distances, one a row.
"""

import torch

from semsim.attacks.gradients import OuterProduct, written_out


class Cosine:
    """1 - the cosine of the angle between the whole gradients (Geiping et al. 2020, equation 4)."""

    def __init__(self, observed):
        self.observed = observed
        self.squared_lengths = _sum_over_parameters(_inner, observed, observed)  # looked at once, not in every step

    def __call__(self, gradients, rows=slice(None)):
        inner = _sum_over_parameters(_inner, gradients, [observed[rows] for observed in self.observed])
        squared_lengths = sum(_squared_length(gradient) for gradient in gradients) * self.squared_lengths[rows]
        # An all-zero gradient has no direction: the floor keeps its cost at 1 and its derivative at 0.
        return 1 - inner / squared_lengths.clamp_min(torch.finfo(inner.dtype).tiny).sqrt()


class _Elementwise:
    """A sum over all entries. (As inner products, differences would lose the digits that a good candidate needs.)"""

    def __init__(self, observed):
        self.observed = observed

    def __call__(self, gradients, rows=slice(None)):
        return _sum_over_parameters(self._of_parameter, gradients, [observed[rows] for observed in self.observed])

    def _of_parameter(self, gradient, observed):
        return self.term(written_out(gradient) - observed).flatten(1).sum(1)


class Squared(_Elementwise):
    """The squared Euclidean distance (Zhu et al. 2019, equation 4)."""

    term = staticmethod(torch.square)


class L1(_Elementwise):
    """The sum of the absolute differences."""

    term = staticmethod(torch.abs)


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


OBJECTIVES = {"cosine": Cosine, "squared": Squared, "l1": L1}
