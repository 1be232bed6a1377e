"""Weights that PyTorch saved: read by its own unpickler for tensors, which runs no code of the file."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os

    import torch

CHECKPOINTS = (".pt", ".pth", ".bin")
"""Suffixes of such files."""
ADVICE = "Save the weights alone: torch.save(model.state_dict(), path), or as safetensors."


def read_checkpoint(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Return the tensors of a file that holds a state dict and nothing else.

    Parameters
    ----------
    path : path-like
        As ``torch.save(model.state_dict(), path)`` writes it.

    Raises
    ------
    SemsimError
        If it holds anything else, is damaged or missing.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SemsimError(f"{path}: damaged, or not a checkpoint of tensors alone ({reason}). {ADVICE}") from None
    if not isinstance(state, dict) or not all(isinstance(each, torch.Tensor) for each in state.values()):
        what = f"has {', '.join(map(str, state))[:80]}" if isinstance(state, dict) else f"is a {type(state).__name__}"
        raise SemsimError(f"{path}: it {what}, but must hold a state dict of tensors and nothing else. {ADVICE}")
    return state
