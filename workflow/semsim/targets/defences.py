"""Defences that change a gradient: before the model learns from it, before it is shared, or both.

Each kind is a class with its own parameters. To add one, add a class here: configuration, manual and tables follow.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from semsim.settings import Settings

if TYPE_CHECKING:
    import torch


class GradientDefence(Settings):
    """A change of gradients. The class itself stands for none; its subclasses are the defences.

    What a client shares is one gradient: that of a batch in training, or of the image that is attacked.
    """

    alone_in_training: ClassVar[bool] = False
    """Whether training computes the gradient of each image alone, which no network with BatchNorm layers has."""

    scope: Literal["training", "shared", "both"] = Field(
        "both",
        description="which gradients are defended. `training`: those that the model is trained with, as in the original"
        " study. `shared`: the one that leaves the client and is attacked. `both`",
    )

    def __str__(self):
        """For instance ``prune 0.7 (both)``, or ``none``."""
        return f"{' '.join(self._strength())} ({self.scope})" if self._strength() else "none"

    @property
    def trait(self) -> str:
        """What target models with this defence have in common, such as ``prune-0.7``; empty for none."""
        return "-".join(self._strength())

    def _strength(self):
        """Return the kind and the parameters without a default as texts; nothing for no defence."""
        names = [name for name, field in type(self).model_fields.items() if field.is_required()]
        return [self.kind, *(f"{getattr(self, name):g}" for name in names)] if hasattr(self, "kind") else []

    def acts_on(self, use: str) -> bool:
        """Say whether it changes the gradients of one use, ``training`` or ``shared``."""
        return bool(self._strength()) and self.scope in (use, "both")

    def apply(self, gradients: list[torch.Tensor], generator: torch.Generator) -> list[torch.Tensor]:
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

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
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

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Set exactly round(share x size) entries of each tensor to zero."""
        return [_prune(gradient, self.share) for gradient in gradients]


class RandomTop(GradientDefence):
    """Keeps a random subset of the largest entries of each gradient tensor, scaled up to compensate for the others.

    With `top` 1 it is random-k sparsification: its mean is the gradient. With less it is rTop-k: its mean is the
    gradient's largest entries, by magnitude.

    References
    ----------
    Stich, Cordonnier, Jaggi: Sparsified SGD with Memory. NeurIPS 2018. Barnes, Inan, Isik, Özgür: rTop-k: A Statistical
    Estimation Approach to Distributed SGD. IEEE JSAIT 2020.
    """

    kind: Literal["random_top"] = "random_top"
    share: float = Field(gt=0, le=1, description="share of the entries that are kept, of all entries")
    top: float = Field(
        gt=0, le=1, description="share of the entries, the largest ones, from which they are drawn; 1 draws from all"
    )

    @model_validator(mode="after")
    def _enough_to_draw_from(self):
        if self.share > self.top:
            raise ValueError(
                f"share is {self.share:g}, but only the largest {self.top:g} can be kept. Set a larger top."
            )
        return self

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Keep round(share x size) of the round(top x size) largest entries of each tensor, at least one."""
        return [self._thinned(gradient, generators) for gradient in gradients]

    def _thinned(self, gradient, generators):
        flat = gradient.reshape(len(gradient), -1)
        size = flat.shape[1]
        kept, drawn_from = (max(1, round(share * size)) for share in (self.share, self.top))
        largest = flat.abs().topk(drawn_from, sorted=False).indices
        lots = _drawn("rand", largest, generators, flat.dtype)
        chosen = largest.gather(1, lots.topk(kept, sorted=False).indices)
        values = flat.gather(1, chosen) * (drawn_from / kept)
        return flat.new_zeros(flat.shape).scatter(1, chosen, values).reshape(gradient.shape)


class Quantise(GradientDefence):
    """Rounds the entries of each gradient tensor stochastically, up or down, to a few levels; unbiased on average.

    With 2 bits it is TernGrad. As in the experiments with QSGD, the largest magnitude is the scale.

    References
    ----------
    Alistarh et al.: QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding. NeurIPS 2017. Wen et al.:
    TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep Learning. NeurIPS 2017.
    """

    kind: Literal["quantise"] = "quantise"
    bits: int = Field(
        ge=2,
        le=16,
        description="bits of an entry, one of them for the sign: 2^bits - 1 values, evenly spaced between minus and"
        " plus the largest magnitude of the tensor",
    )

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Round each entry to one of its two neighbours, to the nearer one with the higher probability."""
        return [self._rounded(gradient, generators) for gradient in gradients]

    def _rounded(self, gradient, generators):
        steps = 2 ** (self.bits - 1) - 1
        step = gradient.abs().flatten(1).amax(1).reshape(-1, *[1] * (gradient.dim() - 1)) / steps
        drawn = (gradient / step.where(step > 0, 1) + _drawn("rand", gradient, generators)).floor()
        return drawn.clamp(-steps, steps) * step  # the largest entry divided by the step may round to more


