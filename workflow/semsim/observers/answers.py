"""An observer's answer about an image: the class that it sees, or that it can't tell.

A small network is easily fooled: attacks leave patterns in what people would call noise that a network mistakes for the
class. An observer therefore averages its predictions over several noisy, one-pixel-shifted copies of the image: such
patterns do not survive that, and what people would recognise does (Cohen et al.).

It may also see more than people do. A network picks a faint shape out of noise; people have noise of their own, which
grows with that in the image (Burgess and Colborne), and so can an observer. And a network combines three channels whose
colours make no sense together; looks at single channels prevent that.

References
----------
Cohen, Rosenfeld, Kolter: Certified Adversarial Robustness via Randomized Smoothing. ICML 2019.

Burgess, Colborne: Visual signal detection. IV. Observer inconsistency. Journal of the Optical Society of America A 5,
1988.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from semsim.labels.table import CANNOT_TELL
from semsim.observers.degradations import degrade_bytes
from semsim.observers.settings import USUAL_LOOK, Look

if TYPE_CHECKING:
    from semsim.targets.models import Target

SEVERITIES = (0, 0.2, 0.4, 0.6, 0.8, 1)
READ = 60  # images of each severity on which an observer is evaluated


def answer(
    observer: Target,
    images: torch.Tensor,
    caution: float,
    generator: torch.Generator,
    how: Look = USUAL_LOOK,
    batch_size: int = 256,
) -> torch.Tensor:
    """Ask an observer about images.

    Parameters
    ----------
    observer : semsim.targets.models.Target
        In eval mode.
    images : torch.Tensor
        uint8 [N, 3, S, S]; or `semsim.io.stored_arrays.JoinedRows`, which is read a batch at a time.
    caution : float
        In [0, 1): the observer names a class if its probability is at least this, else it can't tell.
    generator : torch.Generator
        On the CPU, so that every device draws the same copies.
    how : semsim.observers.settings.Look
    batch_size : int
        Images per batch.

    Returns
    -------
    torch.Tensor
        int64 [N], on the CPU: classes, or -1 for "can't tell".
    """
    named, confidence = look_at(observer, images, generator, how, batch_size)
    return torch.where(confidence >= caution, named, CANNOT_TELL)


def look_at(
    observer: Target,
    images: torch.Tensor,
    generator: torch.Generator,
    how: Look = USUAL_LOOK,
    batch_size: int = 256,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the class that an observer finds most probable in each image, int64 [N], and its probability, float [N].

    Parameters are those of `answer`; the results are on the CPU.
    """
    device = observer.to(memory_format=torch.channels_last).mean.device
    # The same noise and shifts for all images, so that an answer does not depend on the other images.
    noise = torch.randn(how.looks, *images.shape[1:], generator=generator).to(device)
    asides = torch.randint(-how.aside, how.aside + 1, (how.looks, 2), generator=generator).tolist()
    named, confidence = torch.empty(len(images), dtype=torch.int64), torch.empty(len(images))
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = slice(start, start + batch_size)
            shown = torch.as_tensor(images[batch], device=device) / 255
            deviations = (how.noise**2 + (how.induced * noise_in(shown)) ** 2).sqrt()[:, None, None, None]
            looks = (
                (_seen(shown, number, how) + deviations * each).clamp(0, 1).roll(aside, (2, 3))
                for number, (each, aside) in enumerate(zip(noise, asides, strict=True))
            )
            probabilities = sum(observer(_fast(look)).softmax(1) for look in looks) / how.looks
            confidence[batch], named[batch] = (each.cpu() for each in probabilities.max(1))
    return named, confidence


def _seen(images, number, how):
    """Return what the look of a number shows of images, without its noise."""
    return images[:, [number % images.shape[1]]].expand_as(images) if how.single_channels else images


def _fast(look):
    """Return a look in the memory format in which networks are nearly twice as fast on a CPU."""
    return look.contiguous(memory_format=torch.channels_last)


def noise_in(images: torch.Tensor) -> torch.Tensor:
    """Estimate the standard deviation of the noise in images, from what neither edges nor slopes explain.

    Parameters
    ----------
    images : torch.Tensor
        float [N, C, S, S], S at least 3.

    Returns
    -------
    torch.Tensor
        [N], the mean over channels.

    References
    ----------
    Immerkær: Fast Noise Variance Estimation. Computer Vision and Image Understanding 64, 1996.
    """
    second = torch.tensor([1.0, -2.0, 1.0], device=images.device)
    mask = torch.outer(second, second).expand(images.shape[1], 1, 3, 3)
    left = functional.conv2d(images, mask, groups=images.shape[1]).abs().mean((1, 2, 3))
    return math.sqrt(math.pi / 2) * left / mask[0].norm()


def degraded_by_severity(images: torch.Tensor, generator: torch.Generator) -> dict[float, torch.Tensor]:
    """Degrade the first `READ` images at increasing severity.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    generator : torch.Generator
        Of the CPU.

    Returns
    -------
    dict of float to torch.Tensor
        The first images, at each of `SEVERITIES`.
    """
    images = images[:READ]
    return {
        severity: degrade_bytes(images, torch.full((len(images),), float(severity)), generator)
        for severity in SEVERITIES
    }
