"""Label the reconstructions of a data set by observers (simulated annotators), and evaluate them on other images."""

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch_arguments import add_torch_arguments, device_of

from semsim.commandline import json_object, run
from semsim.data import load_split
from semsim.errors import SemsimError
from semsim.io.stored_arrays import JoinedRows, open_arrays
from semsim.io.tables import write_table
from semsim.io.tensors import read_metadata
from semsim.io.whole import write_text
from semsim.labels import shown_images
from semsim.labels.table import COLUMNS
from semsim.metrics.summaries import concatenated
from semsim.observers.answers import degraded_by_severity
from semsim.observers.asking import load_observer
from semsim.observers.card import study_card
from semsim.observers.images import divide_public
from semsim.observers.reading import shares_by, shares_of
from semsim.observers.settings import USUAL_LOOK
from semsim.observers.shipped import LOOK, cautions_of, shipped_observers
from semsim.seeds import seed_for

READING = ["dataset", "observer", "architecture", "caution", "severity", "right", "wrong", "cannot_tell", "images"]


def main() -> None:
    arguments = parse_arguments()
    device = device_of(arguments)
    images, shown = read_reconstructions(arguments)
    (clear, classes), (copies, originals), observers = read_panel(arguments, device)
    drawn = torch.Generator().manual_seed(seed_for(arguments.seed, "reading", arguments.dataset))
    degraded = degraded_by_severity(clear, drawn)
    labels, reading, on_clear, on_copies = [], [], {}, {}
    for observer in observers:
        looks = torch.Generator().manual_seed(seed_for(arguments.seed, "looks", arguments.dataset, observer.name))
        labels.append(shown.assign(annotator=observer.name, label=observer.answer(images, looks).numpy()))
        by_severity = {severity: observer.answer(each, looks) for severity, each in degraded.items()}
        on_clear[observer.name], on_copies[observer.name] = by_severity[0], observer.answer(copies, looks)
        about = {"dataset": arguments.dataset, "observer": observer.name, "architecture": observer.architecture}
        reading.append(shares_by("severity", by_severity, classes).assign(**about, caution=observer.caution))
    table = pd.concat(labels, ignore_index=True).assign(kind="simulated", seconds=None, given_at=None)
    write_table(table[COLUMNS], arguments.out)
    table = pd.concat(reading)[READING]
    write_table(table, arguments.out_reading)
    shares = {"held-out images": shares_of(on_clear, classes), "perfect copies": shares_of(on_copies, originals)}
    write_text(study_card(table, shares, read_metadata(arguments.data)["kind"]), arguments.out_card)


def read_reconstructions(arguments):
    """Return the reconstructions that did not diverge, and a table with their names."""
    attacks = concatenated(arguments.tables)
    reconstructions = JoinedRows([open_arrays(path)["reconstruction"] for path in arguments.reconstructions])
    if len(attacks) != len(reconstructions):
        raise SemsimError(
            f"{len(reconstructions)} reconstructions, but {len(attacks)} rows in their tables. Give the tables of the"
            " same attacks in the same order, and run an attack again whose files do not agree."
        )
    return reconstructions.where((attacks["status"] != "diverged").to_numpy()), shown_images(attacks)[["image"]]


def read_panel(arguments, device):
    """Return images that no observer learnt from, the originals, both with labels, and the observers one by one."""
    paths, cautions, look, held_out = panel_of(arguments)
    originals = load_split(arguments.data, "originals")
    observers = (load_observer(path, device, cautions.get(path.stem), look) for path in paths)
    return *(map(torch.from_numpy, each) for each in (held_out, originals)), observers


def panel_of(arguments):
    """Return the files of the observers, how cautious each is, how they look, and images that none learnt from."""
    if arguments.shipped:
        observers, cautions = shipped_observers(arguments.shipped), cautions_of(arguments.shipped)
        return observers.values(), cautions, LOOK[arguments.shipped], load_split(arguments.data, "public")
    _, held_out = divide_public(arguments.data, arguments.dataset, arguments.seed, "observers")
    return list(map(Path, arguments.observers)), arguments.cautions, USUAL_LOOK, held_out


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    panel = parser.add_mutually_exclusive_group(required=True)
    panel.add_argument("--observers", nargs="+", metavar="X.safetensors", help="the observers, each named as its file")
    panel.add_argument("--shipped", metavar="KIND", help="those of a kind of embedded images that come with semsim")
    parser.add_argument(
        "--cautions", type=json_object, default={}, metavar="JSON", help="how sure each of --observers must be to name"
    )
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="X.safetensors", help="one file per target and attack"
    )
    parser.add_argument("--tables", required=True, nargs="+", metavar="X.csv", help="their tables, in the same order")
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set, for other images of it")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="its name")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="the study's seed")
    add_torch_arguments(parser)
    parser.add_argument("--out", required=True, metavar="labels.csv", help="the labels to write")
    parser.add_argument("--out-card", required=True, metavar="X.md", help="to write: a page about the observers")
    parser.add_argument(
        "--out-reading", required=True, metavar="X.csv", help="to write: how well each observer reads degraded images"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
