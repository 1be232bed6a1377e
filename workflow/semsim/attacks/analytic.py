"""The closed form: an image computed from the gradient of a first fully connected layer."""

from __future__ import annotations

import torch

from semsim.errors import SemsimError
from semsim.targets.calls import first_linear
from semsim.targets.traits import lacking


def invert_first_layer(target: torch.nn.Module, observed: list[torch.Tensor]) -> torch.Tensor:
    """Return the input of a first fully connected layer with bias, from its gradient.

    For unit k, the gradient of its weights is the gradient of its bias times the input. If a
    defence has changed the gradient, units disagree; the least-squares solution weights each by its squared bias
    gradient.

    Parameters
    ----------
    target : semsim.targets.models.Target
        With a `torch.nn.Linear` with a bias whose input is the flattened image.
    observed : list of torch.Tensor
        Gradients [N, *shape] of every parameter, in the order of ``target.trained_parameters()``.

    Returns
    -------
    torch.Tensor, shape [N, 3, S, S]
        In the target's normalised space; NaN where the gradient of every unit is zero.

    Raises
    ------
    SemsimError
        If the target has no such layer.

    References
    ----------
    Phong, Aono, Hayashi, Wang, Moriai: Privacy-Preserving Deep Learning via Additively Homomorphic Encryption. IEEE
    Transactions on Information Forensics and Security, 2018, section 3.
    """
    first = first_linear(target)
    if first is None:
        raise SemsimError(f"{lacking('the closed form', 'first_linear')}. Use it on an mlp.")
    weight, bias = (observed[target.place_of(parameter)] for parameter in (first.weight, first.bias))
    inputs = torch.einsum("nk,nki->ni", bias, weight) / bias.square().sum(1, keepdim=True)
    return inputs.unflatten(1, (3, target.spec["image_size"], target.spec["image_size"]))
