"""The closed form: an image read off the gradient of a first layer that is fully connected."""

import torch
from torch import nn

from semsim.errors import SemsimError


def invert_first_layer(target, observed):
    """Return the input of a first fully connected layer with bias, from its gradient.

    For unit k, the gradient of its weights is the gradient of its bias times the input. Units disagree where a defence
    has changed the gradient; their least-squares solution weighs each by its squared bias gradient.

    Parameters
    ----------
    target : semsim.targets.models.Target
        Its first layer with weights must be `torch.nn.Linear` with a bias.
    observed : list of torch.Tensor
        Gradients [N, *shape] of every parameter, in the order of `target.network.parameters()`.

    Returns
    -------
    torch.Tensor, shape [N, 3, S, S]
        In the target's normalised space. Where no unit has a gradient there is nothing to read: NaN.

    Raises
    ------
    SemsimError
        If the first layer is of another kind.

    References
    ----------
    Phong, Aono, Hayashi, Wang, Moriai: Privacy-Preserving Deep Learning via Additively Homomorphic Encryption. IEEE
    Transactions on Information Forensics and Security, 2018, section 3.
    """
    first = next(
        module for module in target.network.modules() if next(module.parameters(recurse=False), None) is not None
    )
    if not isinstance(first, nn.Linear) or first.bias is None:
        raise SemsimError(
            "the analytic attack needs a first layer that is fully connected with bias, but "
            f"{target.spec['architecture']} begins with {type(first).__name__}. Use it on an mlp."
        )
    weight, bias = observed[0], observed[1]
    inputs = torch.einsum("nk,nki->ni", bias, weight) / bias.square().sum(1, keepdim=True)
    return inputs.unflatten(1, (3, target.spec["image_size"], target.spec["image_size"]))
