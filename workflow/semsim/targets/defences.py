"""Defences that change a gradient: before the model learns from it, before it is shared, or both."""

from dataclasses import dataclass

import torch

from semsim.errors import SemsimError

# What each kind calls its strength, and the range of that: at least the first number, less than the second.
_STRENGTHS = {"prune": ("share", 0, 1), "gaussian": ("sigma", 0, float("inf"))}
_SCOPES = ("training", "shared", "both")


@dataclass(frozen=True)
class GradientDefence:
    """A change of gradients.

    Parameters
    ----------
    kind : {"none", "prune", "gaussian"}
        ``prune`` sets the given share of each gradient tensor to zero, the entries of the smallest magnitudes;
        ``gaussian`` adds normal noise.
    strength : float
        The share to prune, in [0, 1), or the standard deviation of the noise.
    scope : {"training", "shared", "both"}
        Which gradients it changes: those the model is trained with, as in the original study; the one that leaves the
        client and is attacked; or both.
    """

    kind: str = "none"
    strength: float = 0.0
    scope: str = "both"

    @classmethod
    def from_settings(cls, settings):
        """Return the defence that a study's settings ask for.

        Parameters
        ----------
        settings : dict or None
            ``{"kind": "prune", "share": 0.7, "scope": "both"}``, ``{"kind": "gaussian", "sigma": 1e-3, "scope":
            "both"}``, or None for no defence. The scope is ``both`` if left out.

        Raises
        ------
        SemsimError
            If a setting is unknown, missing or out of its range.
        """
        if settings is None:
            return cls()
        kind, scope = settings.get("kind"), settings.get("scope", "both")
        if kind not in _STRENGTHS:
            raise SemsimError(f"gradient_defence: kind '{kind}' is not known. Choose one of {', '.join(_STRENGTHS)}.")
        if scope not in _SCOPES:
            raise SemsimError(f"gradient_defence: scope '{scope}' is not known. Choose one of {', '.join(_SCOPES)}.")
        name, low, high = _STRENGTHS[kind]
        unknown = set(settings) - {"kind", "scope", name}
        if unknown:
            raise SemsimError(f"gradient_defence: {kind} has no '{min(unknown)}'. It takes {name} and scope.")
        strength = settings.get(name)
        if not isinstance(strength, (int, float)) or not low <= strength < high:
            raise SemsimError(
                f"gradient_defence: {name} of {kind} is {strength}. "
                f"It must be a number of at least {low} and less than {high}."
            )
        return cls(kind, float(strength), scope)

    def __str__(self):
        """For instance ``prune 0.7 (both)``, or ``none``."""
        return "none" if self.kind == "none" else f"{self.kind} {self.strength:g} ({self.scope})"

    def acts_on(self, use):
        """Say whether it changes the gradients of one use, ``training`` or ``shared``."""
        return self.kind != "none" and self.scope in (use, "both")

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
        match self.kind:
            case "prune":
                return [_prune(gradient, self.strength) for gradient in gradients]
            case "gaussian":
                return [gradient + self.strength * _noise(gradient, generators) for gradient in gradients]
        return list(gradients)


def _prune(gradient, share):
    """Set the given share of each sample's entries to zero: exactly round(share x size) of the smallest magnitudes."""
    flat = gradient.reshape(len(gradient), -1)
    smallest = flat.abs().topk(round(share * flat.shape[1]), largest=False, sorted=False).indices
    return flat.scatter(1, smallest, 0).reshape(gradient.shape)


def _noise(gradient, generators):
    """Return standard normal noise of the shape [N, *shape], each sample's from its own generator."""
    samples = [torch.randn(gradient.shape[1:], generator=each, device=each.device) for each in generators]
    return torch.stack(samples).to(gradient)
