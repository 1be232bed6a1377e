"""Weight gradients of linear layers, kept as their factors."""

from __future__ import annotations

from dataclasses import dataclass

import lazy_loader

torch = lazy_loader.load("torch")


@dataclass(frozen=True)
class OuterProduct:
    """The weight gradients [N, out, in] of a linear layer, as their factors: what an inner product with them needs.

    A classifier's head can hold most of its parameters, and written out, its gradients are most of an attack's work.

    Attributes
    ----------
    outputs : torch.Tensor, shape [N, out]
        What comes back to the layer.
    inputs : torch.Tensor, shape [N, in]
        What goes into it.
    """

    outputs: torch.Tensor
    inputs: torch.Tensor

    def dense(self) -> torch.Tensor:
        """Return the gradients written out, [N, out, in]."""
        return self.outputs[:, :, None] * self.inputs[:, None, :]

    def inner(self, other: torch.Tensor) -> torch.Tensor:
        """Return the inner product [N] of each gradient with one that is written out, [N, out, in]."""
        return (self.outputs * torch.bmm(other, self.inputs[:, :, None])[:, :, 0]).sum(1)

    def squared_length(self) -> torch.Tensor:
        """Return the squared Euclidean norm [N] of each gradient."""
        return self.outputs.square().sum(1) * self.inputs.square().sum(1)


def written_out(gradient: torch.Tensor | OuterProduct) -> torch.Tensor:
    """Return a gradient as a tensor [N, *shape], whichever form it has."""
    return gradient.dense() if isinstance(gradient, OuterProduct) else gradient
