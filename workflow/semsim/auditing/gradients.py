"""What clients share, and whether a model has converged so far that its gradients vanish."""

from __future__ import annotations

import pandas as pd
import torch

from semsim.attacks.run import AttackRun
from semsim.io.images import as_floats

VANISHED = 1e-7
"""The error of the class probabilities (their Euclidean distance from 0 and 1) below which that of the true class
rounds to 1 in single precision: the largest entry of the error, to which a gradient is proportional, is lost. In
trials, searches failed from there on, while the closed form still worked."""


def describe_updates(run: AttackRun) -> pd.DataFrame:
    """Describe what the client of each original shares, before any defence.

    Parameters
    ----------
    run : semsim.attacks.run.AttackRun
        Any attack on the originals.

    Returns
    -------
    pandas.DataFrame
        One row per original: predicted (the class that the model names), error (distance of its class probabilities
        from those of the true class, 0 to 1.41), and of the update of its client gradient_norm, zero_share (share of
        its entries that are zero) and vanished (whether it is zero, or the error of all its images below `VANISHED`).
    """
    parts = []
    for share, updates in run.undefended():
        places = share.flatten()
        labels = run.labels[places].to(run.target.mean.device)
        with torch.no_grad():
            logits = run.target(as_floats(run.originals[places]).to(labels.device))
        errors = (logits.softmax(1) - torch.nn.functional.one_hot(labels, logits.shape[1])).norm(dim=1)
        norms = sum(each.flatten(1).square().sum(1) for each in updates).sqrt()
        zeros = sum((each == 0).flatten(1).sum(1) for each in updates) / sum(each[0].numel() for each in updates)
        vanished = (errors.reshape(share.shape) < VANISHED).all(1) | (norms == 0)
        numbers = {"predicted": logits.argmax(1), "error": errors}
        of_clients = {"gradient_norm": norms, "zero_share": zeros, "vanished": vanished}
        numbers |= {name: each.repeat_interleave(share.shape[1]) for name, each in of_clients.items()}
        parts.append(pd.DataFrame({name: each.cpu().numpy() for name, each in numbers.items()}, index=places.numpy()))
    return pd.concat(parts).sort_index()
