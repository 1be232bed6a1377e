"""The script that attacks a target model: all attacks in one job, or one alone."""

import json

import numpy as np
import pytest
import torch

from semsim.io.tables import read_table
from semsim.io.tensors import write_arrays
from semsim.targets.models import build_target, save_target

ATTACKS = {"invertgrad": {"steps": 6}, "idlg": {"steps": 4}, "gradinversion": {"steps": 3, "restarts": 2}}


@pytest.fixture
def attack(run_script, tmp_path):
    """Attack a small target; return the bytes of the images and of the table of each attack."""
    draws = np.random.default_rng(1)
    arrays = {
        "originals_images": draws.integers(256, size=(3, 3, 16, 16), dtype=np.uint8),
        "originals_labels": [0, 1, 3],
    }
    write_arrays(
        {name: np.asarray(each) for name, each in arrays.items()},
        tmp_path / "data.safetensors",
        {"classes": list("abcd")},
    )
    torch.manual_seed(0)
    save_target(build_target("convnet3", 4, 16, 4), tmp_path / "target.safetensors", {})

    def run(folder, *names, attacks=ATTACKS, state=None, client=None):
        place = tmp_path / folder
        files = {suffix: [place / f"{name}.{suffix}" for name in names] for suffix in ("safetensors", "csv")}
        done = run_script(
            "attack",
            *("--data", tmp_path / "data.safetensors", "--weights", tmp_path / "target.safetensors"),
            *("--dataset", "d", "--target", "t", "--device", "cpu"),
            *("--target-settings", json.dumps({"architecture": "convnet3", "width": 4})),
            *("--settings", json.dumps(attacks), "--images", *files["safetensors"], "--tables", *files["csv"]),
            *(("--state", tmp_path / state) if state else ()),
            *(("--client", json.dumps(client)) if client else ()),
        )
        assert done.returncode == 0, done.stderr
        return {name: [(place / f"{name}.{suffix}").read_bytes() for suffix in files] for name in names}

    return run


def test_all_attacks_in_one_job_give_what_each_gives_alone(attack):
    together = attack("together", *ATTACKS)
    assert together == {name: attack(name, name)[name] for name in ATTACKS}
    assert len({images for images, _ in together.values()}) == len(ATTACKS)


def test_a_job_that_runs_again_attacks_only_by_what_was_not_finished(attack, tmp_path):
    first = attack("first", "invertgrad", "idlg", state="state")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "state").iterdir()}
    changed = ATTACKS | {"idlg": {"steps": 5}}
    again = attack("again", *ATTACKS, attacks=changed, state="state")
    assert again["invertgrad"] == first["invertgrad"] and again["idlg"] != first["idlg"]
    assert again == attack("anew", *ATTACKS, attacks=changed)
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "state").iterdir()}
    assert {name for name in now if now[name] != kept.get(name)} == {"idlg.pt", "gradinversion.pt"}


def test_a_job_of_another_client_attacks_again(attack, tmp_path):
    alone = attack("alone", "invertgrad", state="state")
    batch = attack("batch", "invertgrad", state="state", client={"batch": 2, "batchnorm": "train"})
    assert batch["invertgrad"][0] != alone["invertgrad"][0]
    table = read_table(tmp_path / "batch" / "invertgrad.csv")
    assert set(table["client"]) == {"batch of 2, BatchNorm in train mode"}
    assert sorted(table["batch"].value_counts()) == [1, 2] and table["original"].tolist() == [0, 1, 2]
