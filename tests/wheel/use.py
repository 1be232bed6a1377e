"""Use semsim as people do who have installed it; stops at the first thing that goes wrong.

    python use.py core                  what `pip install semsim` brings, and what it says of the rest
    python use.py score attack audit label    what `semsim[score]`, `semsim[attack]` and `semsim[label]` bring

It works in the current folder, which should be empty. The commands are run by the program that ``--semsim`` names, or
else within this process, which takes less time. It imports nothing of the tests.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import urllib.request
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--semsim", metavar="PROGRAM")
    arguments = parser.parse_args()
    semsim = Program([arguments.semsim]) if arguments.semsim else Module([sys.executable, "-m", "semsim.commands"])
    for part in arguments.parts:
        PARTS[part](semsim)
        print(f"{part}: fine")


class Program:
    """The program ``semsim``."""

    def __init__(self, command):
        self.command = command

    def __call__(self, *words, status=0):
        """Run it and return what it printed, or its last line of errors where it has to fail."""
        done = self.run(words)
        if done.returncode != status or "Traceback" in done.stderr:
            sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def run(self, words):
        return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=300)


class Module(Program):
    """What it runs, within this process."""

    def run(self, words):
        from semsim.commands import main

        output, errors, status = io.StringIO(), io.StringIO(), 0
        sys.argv = ["semsim", *words]
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                main()
            except SystemExit as stop:
                status = stop.code or 0
        return subprocess.CompletedProcess(words, status, output.getvalue(), errors.getvalue())


def expect(text, *parts):
    """Stop if a text lacks one of its parts."""
    for part in parts:
        if part not in text:
            sys.exit(f"expected '{part}' in:\n{text}")


def use_core(semsim):
    """Measure with the weights that come with the package; what needs an extra says so."""
    import torch

    from semsim import SemSim

    images = torch.rand(2, 3, 32, 32)
    metric = SemSim.from_pretrained("embedded")
    assert metric(images, images).tolist() == [0, 0] and metric(images, 1 - images).min() > 0
    SemSim()  # the backbone of the paper
    expect(semsim("--help"), "score", "compare", "audit", "label", "fetch")
    of_audit = ["--model", "a", "--images", "b", "--out", "c"]
    commands = {"score": ["a", "b"], "compare": ["a", "b", "c"], "audit": of_audit, "label": ["status", "a"]}
    commands["fetch"] = ["--list"]
    for command, words in commands.items():
        extra = {"label": "label", "audit": "attack,score"}.get(command, "score")
        said = semsim(command, *words, status=1)
        assert said == f"error: semsim {command} needs: pip install 'semsim[{extra}]'\n", said


def make_images():
    """Make eight originals of two classes, and two sets of reconstructions of them."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(1)
    for number in range(8):
        original = np.kron(generator.integers(256, size=(4, 4, 3)), np.ones((8, 8, 1)))
        for folder, noise in {"originals": 0, "clear": 10, "noisy": 80}.items():
            path = Path(folder) / ("cat" if number < 4 else "dog") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = original + noise * generator.normal(size=original.shape)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)


def use_score(semsim):
    """Score folders by SemSim and others, with a table and a page; compare sets; the same as a function."""
    make_images()
    said = semsim("score", "originals", "noisy", "--out", "s.parquet", "--report", "s.html")
    expect(said, "8 pairs", "PSNR", "SemSim was trained by the study demo")
    expect(Path("s.html").read_text(encoding="utf-8"), "All pairs by SemSim")
    said = semsim("compare", "originals", "noisy", "clear", "--resamples", "50")
    expect(said, "8 images from originals, each in 2 sets", "clear against noisy: ")
    expect(semsim("fetch", "--list"), "AlexNet (ImageNet, BSD-3-Clause), for LPIPS (AlexNet), ")

    import pandas
    import torch

    import semsim as library

    table = library.score("originals", "noisy")
    pandas.testing.assert_frame_equal(table, pandas.read_parquet("s.parquet"))
    mean = library.MeanSemSim(library.SemSim.from_pretrained("embedded"))
    mean.update(*torch.rand(2, 4, 3, 32, 32))
    assert mean.compute() > 0


def use_attack(semsim):
    """Attack a network of one's own."""
    import torch

    import semsim as library

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
    found = library.reconstruct(network, torch.rand(2, 3, 8, 8), torch.tensor([3, 7]), steps=5, device="cpu")
    assert found.images.shape == (2, 3, 8, 8) and found.status == ("finished", "finished")


def use_audit(semsim):
    """Audit one of the networks of semsim, which needs what both extras bring."""
    make_images()
    words = ["--model", "mlp", "--images", "originals", "--originals", "2", "--steps", "3", "--attacks", "analytic"]
    expect(semsim("audit", *words, "--out", "audit"), "analytic comes closest")
    expect(Path("audit", "report.html").read_text(encoding="utf-8"), "What mlp with random weights gives away")


def use_label(semsim):
    """Make a campaign of a folder of images, answer a question on its page, and export the label."""
    make_images()
    expect(semsim("label", "new", "pilot", "--images", "noisy", "--checks", "clear"), "pilot: 8 images")
    with subprocess.Popen(
        [*semsim.command, "label", "serve", "pilot", "--port", "0"], stdout=subprocess.PIPE
    ) as server:
        try:
            address = server.stdout.readline().decode().partition(" at ")[2].split()[0]
            link = ask(address, "join", {"name": "ann"})["link"].strip("/")
            for name in ("", "page.js", "page.css", "icon.svg"):
                assert urllib.request.urlopen(f"{address}{name}", timeout=30).status == 200
            ask(address, f"{link}/consent", {})
            texts = ask(address, f"{link}/campaign")
            assert texts["classes"] == {"noisy": ["cat", "dog"]} and texts["consent"] and texts["instructions"]
            position = ask(address, f"{link}/state")["position"]
            answer = {"position": position, "label": 1, "seconds": 1.5, "key": "0123456789ab"}
            assert ask(address, f"{link}/answers", answer)["position"] == position + 1
        finally:
            server.terminate()
    expect(semsim("label", "status", "pilot"), "ann")
    expect(semsim("label", "export", "pilot"), "labels.csv: 1 label")
    rows = Path("annotations", "pilot", "labels.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2 and ",ann," in rows[1], rows


def ask(address, path, content=None):
    """Send a request to the server and return its answer."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{address}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


PARTS = {"core": use_core, "score": use_score, "attack": use_attack, "audit": use_audit, "label": use_label}

if __name__ == "__main__":
    main()
