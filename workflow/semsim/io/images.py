"""Batches of images, as people hand them to functions: checked, and made tensors."""

from typing import TYPE_CHECKING, Any

from semsim.errors import SemsimError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor


def as_tensor(images: "Tensor | ArrayLike", what: str, device: Any = "cpu", expected: str = "[N, 3, H, W]") -> "Tensor":
    """Return images, or other numbers, as a tensor: a tensor as it is, and any other array on a device.

    Parameters
    ----------
    images : torch.Tensor or array-like
        Of numbers.
    what : str
        What they are, in the plural, for messages.
    device : torch.device or str
        Where arrays that are no tensors go.
    expected : str
        The shape to give, for messages.

    Returns
    -------
    torch.Tensor

    Raises
    ------
    SemsimError
        If they are no array of numbers.
    """
    import numpy as np
    import torch

    if isinstance(images, torch.Tensor):
        if images.is_meta:
            raise SemsimError(f"{what} are on the device meta, which has no values. Give a tensor on another device.")
        return images if images.layout is torch.strided else images.to_dense()
    if np.ma.is_masked(images):
        raise SemsimError(f"{what} are masked: some of their values count as missing. Fill them in with .filled().")
    try:
        array = np.array(images)  # a copy: PyTorch takes no reversed or read-only arrays
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False)).to(device)
    except (TypeError, ValueError, RuntimeError):
        raise SemsimError(
            f"{what} are a {type(images).__name__} that holds no array of numbers. Give a tensor or a NumPy array,"
            f" {expected}."
        ) from None


def as_floats(images: "Tensor") -> "Tensor":
    """Return bytes as float32 in [0, 1]; anything else, such as images that are floats already, as it is."""
    import torch

    return images.float() / 255 if images.dtype == torch.uint8 else images


def float_images(images: "Tensor | ArrayLike", what: str, device: Any = "cpu") -> "Tensor":
    """Return a batch of RGB images as a float32 tensor, whatever floats it was given as.

    Parameters
    ----------
    images : torch.Tensor or array-like
        Floats [N, 3, H, W] in [0, 1].
    what : str
        What they are, in the plural, for messages.
    device : torch.device or str
        Where arrays that are no tensors go.

    Returns
    -------
    torch.Tensor

    Raises
    ------
    SemsimError
        If they are anything else.

    Examples
    --------
    >>> import numpy as np
    >>> float_images(np.full((2, 3, 8, 8), 0.5), "images").dtype
    torch.float32
    """
    images = as_tensor(images, what, device)
    if images.is_floating_point():
        images = images.float()
    check_images(images, what)
    return images


def check_images(images: "Tensor", what: str) -> None:
    """Refuse a tensor that is not a batch of RGB images, [N, 3, H, W] in [0, 1].

    Parameters
    ----------
    images : torch.Tensor
    what : str
        What they are, in the plural, for messages.

    Raises
    ------
    SemsimError
    """
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise SemsimError(f"{what} are {shape_of(images)}, but must be [N, 3, H, W]: RGB, none of them 0.")
    if not images.is_floating_point():
        raise SemsimError(f"{what} are {images.dtype}, but must be floats in [0, 1]: divide bytes by 255.")
    low, high = images.detach().aminmax()
    if not (low >= 0 and high <= 1):  # also where there is a NaN
        raise SemsimError(f"{what} range from {low:.3g} to {high:.3g}, but must be finite and in [0, 1].")


def check_pairs(originals: "Tensor", reconstructions: "Tensor") -> None:
    """Refuse two batches that differ in shape or device.

    Raises
    ------
    SemsimError
    """
    if originals.shape != reconstructions.shape:
        raise SemsimError(
            f"originals are {shape_of(originals)}, but reconstructions {shape_of(reconstructions)}."
            " Give pairs of the same number and size."
        )
    if originals.device != reconstructions.device:
        raise SemsimError(
            f"originals are on {originals.device}, but reconstructions on {reconstructions.device}. Move one of them"
            " with .to()."
        )


def shape_of(tensor: "Tensor") -> str:
    """Write the shape of a tensor, such as ``[8, 3, 32, 32]``."""
    return f"[{', '.join(map(str, tensor.shape))}]"
