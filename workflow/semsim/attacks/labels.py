"""How the attacker obtains the class of an image.

A label rule is a function with the decorator ``@LABELS.register()``. It takes the target, the observed gradients, the
true labels [N] and one seed per candidate. It returns classes [N] (int64), or label logits [N, classes] (floating
point): then the search looks for the label along with the image and starts from these.
"""

from __future__ import annotations

import lazy_loader

from semsim.registry import Registry

torch = lazy_loader.load("torch")

LABELS = Registry()


@LABELS.register(needs={"labels"})
def known(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[int]
) -> torch.Tensor:
    """The true class, which the attacker knows."""
    return labels


@LABELS.register(needs={"last_bias", "exact_gradient"})
def analytic(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[int]
) -> torch.Tensor:
    """The class that the gradient reveals.

    The derivative of the cross-entropy with respect to the last layer's bias is `softmax - one_hot`: its only negative
    entry is the true class (Zhao et al. 2020, section 3). A defence can hide it; then this is a guess.
    """
    return observed[target.place_of(target.last_layer.bias)].argmin(1)


@LABELS.register()
def optimised(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[int]
) -> torch.Tensor:
    """Optimised jointly with the image, from random logits (Zhu et al. 2019)."""
    classes = target.spec["classes"]
    return torch.stack([torch.randn(classes, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
