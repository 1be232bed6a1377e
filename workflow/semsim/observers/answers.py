"""What an observer says about an image: the class that it sees, or that it can't tell."""

import torch

from semsim.labels.table import CANNOT_TELL


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
