"""The weights of SemSim that come with the package."""

import re
from importlib.resources import files
from pathlib import Path


def embedded_weights():
    """Return the folder of weights that the default study, of embedded images, learned.

    Returns
    -------
    pathlib.Path
        For `semsim.learned.metric.SemSim.from_pretrained`.
    """
    return Path(files("semsim.learned.shipped") / "embedded")


def training_of(folder):
    """Say in a sentence what weights were trained on, by the card that lies with them.

    Parameters
    ----------
    folder : path-like
        As `semsim.SemSim.save_pretrained` writes it.

    Returns
    -------
    str
        Which study and which annotators, and whatever their card warns of; or that there is no such card.
    """
    try:
        text = (Path(folder) / "CARD.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    text = " ".join(text.split())
    study = re.search(r"# SemSim, (trained by the study `[^`]+`)", text)
    annotators = re.search(r"The annotators are \*\*(.+?)\*\*([^.]*)\.", text)
    if not study or not annotators:
        return "Nothing says what SemSim was trained on: there is no card of it with its weights."
    return f"SemSim was {study[1].replace('`', '')} on labels of {annotators[1]}{annotators[2]}."
