"""Where a search starts, in the target model's normalised space.

An initialisation is a function with the decorator ``@INITIALISATIONS.register()``. It takes the target, the observed
updates and, for each of N candidates, a list of one seed per image of its batch. It returns images [N, B, 3, S, S] on
the device of the updates.
"""

from __future__ import annotations

import lazy_loader

from semsim.registry import Registry

torch = lazy_loader.load("torch")

INITIALISATIONS = Registry()


@INITIALISATIONS.register(needs={"batch_shape"})
def normal(target: torch.nn.Module, observed: list[torch.Tensor], seeds: list[list[int]]) -> torch.Tensor:
    """Standard normal noise, drawn on the CPU so that it is the same on every device."""
    side = target.spec["image_size"]
    return normal_noise((3, side, side), seeds).to(observed[0].device)


@INITIALISATIONS.register(needs={"first_linear", "single_image", "shared_gradient", "batch_shape"})
def analytic(target: torch.nn.Module, observed: list[torch.Tensor], seeds: list[list[int]]) -> torch.Tensor:
    """The closed form through the first fully connected layer; it needs no seed."""
    from semsim.attacks.analytic import invert_first_layer

    return invert_first_layer(target, observed)[:, None]


def normal_noise(shape: tuple[int, ...], seeds: list[list[int]]) -> torch.Tensor:
    """Return standard normal noise [N, B, *shape] on the CPU, each image's from its own seed."""
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for each in seeds for seed in each]
    return torch.stack(noise).unflatten(0, (len(seeds), -1))
