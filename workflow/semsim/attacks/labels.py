"""Where the attacker has the class of an image from."""

import torch
from torch.nn import functional

LABELS = ("known", "analytic", "optimised")


def recover_labels(observed):
    """Return the class that a gradient of one image gives away.

    The derivative of the cross-entropy by the last layer's bias is `softmax - one_hot`: its only negative entry is the
    true class (Zhao et al. 2020, section 3). A defence can hide it; then this is a guess.

    Parameters
    ----------
    observed : list of torch.Tensor
        Gradients [N, *shape]; the last is that of the last layer's bias, [N, classes].

    Returns
    -------
    torch.Tensor, shape [N], int64
    """
    return observed[-1].argmin(1)


def initial_logits(classes, seeds):
    """Return random label logits [len(seeds), classes] for attacks that optimise the label along with the image."""
    return torch.stack([torch.randn(classes, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def soft_labels(logits):
    """Return class probabilities of label logits [N, classes]."""
    return functional.softmax(logits, dim=1)
