"""Where the heavy work runs."""

import torch

from semsim.errors import SemsimError


def choose_device(name="auto"):
    """Return the device that a setting stands for.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        ``auto`` takes the GPU if there is one.

    Returns
    -------
    torch.device

    Raises
    ------
    SemsimError
        If the name is unknown, or CUDA is asked for where PyTorch finds none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SemsimError(f"device '{name}' is not known. Choose auto, cpu or cuda.")
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise SemsimError(
            "device 'cuda' was asked for, but PyTorch finds no CUDA GPU on this machine. Set device to auto or cpu."
        )
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")
