"""Where a search starts, in the target model's normalised space.

An initialisation is a function with the decorator ``@INITIALISATIONS.register()``. It takes the target, the observed
gradients and one seed per candidate, and returns images [N, 3, S, S] on the device of the gradients.
"""

from __future__ import annotations

import lazy_loader

from semsim.registry import Registry

torch = lazy_loader.load("torch")

INITIALISATIONS = Registry()


@INITIALISATIONS.register(needs={"batch_shape"})
def normal(target: torch.nn.Module, observed: list[torch.Tensor], seeds: list[int]) -> torch.Tensor:
    """Standard normal noise, drawn on the CPU so that it is the same on every device."""
    shape = (3, target.spec["image_size"], target.spec["image_size"])
    images = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(images).to(observed[0].device)


@INITIALISATIONS.register(needs={"first_linear", "exact_gradient", "batch_shape"})
def analytic(target: torch.nn.Module, observed: list[torch.Tensor], seeds: list[int]) -> torch.Tensor:
    """The closed form through the first fully connected layer; it needs no seed."""
    from semsim.attacks.analytic import invert_first_layer

    return invert_first_layer(target, observed)
