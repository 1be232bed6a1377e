"""What an observer says about an image: the class that it sees, or that it can't tell."""

import pandas as pd
import torch

from semsim.labels.table import CANNOT_TELL
from semsim.observers.degradations import degrade_bytes

SEVERITIES = (0, 0.2, 0.4, 0.6, 0.8, 1)


def answer(observer, images, caution, batch_size=256):
    """Ask an observer about images.

    Parameters
    ----------
    observer : semsim.targets.models.Target
        In eval mode.
    images : torch.Tensor
        uint8 [N, 3, S, S].
    caution : float
        In [0, 1): the observer names a class if it gives it a probability of at least this, else it can't tell.
    batch_size : int
        How many images it looks at at once.

    Returns
    -------
    torch.Tensor
        int64 [N], on the CPU: classes, or -1 for "can't tell".
    """
    answers = []
    with torch.no_grad():
        for batch in images.split(batch_size):
            probabilities = observer(batch.to(observer.mean.device) / 255).softmax(1)
            confidence, named = probabilities.max(1)
            answers.append(torch.where(confidence >= caution, named, CANNOT_TELL).cpu())
    return torch.cat(answers)


def degraded_by_severity(images, generator):
    """Degrade images more and more.

    Parameters
    ----------
    images : torch.Tensor
        uint8 [N, 3, S, S].
    generator : torch.Generator
        Of the CPU.

    Returns
    -------
    dict of float to torch.Tensor
        The images at each of `SEVERITIES`.
    """
    return {
        severity: degrade_bytes(images, torch.full((len(images),), float(severity)), generator)
        for severity in SEVERITIES
    }


def read_by_severity(observer, degraded, labels, caution):
    """Ask an observer about images that are degraded more and more.

    Parameters
    ----------
    observer, caution
        As for `answer`.
    degraded : dict of float to torch.Tensor
        From `degraded_by_severity`, of images that the observer did not learn from.
    labels : torch.Tensor
        int64 [N], the true classes.

    Returns
    -------
    pandas.DataFrame
        severity (`SEVERITIES`), right, wrong and cannot_tell (shares of the images), images (how many).
    """
    rows = []
    for severity, images in degraded.items():
        given = answer(observer, images, caution)
        right, unsure = (given == labels).double().mean().item(), (given == CANNOT_TELL).double().mean().item()
        row = {"severity": severity, "right": right, "wrong": 1 - right - unsure, "cannot_tell": unsure}
        rows.append(row | {"images": len(images)})
    return pd.DataFrame(rows)
