"""Where a search starts, in the target model's normalised space.

An initialisation takes the target, the observed gradients and a seed for each candidate, and returns images
[N, 3, S, S] on the device of the gradients.
"""

import torch

from semsim.attacks.analytic import invert_first_layer


def normal(target, observed, seeds):
    """Return standard normal noise, the usual start."""
    return _drawn(torch.randn, target, observed, seeds)


def uniform(target, observed, seeds):
    """Return images of uniform noise in [0, 1]."""
    return target.normalise(_drawn(torch.rand, target, observed, seeds))


def grey(target, observed, seeds):
    """Return plain mid-grey images."""
    return target.normalise(torch.full_like(_drawn(torch.rand, target, observed, seeds), 0.5))


def analytic(target, observed, seeds):
    """Return the closed form through the first fully connected layer; it needs no seed."""
    return invert_first_layer(target, observed)


def _drawn(draw, target, observed, seeds):
    """Return one random image a seed, drawn on the CPU so that every device sees the same."""
    shape = (3, target.spec["image_size"], target.spec["image_size"])
    images = [draw(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(images).to(observed[0].device)


INITIALISATIONS = {"normal": normal, "uniform": uniform, "grey": grey, "analytic": analytic}
