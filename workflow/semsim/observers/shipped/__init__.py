"""The bundled observers (simulated annotators), five for each kind of embedded images; see CARD.md."""

from importlib.resources import files
from pathlib import Path

from semsim.observers.settings import Look, ObserverSettings

PANEL = {
    "observer-1": ObserverSettings(architecture="vgg6", width=16, caution=0.25),
    "observer-2": ObserverSettings(architecture="resnet6", width=20, caution=0.4),
    "observer-3": ObserverSettings(architecture="squeezenet", width=20, caution=0.35),
    "observer-4": ObserverSettings(architecture="densenet", width=14, caution=0.55),
    "observer-5": ObserverSettings(architecture="inception", width=14, caution=0.6),
}
"""Five families of networks, none of which is attacked or learns a metric in the default study."""

LOOK = {
    "glyphs": Look(noise=0.05, induced=2),
    "letters": Look(noise=0.05, induced=1),
    "mnist": Look(noise=0.05, induced=1, single_channels=True),  # digits are grey: their colours are noise
}
CAUTION = {"glyphs": 1.3, "letters": 1, "mnist": 2}
"""How observers look at images of a kind, and by what the odds of their caution are multiplied.

Both were chosen on reconstructions of a study with another seed than those that are reported, so that the majority of
the observers recognises what a careful reader does; only the caution about letters is that of the panel.
"""


def cautions_of(kind: str) -> dict[str, float]:
    """Return how cautious each observer is about a kind of embedded images."""
    odds = {name: CAUTION[kind] * each.caution / (1 - each.caution) for name, each in PANEL.items()}
    return {name: round(each / (1 + each), 2) for name, each in odds.items()}


def shipped_observers(kind: str) -> dict[str, Path]:
    """Return the files of the observers of a kind of embedded images, by name; empty for any other kind of data set."""
    folder = Path(files(__name__)) / kind
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
