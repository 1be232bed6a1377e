"""Weights of a network that people bring: read without running any code of the file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os

    import torch

ADVICE = "Save the weights alone: torch.save(model.state_dict(), path), or as safetensors."


def read_checkpoint(path: str | os.PathLike, advice: str = ADVICE) -> dict[str, torch.Tensor]:
    """Return the tensors of a file that holds a state dict and nothing else.

    Parameters
    ----------
    path : path-like
        A ``.safetensors`` file, or what ``torch.save(model.state_dict(), path)`` writes.
    advice : str
        What to do if it cannot be read, for messages.

    Returns
    -------
    dict of str to torch.Tensor
        On the CPU.

    Raises
    ------
    SemsimError
        If it holds anything else, is damaged or missing.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
        # PyTorch's words about pickles advise to load what may run code.
        unsafe = isinstance(error, pickle.UnpicklingError)
        reason = "" if unsafe else f" ({str(error).strip().partition(chr(10))[0]})"
        raise SemsimError(f"{path}: damaged, or not a checkpoint of tensors alone{reason}. {advice}") from None
    if not isinstance(state, dict) or not all(isinstance(each, torch.Tensor) for each in state.values()):
        what = f"has {', '.join(map(str, state))[:80]}" if isinstance(state, dict) else f"is a {type(state).__name__}"
        raise SemsimError(f"{path}: it {what}, but must hold a state dict of tensors and nothing else. {advice}")
    return state
