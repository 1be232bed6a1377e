"""Score many pairs of small images by every metric, as `semsim score` does from the command line: one JSON line.

Originals are random and smooth; reconstructions are the same with noise. All are PNG files in a folder that is deleted
afterwards. Without --weights, SemSim has random ones of the size of those that come with semsim: as fast.

    python benchmarks/score.py --pairs 10000

`seconds` are those of the whole command: start, networks, reading, metrics, table. `page_seconds` are those of a second
run that also writes the page.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from semsim import SemSim
from semsim.io.tables import read_table
from semsim.progress import progress_bar


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=32, help="of each image, in pixels")
    parser.add_argument("--weights", help="a folder of weights of SemSim")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_pairs(folder, arguments.pairs, arguments.side)
        weights = arguments.weights or folder / "semsim"
        if not arguments.weights:
            SemSim("vgg3", width=16).save_pretrained(weights)
        options = ["--weights", weights, "--device", arguments.device, "--out", folder / "scores.csv"]
        seconds = timed(folder, options)
        page_seconds = timed(folder, [*options, "--report", folder / "scores.html"])
        metrics = [name for name in read_table(folder / "scores.csv") if name != "name"]
    line = {"pairs": arguments.pairs, "side": arguments.side, "metrics": metrics, "threads": torch.get_num_threads()}
    print(json.dumps(line | {"seconds": seconds, "page_seconds": page_seconds}))


def make_pairs(folder, pairs, side):
    """Write originals and reconstructions as PNG files."""
    generator = np.random.default_rng(1)
    for name in ("originals", "reconstructions"):
        (folder / name).mkdir()
    with progress_bar(pairs, "making images", unit="pair") as bar:
        for number in range(pairs):
            coarse = Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            original = coarse.resize((side, side), Image.Resampling.BICUBIC)
            noise = generator.normal(0, generator.uniform(1, 60), (side, side, 3))
            noisy = np.clip(np.asarray(original) + noise, 0, 255).astype(np.uint8)
            original.save(folder / "originals" / f"{number}.png")
            Image.fromarray(noisy).save(folder / "reconstructions" / f"{number}.png")
            bar.update()


def timed(folder, options):
    """Run the command and return its seconds; `python -m` takes the library that this script uses."""
    command = [sys.executable, "-m", "semsim.commands", "score", folder / "originals", folder / "reconstructions"]
    start = time.perf_counter()
    subprocess.run([*map(str, command), *map(str, options)], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - start, 1)


if __name__ == "__main__":
    main()