class Gaussian(GradientDefence):
    """Adds normal noise."""

    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Field(ge=0, description="standard deviation of the noise")

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Add noise to each tensor."""
        return [gradient + self.sigma * _noise(gradient, generators) for gradient in gradients]


class ClipNoise(GradientDefence):
    """Clips the whole gradient to an L2 norm, and then adds normal noise.

    In training it does so to the gradient of a batch, which bounds no image's part in it: see `DifferentialPrivacy`.
    """

    kind: Literal["clip_noise"] = "clip_noise"
    norm: float = Field(gt=0, description="largest L2 norm of the gradient, over all parameters together")
    sigma: float = Field(ge=0, description="standard deviation of the noise that is added after clipping")

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Clip the gradient of each sample as a whole; add noise to each tensor."""
        return [gradient + self.sigma * _noise(gradient, generators) for gradient in _clipped(gradients, self.norm)]


class DifferentialPrivacy(GradientDefence):
    """DP-SGD: clips each image's gradient to an L2 norm, and adds normal noise to the sum.

    Training draws Poisson samples in place of batches, as its accountant assumes (`semsim.targets.privacy`). A shared
    gradient is that of one image.

    References
    ----------
    Abadi et al.: Deep Learning with Differential Privacy. CCS 2016, algorithm 1.
    """

    alone_in_training: ClassVar[bool] = True
    kind: Literal["dp"] = "dp"
    norm: float = Field(gt=0, description="largest L2 norm of an image's gradient, over all parameters together")
    noise: float = Field(
        gt=0, description="noise multiplier: standard deviation of the noise on the sum, in units of `norm`"
    )
    delta: float = Field(
        1e-5,
        gt=0,
        lt=1,
        description="the delta for which epsilon is computed, 1e-5 by default; it affects no gradient. Choose a value"
        " well below 1 / number of training images",
    )

    def apply_per_sample(self, gradients: list[torch.Tensor], generators: list[torch.Generator]) -> list[torch.Tensor]:
        """Clip each sample, the gradient of one image, and add noise to it."""
        sigma = self.noise * self.norm
        return [gradient + sigma * _noise(gradient, generators) for gradient in _clipped(gradients, self.norm)]

    def clipped_sum(self, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the sum of the gradients of images, [N, *shape] for each parameter, each scaled down to `norm`."""
        import torch

        factors = _factors(gradients, self.norm)
        return [torch.tensordot(factors, gradient, 1) for gradient in gradients]

    def noisy_mean(self, sums: list[torch.Tensor], images: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Return the mean of clipped gradients with noise.

        Parameters
        ----------
        sums : list of torch.Tensor
            The sum of the images' clipped gradients, for each parameter.
        images : int
            What the sum is divided by: the expected number of images, which tells nothing about those that were drawn.
        generator : torch.Generator
            Draws the noise, on its own device.

        Returns
        -------
        list of torch.Tensor
        """
        sigma = self.noise * self.norm
        return [(each + sigma * _noise(each[None], [generator])[0]) / images for each in sums]


DEFENCES = {each.model_fields["kind"].default: each for each in GradientDefence.__subclasses__()}
"""All of them, by what `kind` calls them."""
AnyDefence = Annotated[reduce(or_, DEFENCES.values()), Field(discriminator="kind")]
"""The settings of one of them."""


def _prune(gradient, share):
    """Set the given share of each sample's entries to zero."""
    flat = gradient.reshape(len(gradient), -1)
    smallest = flat.abs().topk(round(share * flat.shape[1]), largest=False, sorted=False).indices
    return flat.scatter(1, smallest, 0).reshape(gradient.shape)


def _clipped(gradients, norm):
    """Scale the whole gradient of each sample down to a norm where it is longer."""
    factors = _factors(gradients, norm)
    return [gradient * factors.reshape(-1, *[1] * (gradient.dim() - 1)) for gradient in gradients]


def _factors(gradients, norm):
    """Return what scales the whole gradient of each sample down to a norm where it is longer, [N]."""
    lengths = sum(gradient.flatten(1).square().sum(1) for gradient in gradients).sqrt()
    return (norm / lengths).clamp(max=1)  # of a gradient of length 0, infinity becomes 1


def _noise(gradient, generators):
    """Return standard normal noise of the shape [N, *shape], each sample's from its own generator."""
    return _drawn("randn", gradient, generators, gradient.dtype)


def _drawn(how, like, generators, dtype=None):
    """Return numbers of `torch.rand` or `torch.randn`, as many as a tensor [N, *shape] has, each sample's its own."""
    import torch  # settings are checked where there is no PyTorch

    draw = getattr(torch, how)
    samples = [draw(like.shape[1:], generator=each, device=each.device) for each in generators]
    return torch.stack(samples).to(like.device, dtype)
