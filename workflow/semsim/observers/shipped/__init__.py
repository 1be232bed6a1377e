"""The simulated observers that come with the package, five for each kind of embedded images; see CARD.md."""

from importlib.resources import files
from pathlib import Path

from semsim.observers.settings import ObserverSettings

PANEL = {
    "observer-1": ObserverSettings(architecture="vgg6", width=16, caution=0.25),
    "observer-2": ObserverSettings(architecture="resnet6", width=20, caution=0.4),
    "observer-3": ObserverSettings(architecture="squeezenet", width=20, caution=0.35),
    "observer-4": ObserverSettings(architecture="densenet", width=14, caution=0.55),
    "observer-5": ObserverSettings(architecture="inception", width=14, caution=0.6),
}
"""Five families of networks, none of which is attacked or learns a metric in the default study."""

MORE_CAUTION = {"mnist": 0.15}
"""Added to their caution for a kind: with ten classes, networks are sure of one sooner than people are."""


def cautions_of(kind: str) -> dict[str, float]:
    """Return how cautious each observer is about a kind of embedded images."""
    return {name: round(settings.caution + MORE_CAUTION.get(kind, 0), 3) for name, settings in PANEL.items()}


def shipped_observers(kind: str) -> dict[str, Path]:
    """Return the files of the observers of a kind of embedded images, by name; empty for any other kind of data set."""
    folder = Path(files(__name__)) / kind
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
