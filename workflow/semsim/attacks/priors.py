"""What makes an image likely, as penalties: one number an image, lower is likelier.

All take images in the target model's normalised space.
"""

import torch


def total_variation(images):
    """Return the mean absolute difference of neighbours, down plus across (anisotropic; Geiping et al. 2020).

    Parameters
    ----------
    images : torch.Tensor, shape [N, C, H, W]

    Returns
    -------
    torch.Tensor, shape [N]
    """
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().flatten(1).mean(1)
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().flatten(1).mean(1)
    return down + across


def l2_norm(images):
    """Return the Euclidean norm of each image [N, C, H, W] (Yin et al. 2021, equation 6)."""
    return images.flatten(1).norm(dim=1)


def batchnorm_statistics(batchnorm_inputs):
    """Return how far each image's channel statistics are from those that BatchNorm layers remember.

    Parameters
    ----------
    batchnorm_inputs : list of (torch.nn.BatchNorm2d, torch.Tensor [N, C, H, W])
        Each layer and what it was given. An empty list gives 0: a network without BatchNorm has no such prior.

    Returns
    -------
    torch.Tensor, shape [N], or 0.0
        Sum over layers of the distances of the means and of the variances (Yin et al. 2021, equation 7), where an
        image's statistics are taken over its own positions.
    """
    total = 0.0
    for layer, activations in batchnorm_inputs:
        variance, mean = torch.var_mean(activations, dim=(2, 3), correction=0)
        total = total + (mean - layer.running_mean).norm(dim=1) + (variance - layer.running_var).norm(dim=1)
    return total


def group_consistency(images, restarts):
    """Return each image's mean squared distance from the consensus of its group.

    Parameters
    ----------
    images : torch.Tensor, shape [N * restarts, C, H, W]
        The restarts of one original lie next to each other.
    restarts : int

    Returns
    -------
    torch.Tensor, shape [N * restarts]

    Notes
    -----
    Yin et al. (2021, equation 10) register the restarts by optical flow and average them. Here registration is the
    cyclic shift with the highest cross-correlation with the group's mean, found by Fourier transform for the whole
    batch at once: it undoes translations, which is what a convolutional network lets restarts differ in, but not
    deformations. The consensus is held constant while differentiating, as in the paper.
    """
    groups = images.unflatten(0, (-1, restarts))
    with torch.no_grad():
        consensus = _shift_towards(groups, groups.mean(1, keepdim=True)).mean(1, keepdim=True)
    return (groups - consensus).square().mean((2, 3, 4)).flatten()


def _shift_towards(images, references):
    """Return `images` [..., C, H, W], each cyclically shifted to where it correlates best with its reference."""
    height, width = images.shape[-2:]
    spectrum = torch.fft.rfft2(references) * torch.fft.rfft2(images).conj()
    correlation = torch.fft.irfft2(spectrum.sum(-3), s=(height, width))
    best = correlation.flatten(-2).argmax(-1)[..., None]
    rows = (torch.arange(height, device=images.device) - best // width) % height
    columns = (torch.arange(width, device=images.device) - best % width) % width
    shape = images.shape
    shifted = images.gather(-2, rows[..., None, :, None].expand(shape))
    return shifted.gather(-1, columns[..., None, None, :].expand(shape))
