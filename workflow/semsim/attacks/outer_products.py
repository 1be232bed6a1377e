"""Weight gradients of linear layers, kept as their factors."""

from __future__ import annotations

from dataclasses import dataclass

import lazy_loader

torch = lazy_loader.load("torch")


@dataclass(frozen=True)
class OuterProduct:
    """The weight gradients [N, out, in] of a linear layer, as their factors, which suffice for inner products.

    A gradient is the sum of K outer products, one for each input of the layer in a client's batch. A classifier's head
    can hold most of its parameters, and its dense gradients would take most of an attack's time.

    Attributes
    ----------
    outputs : torch.Tensor, shape [N, K, out]
        Gradients with respect to the layer's outputs.
    inputs : torch.Tensor, shape [N, K, in]
        The layer's inputs.
    """

    outputs: torch.Tensor
    inputs: torch.Tensor

    def dense(self) -> torch.Tensor:
        """Return the dense gradients, [N, out, in]."""
        return torch.bmm(self.outputs.mT, self.inputs)

    def inner(self, other: torch.Tensor) -> torch.Tensor:
        """Return the inner product [N] of each gradient with a dense one, [N, out, in]."""
        return (self.outputs * torch.bmm(self.inputs, other.mT)).sum((1, 2))

    def squared_length(self) -> torch.Tensor:
        """Return the squared Euclidean norm [N] of each gradient."""
        products = torch.bmm(self.outputs, self.outputs.mT) * torch.bmm(self.inputs, self.inputs.mT)
        return products.sum((1, 2))


def outer_product(outputs: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor | OuterProduct:
    """Return the sum over K of outer products [N, K, out] x [N, K, in], as whichever is smaller: factors or dense."""
    product = OuterProduct(outputs, inputs)
    rank, rows, columns = outputs.shape[1], outputs.shape[2], inputs.shape[2]
    return product if rank * (rows + columns) < rows * columns else product.dense()


def written_out(gradient: torch.Tensor | OuterProduct) -> torch.Tensor:
    """Return a gradient in either form as a dense tensor [N, *shape]."""
    return gradient.dense() if isinstance(gradient, OuterProduct) else gradient
