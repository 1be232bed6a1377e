"""The device on which networks run."""

import os

import torch

from semsim.errors import SemsimError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a setting.

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
        If the name is unknown, or CUDA is requested but not available.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SemsimError(f"device '{name}' is not known. Choose auto, cpu or cuda.")
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise SemsimError(
            "device 'cuda' was requested, but PyTorch finds no CUDA GPU on this machine. Choose auto or cpu."
        )
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")


def checked_device(device: torch.device | str) -> torch.device:
    """Return a device that PyTorch has and networks run on.

    Parameters
    ----------
    device : torch.device or {"auto", "cpu", "cuda"}

    Raises
    ------
    SemsimError
        As `choose_device`, or if there is no such GPU.
    """
    if not isinstance(device, torch.device):
        return choose_device(device)
    choose_device(device.type)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SemsimError(f"device '{device}' does not exist: PyTorch finds {torch.cuda.device_count()} CUDA GPU(s).")
    return device


def memory_of(device: torch.device) -> int:
    """Return how many bytes of memory a device has in all.

    Parameters
    ----------
    device : torch.device
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
