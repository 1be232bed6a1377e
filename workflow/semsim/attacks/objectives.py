"""Distances between the gradients of candidates and the observed ones, one number a candidate.

An objective takes two lists of tensors [N, *shape], one tensor a parameter of the target model, and returns [N].
"""

import torch


def cosine(gradients, observed):
    """Return 1 - the cosine of the angle between the whole gradients (Geiping et al. 2020, equation 4)."""
    inner = _sum_over_parameters(torch.mul, gradients, observed)
    squared_lengths = _sum_over_parameters(torch.mul, gradients, gradients) * _sum_over_parameters(
        torch.mul, observed, observed
    )
    # An all-zero gradient has no direction: the floor keeps its cost at 1 and its derivative at 0.
    return 1 - inner / squared_lengths.clamp_min(torch.finfo(inner.dtype).tiny).sqrt()


def squared(gradients, observed):
    """Return the squared Euclidean distance (Zhu et al. 2019, equation 4)."""
    return _sum_over_parameters(lambda ours, theirs: (ours - theirs).square(), gradients, observed)


def l1(gradients, observed):
    """Return the sum of the absolute differences."""
    return _sum_over_parameters(lambda ours, theirs: (ours - theirs).abs(), gradients, observed)


def _sum_over_parameters(term, left, right):
    """Return the sum of `term` over every entry of every parameter, for each candidate."""
    return sum(term(a, b).flatten(1).sum(1) for a, b in zip(left, right, strict=True))


OBJECTIVES = {"cosine": cosine, "squared": squared, "l1": l1}
