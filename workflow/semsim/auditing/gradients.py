"""What is shared: the gradient of each image, and whether a model has converged so far that it says nothing."""

from __future__ import annotations

import pandas as pd
import torch

from semsim.attacks.clients import ClientSettings
from semsim.attacks.gradients import plan_updates
from semsim.attacks.observation import shared_updates
from semsim.targets.defences import GradientDefence
from semsim.targets.models import Target, count_parameters

VANISHED = 1e-7
"""The error of the class probabilities (their Euclidean distance from 0 and 1) below which that of the true class
rounds to 1 in single precision: the largest entry of the error, to which a gradient is proportional, is lost. In
trials, searches failed from there on, while the closed form still worked."""
AT_ONCE_BYTES = 2**29
"""Of gradients that are held."""


def describe_gradients(target: Target, images: torch.Tensor, labels: torch.Tensor) -> pd.DataFrame:
    """Describe the gradient of each image by itself, before any defence.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode; everything runs on its device.
    images : torch.Tensor, [N, 3, S, S]
        uint8, or floating point in [0, 1].
    labels : torch.Tensor, int64, [N]

    Returns
    -------
    pandas.DataFrame
        One row per image: predicted (the class that the model names), error (distance of its class probabilities from
        those of the true class, 0 to 1.41), gradient_norm, zero_share (share of its entries that are zero), vanished.
    """
    device = target.mean.device
    plan, parts = plan_updates(target, ClientSettings(), device), []
    step = max(1, AT_ONCE_BYTES // (4 * count_parameters(target)))
    for rows in torch.arange(len(images)).split(step):
        batch, wanted = as_floats(images[rows]).to(device), labels[rows].to(device)
        with torch.no_grad():
            logits = target(batch)
        one_hot = torch.nn.functional.one_hot(wanted, logits.shape[1])
        clients = batch[:, None], wanted[:, None]
        gradients = shared_updates(target, plan, *clients, GradientDefence(), [0] * len(rows)).updates
        squared = sum(each.flatten(1).square().sum(1) for each in gradients)
        zeros = sum((each == 0).flatten(1).sum(1) for each in gradients)
        numbers = {
            "predicted": logits.argmax(1),
            "error": (logits.softmax(1) - one_hot).norm(dim=1),
            "gradient_norm": squared.sqrt(),
            "zero_share": zeros / sum(each[0].numel() for each in gradients),
        }
        parts.append(pd.DataFrame({name: values.cpu().numpy() for name, values in numbers.items()}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(vanished=(table["error"] < VANISHED) | (table["gradient_norm"] == 0))


def as_floats(images: torch.Tensor) -> torch.Tensor:
    """Return images in [0, 1]."""
    return images.float() / 255 if images.dtype == torch.uint8 else images
