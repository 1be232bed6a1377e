"""The weights of SemSim that come with the package: a folder each, whose name is that of the weights."""

import os
import re
from importlib.resources import files
from pathlib import Path

from semsim.errors import SemsimError
from semsim.text import quoted

EMBEDDED = "embedded"
"""The weights that the default study, of embedded images, learned."""

CARD_BYTES = 2**16
"""As much of a card as is read; what it is about stands at its beginning."""


def shipped_weights() -> dict[str, Path]:
    """Return the folders of weights that come with the package, by name."""
    return {folder.name: folder for folder in Path(files(__name__)).iterdir() if (folder / "config.json").is_file()}


def weights_folder(weights: str | os.PathLike) -> Path:
    """Return the folder of weights that are named.

    Parameters
    ----------
    weights : str or path-like
        The name of weights that come with the package, such as ``"embedded"``, or a folder (``"./embedded"`` is one).

    Returns
    -------
    pathlib.Path
        It may not exist.

    Raises
    ------
    SemsimError
        If it is neither a name nor a path.
    """
    if not isinstance(weights, str | os.PathLike):
        raise SemsimError(f"weights must be a path, as a str or a pathlib.Path, but are {quoted(weights)}.")
    return shipped_weights().get(os.fspath(weights), Path(weights))


def training_of(weights: str | os.PathLike) -> str:
    """Say in a sentence what weights were trained on, by the card that lies with them.

    Parameters
    ----------
    weights : str or path-like
        As for `weights_folder`.

    Returns
    -------
    str
        Which study and which annotators, and whatever their card warns of; or that there is no such card.
    """
    try:
        with (weights_folder(weights) / "CARD.md").open("rb") as file:
            text = file.read(CARD_BYTES).decode("utf-8", errors="ignore")
    except OSError:
        text = ""
    text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    study = re.search(r"# SemSim, (trained by the study `[^`]{1,80}`)", text)
    annotators = re.search(r"The annotators are \*\*([^*]{1,80})\*\*([^.]{0,300})\.", text)
    if not study or not annotators:
        return "It is unknown what SemSim was trained on: there is no card with its weights."
    return f"SemSim was {study[1].replace('`', '')} on labels of {annotators[1]}{annotators[2]}."
