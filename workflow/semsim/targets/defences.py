"""Defences that change a gradient: before the model learns from it, before it is shared, or both.

Each kind is a class with its own parameters. To add one, add a class here: configuration, manual and tables follow.
"""

from functools import reduce
from operator import or_
from typing import Annotated, Literal

from pydantic import Field

from semsim.settings import Settings


class GradientDefence(Settings):
    """A change of gradients. The class itself stands for none; its subclasses are the defences.

    What a client shares is one gradient: that of a batch in training, or of the image that is attacked.
    """

    scope: Literal["training", "shared", "both"] = Field(
        "both",
        description="which gradients are defended. `training`: those that the model is trained with, as in the original"
        " study. `shared`: the one that leaves the client and is attacked. `both`",
    )

    def __str__(self):
        """For instance ``prune 0.7 (both)``, or ``none``."""
        return f"{' '.join(self._strength())} ({self.scope})" if self._strength() else "none"

    @property
    def trait(self):
        """What target models with this defence have in common, such as ``prune-0.7``; empty for none."""
        return "-".join(self._strength())

    def _strength(self):
        """Return the kind and the parameters as texts; nothing for no defence."""
        names = [name for name in type(self).model_fields if name not in ("kind", "scope")]
        return [self.kind, *(f"{getattr(self, name):g}" for name in names)] if hasattr(self, "kind") else []

    def acts_on(self, use):
        """Say whether it changes the gradients of one use, ``training`` or ``shared``."""
        return bool(self._strength()) and self.scope in (use, "both")

    def apply(self, gradients, generator):
        """Return one gradient, changed.

        Parameters
        ----------
        gradients : list of torch.Tensor
            One for each parameter; any shapes, any device.
        generator : torch.Generator
            Draws the noise, on its own device.

        Returns
        -------
        list of torch.Tensor
            New tensors of the same shapes.
        """
        changed = self.apply_per_sample([gradient[None] for gradient in gradients], [generator])
        return [gradient[0] for gradient in changed]

    def apply_per_sample(self, gradients, generators):
        """Return the gradients of N samples, changed; the same as `apply` on each sample alone.

        Parameters
        ----------
        gradients : list of torch.Tensor
            One [N, *shape] for each parameter.
        generators : list of torch.Generator
            One for each sample.

        Returns
        -------
        list of torch.Tensor
            New tensors of the same shapes.
        """
        return list(gradients)


class Prune(GradientDefence):
    """Sets the entries of each gradient tensor with the smallest magnitudes to zero."""

    kind: Literal["prune"] = "prune"
    share: float = Field(ge=0, lt=1, description="share of the entries that are set to zero")

    def apply_per_sample(self, gradients, generators):
        """Set exactly round(share x size) entries of each tensor to zero."""
        return [_prune(gradient, self.share) for gradient in gradients]


class Gaussian(GradientDefence):
    """Adds normal noise."""

    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Field(ge=0, description="standard deviation of the noise")

    def apply_per_sample(self, gradients, generators):
        """Add noise to each tensor."""
        return [gradient + self.sigma * _noise(gradient, generators) for gradient in gradients]


class ClipNoise(GradientDefence):
    """Scales the whole gradient down to an L2 norm where it is longer, and then adds normal noise, as DP-SGD does.

    References
    ----------
    Abadi et al.: Deep Learning with Differential Privacy. CCS 2016, algorithm 1.
    """

    kind: Literal["clip_noise"] = "clip_noise"
    norm: float = Field(gt=0, description="largest L2 norm of the gradient, over all parameters together")
    sigma: float = Field(ge=0, description="standard deviation of the noise that is added after clipping")

    def apply_per_sample(self, gradients, generators):
        """Clip the gradient of each sample as a whole; add noise to each tensor."""
        lengths = sum(gradient.flatten(1).square().sum(1) for gradient in gradients).sqrt()
        factors = (self.norm / lengths).clamp(max=1)  # of a gradient of length 0, infinity becomes 1
        clipped = [gradient * factors.reshape(-1, *[1] * (gradient.dim() - 1)) for gradient in gradients]
        return [gradient + self.sigma * _noise(gradient, generators) for gradient in clipped]


DEFENCES = {each.model_fields["kind"].default: each for each in GradientDefence.__subclasses__()}
"""All of them, by what `kind` calls them."""
AnyDefence = Annotated[reduce(or_, DEFENCES.values()), Field(discriminator="kind")]
"""The settings of one of them."""


def _prune(gradient, share):
    """Set the given share of each sample's entries to zero."""
    flat = gradient.reshape(len(gradient), -1)
    smallest = flat.abs().topk(round(share * flat.shape[1]), largest=False, sorted=False).indices
    return flat.scatter(1, smallest, 0).reshape(gradient.shape)


def _noise(gradient, generators):
    """Return standard normal noise of the shape [N, *shape], each sample's from its own generator."""
    import torch  # settings are checked where there is no PyTorch

    samples = [torch.randn(gradient.shape[1:], generator=each, device=each.device) for each in generators]
    return torch.stack(samples).to(gradient)
