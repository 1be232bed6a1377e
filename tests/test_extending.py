"""Every diff of docs/extending.md applies to a copy of the repository, and what it adds works."""

import re
import shutil
import subprocess
import sys

import pytest

BLOCK = re.compile(r"^```(diff|yaml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOST_LINES = 30

CHECK = """
import sys
import torch
import yaml
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.config.study import Study, read_config
from semsim.data import prepare_dataset
from semsim.metrics.measure import measure_pairs
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import DEFENCES
from semsim.targets.models import build_target

study = Study(read_config("config/config.yaml", "own_network.yaml", *sys.argv[1:]))
assert {"mine", "convnet-coarse"} <= set(study.targets), study.targets
assert "patient" in study.attacks and "tiny" in study.datasets, (study.attacks, study.datasets)

digits = prepare_dataset("tiny", {"kind": "small_digits", "train": 20, "originals": 4, "public": 10}, 16, seed=1)
originals = torch.from_numpy(digits.splits["originals"].images)
labels = torch.from_numpy(digits.splits["originals"].labels)
assert originals.shape == (4, 3, 16, 16) and len(labels.unique()) == 4

network = {"file": "my_network.py", "name": "build", "arguments": {"channels": 4}}
target = build_target(network, len(digits.classes), 16).eval()
defence = DEFENCES["round"](step=0.25)
assert defence.apply([torch.tensor([0.2, 0.9])], torch.Generator())[0].tolist() == [0.25, 1.0]

about = {"dataset": "tiny", "target_name": "mine", "target": target, "originals": originals, "labels": labels}
about |= {"defence": DEFENCES["round"](step=1e-4), "augmentation": Augmentation("none")}
costs = set()
for changes in ({}, {"objective": "absolute"}, {"priors": {"saturation": 1.0}}):
    settings = attack_settings("patient", steps=3, **changes)
    _, outcome = AttackRun(**about, attack="mine", settings=settings, study_seed=1, memory_gib=1.0).run()
    assert outcome.costs.isfinite().all() and (outcome.costs < outcome.initial_costs).all()
    costs.add(tuple(outcome.costs.tolist()))
assert len(costs) == 3

values = measure_pairs(originals.numpy(), (255 - originals).numpy())
expected = (2 * originals.double() / 255 - 1).abs().mean(dim=(1, 2, 3))
torch.testing.assert_close(torch.tensor(values["mae"]), expected)
print("all parts work")
"""


@pytest.fixture(scope="module")
def blocks(house):
    """The blocks of the document: (language, text)."""
    return BLOCK.findall((house / "docs" / "extending.md").read_text(encoding="utf-8"))


def test_each_diff_adds_few_lines(blocks):
    diffs = [text for language, text in blocks if language == "diff"]
    assert len(diffs) == 7
    for diff in diffs:
        assert len(re.findall(r"^\+(?!\+\+ )", diff, re.MULTILINE)) < MOST_LINES


def test_each_diff_applies_and_its_part_works(house, tmp_path, blocks):
    for folder in ("config", "workflow/semsim"):
        shutil.copytree(house / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    overlays = []
    for number, (language, text) in enumerate(blocks):
        path = tmp_path / f"{number}.{language}"
        path.write_text(text, encoding="utf-8")
        if language == "diff":
            applied = subprocess.run(["git", "apply", path.name], cwd=tmp_path, capture_output=True, text=True)
            assert applied.returncode == 0, f"{text}\n{applied.stderr}"
        else:
            overlays.append(path.name)
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, *overlays],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "workflow"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert checked.stdout == "all parts work\n", checked.stderr
