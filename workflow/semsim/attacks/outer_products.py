"""Weight gradients of linear layers, kept as their factors."""

from __future__ import annotations

from dataclasses import dataclass

import lazy_loader

torch = lazy_loader.load("torch")


@dataclass(frozen=True)
class OuterProduct:
    """The weight gradients [N, out, in] of a linear layer, as their factors, which suffice for inner products.

    A classifier's head can hold most of its parameters, and its dense gradients would take most of an attack's time.

    Attributes
    ----------
    outputs : torch.Tensor, shape [N, out]
        Gradients with respect to the layer's outputs.
    inputs : torch.Tensor, shape [N, in]
        The layer's inputs.
    """

    outputs: torch.Tensor
    inputs: torch.Tensor

    def dense(self) -> torch.Tensor:
        """Return the dense gradients, [N, out, in]."""
        return self.outputs[:, :, None] * self.inputs[:, None, :]

    def inner(self, other: torch.Tensor) -> torch.Tensor:
        """Return the inner product [N] of each gradient with a dense one, [N, out, in]."""
        return (self.outputs * torch.bmm(other, self.inputs[:, :, None])[:, :, 0]).sum(1)

    def squared_length(self) -> torch.Tensor:
        """Return the squared Euclidean norm [N] of each gradient."""
        return self.outputs.square().sum(1) * self.inputs.square().sum(1)


def written_out(gradient: torch.Tensor | OuterProduct) -> torch.Tensor:
    """Return a gradient in either form as a dense tensor [N, *shape]."""
    return gradient.dense() if isinstance(gradient, OuterProduct) else gradient
