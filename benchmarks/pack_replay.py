"""Pack as much of CIFAR-100 as fits, for a replay on a machine without network: a small mirror, and an overlay for it.

    SEMSIM_MIRROR=FOLDER python benchmarks/pack_replay.py --out pack --mib 40

Reads ``cifar100.zip`` of the mirror; writes ``cifar100.zip`` with as many training images of each class as fit,
AlexNet's weights for LPIPS (a cache, as far as ``semsim fetch`` has brought them), and ``pack.yaml``, an overlay of
config/replay.yaml.
"""

import argparse
import os
import shutil
import zipfile
from collections import defaultdict
from pathlib import Path

import yaml

from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.pretrained.weights import cached_weights
from semsim.seeds import seed_for

DATASET, ARCHIVE = "cifar100", "cifar100.zip"
TEST_IMAGES = 20
"""Images of each class that no target model is trained on: originals, and what tells its accuracy."""
SPARE = 1
"""Images of each class that the overlay does not ask for: of equal images the study takes one."""
ENTRY_BYTES = 150
"""What an entry of a .zip file takes beside its content."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, default=os.environ.get("SEMSIM_MIRROR"), help="folder (SEMSIM_MIRROR)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument("--mib", type=float, default=30, help="size of the images, at most (30)")
    parser.add_argument("--originals", type=int, default=48, help="attacked images (48)")
    arguments = parser.parse_args()
    if not arguments.mirror:
        raise SemsimError("Set SEMSIM_MIRROR, or --mirror, to the folder that holds cifar100.zip.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(arguments.mirror / ARCHIVE) as source:
        chosen, train = choose(source.infolist(), arguments.mib * 2**20)
        with zipfile.ZipFile(arguments.out / ARCHIVE, "w") as packed:  # PNG files are compressed already
            for entry in chosen:
                packed.writestr(entry.filename, source.read(entry))
    classes = len({entry.filename.split("/")[1] for entry in chosen})
    public = classes * (TEST_IMAGES - SPARE) - arguments.originals
    counts = {"train": classes * (train - SPARE), "originals": arguments.originals, "public": public}
    overlay = {"study": "replay-gpu", "shard": None, "datasets": {DATASET: counts}}
    alexnet = cached_weights("alexnet")
    if alexnet.exists():
        folder = arguments.out / "cache" / alexnet.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(alexnet, folder / alexnet.name)
    (arguments.out / "pack.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    mib = (arguments.out / ARCHIVE).stat().st_size / 2**20
    print(f"{arguments.out / ARCHIVE}: {train} training and {TEST_IMAGES} test images a class, {mib:.1f} MiB")


def choose(entries, budget):
    """Return the entries that fit into `budget` bytes, as many of each class, and how many training images that are."""
    by_class = defaultdict(list)
    for entry in entries:
        if not entry.is_dir():
            part, name, _ = entry.filename.split("/")
            by_class[part, name].append(entry)
    for found in by_class.values():
        found.sort(key=lambda entry: seed_for(1, entry.filename))  # a random choice, and always the same
    test = [entry for (part, _), found in by_class.items() if part == "test" for entry in found[:TEST_IMAGES]]
    train = [found for (part, _), found in by_class.items() if part == "train"]
    left, fitting = budget - _bytes(test), 0
    for turn in zip(*train, strict=False):
        left -= _bytes(turn)
        if left < 0:
            break
        fitting += 1
    return test + [entry for found in train for entry in found[:fitting]], fitting


def _bytes(entries):
    return sum(entry.file_size + ENTRY_BYTES for entry in entries)


if __name__ == "__main__":
    run(main)
