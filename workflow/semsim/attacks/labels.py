"""How the attacker obtains the classes of a client's images.

A label rule is a function with the decorator ``@LABELS.register()``. It takes the target, the observed updates (of
several local steps, the mean gradient), the true labels [N, B] and, for each candidate, a list of one seed per image.
It returns classes [N, B] (int64), or label logits [N, B, classes] (floating point): then the search looks for the
labels along with the images and starts from these. The images of a batch have no order, and neither have its labels.
"""

from __future__ import annotations

import lazy_loader

from semsim.attacks.initialisation import normal_noise
from semsim.registry import Registry

torch = lazy_loader.load("torch")

LABELS = Registry()
FADING = 0.03
"""Squared entry of a row of the last layer's gradient, in images, at which the row counts as much as all rows together.
With 1, more labels of trained networks are wrong (of letters named with 54 % accuracy, in batches of eight, 0.74 are
right in place of 0.83); below 0.01, some of barely trained ones are, too."""


@LABELS.register(needs={"labels"})
def known(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[list[int]]
) -> torch.Tensor:
    """The true classes, which the attacker knows."""
    return labels


@LABELS.register(needs={"last_bias", "shared_gradient", "batch_shape"})
def analytic(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[list[int]]
) -> torch.Tensor:
    """What the last layer's gradient reveals: the class of one image, or how often each class occurs in a batch.

    The derivative of the cross-entropy with respect to the last layer's bias is `softmax - one_hot`: of one image, its
    only negative entry is the true class (Zhao et al. 2020, section 3). Of a batch, it is the mean, and
    `count_classes` solves for the counts. Where predictions differ much within a class, after several local steps, or
    where a defence hides it, this is a guess.
    """
    weight, bias = (observed[target.place_of(each)] for each in (target.last_layer.weight, target.last_layer.bias))
    batch = len(seeds[0])
    if batch == 1:
        return bias.argmin(1, keepdim=True)
    counts = count_classes(target.last_layer, weight, bias, batch)
    return torch.stack([torch.arange(counts.shape[1]).repeat_interleave(each) for each in counts.cpu()]).to(bias.device)


@LABELS.register(needs={"batch_shape"})
def optimised(
    target: torch.nn.Module, observed: list[torch.Tensor], labels: torch.Tensor, seeds: list[list[int]]
) -> torch.Tensor:
    """Optimised jointly with the images, from random logits (Zhu et al. 2019)."""
    return normal_noise((target.spec["classes"],), seeds)


def count_classes(
    last: torch.nn.Linear, weight_gradients: torch.Tensor, bias_gradients: torch.Tensor, batch: int
) -> torch.Tensor:
    """Return how often each class occurs in each batch, from the gradient of the last layer; repeated classes work.

    The quotient of a row of the weights' gradient and its entry of the bias' gradient is close to the mean feature
    vector of that class in the batch. The last layer turns it into the probabilities that images of the class are
    given, and with these the bias' gradient is linear in the counts. Their least-squares solution is rounded to whole
    numbers that add up to the batch. Beyond the paper, a row whose entry is small, as if of part of an image, is drawn
    to the least-squares solution of all rows: its quotient is of differences that cancel.

    Parameters
    ----------
    last : torch.nn.Linear
        The layer from features to logits.
    weight_gradients : torch.Tensor, shape [N, classes, features]
        Of the mean cross-entropy over the batch.
    bias_gradients : torch.Tensor, shape [N, classes]
    batch : int

    Returns
    -------
    torch.Tensor, shape [N, classes], int64

    References
    ----------
    Ma, Sun, Cui, Li, Guo, Liu: Instance-wise Batch Label Restoration via Gradients in Federated Learning. ICLR 2023,
    section 3.
    """
    bias_gradients = bias_gradients.nan_to_num(0, 0, 0)
    weight_of_all = FADING / batch**2
    of_all = torch.einsum("nc,ncd->nd", bias_gradients, weight_gradients) / bias_gradients.square().sum(1, True)
    features = bias_gradients[:, :, None] * weight_gradients + weight_of_all * of_all[:, None]
    features = features / (bias_gradients.square()[:, :, None] + weight_of_all)
    probabilities = last(features.nan_to_num(0, 0, 0)).softmax(2).double()
    classes = probabilities.shape[1]
    # For class c, the gradient times the batch is the sum over classes k of n_k p_kc, minus n_c.
    system = probabilities.mT - torch.eye(classes).to(probabilities)
    system = torch.cat([system, torch.ones_like(system[:, :1])], 1)
    right = torch.cat([bias_gradients.double(), torch.ones_like(bias_gradients[:, :1]).double()], 1)
    shares = torch.linalg.lstsq(system, right[:, :, None]).solution[:, :, 0]
    return _whole_numbers(batch * shares.detach(), batch)


def _whole_numbers(values, total):
    """Return counts [N, D] close to values [N, D] that add up to a total, one by one where most is missing."""
    counts = torch.zeros_like(values, dtype=torch.int64)
    for _ in range(total):
        counts.scatter_add_(1, (values - counts).argmax(1, keepdim=True), torch.ones_like(counts[:, :1]))
    return counts
