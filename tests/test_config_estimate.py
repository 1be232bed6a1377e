"""Estimates of how long a study takes."""

import json
import re
import subprocess
import sys

import pytest

from semsim.config.estimate import Rate, disk_bytes, estimate, forward_flops, read_rates
from semsim.config.study import Study
from semsim.errors import SemsimError

DATASET = {"kind": "mnist", "train": 100, "originals": 10, "public": 20}


def study(**changes):
    return Study(
        {
            "study": "small",
            "datasets": {"digits": DATASET, "large": DATASET | {"image_size": 64}},
            "targets": {"a": {"architecture": "lenet"}, "b": {"architecture": "convnet3", "width": 8}},
            "attacks": {"dlg": {"steps": 50}, "gradinversion": {"steps": 30, "restarts": 4}},
            **changes,
        }
    )


def test_image_steps_are_originals_times_steps_times_restarts():
    costs = estimate(study(), [Rate("lenet", None, 32, 2.0, "cpu")])
    assert set(costs) == {f"{name}, {size} pixels" for name in ("lenet", "convnet3 of width 8") for size in (32, 64)}
    assert {cost.image_steps for cost in costs.values()} == {10 * (50 + 30 * 4)}


def test_every_local_step_of_a_client_is_an_evaluation():
    targets = {"a": {"architecture": "lenet", "client": {"batch": 5, "local_steps": 3}}}
    costs = estimate(study(targets=targets), [Rate("lenet", None, 32, 2.0, "cpu")])
    assert costs["lenet, 32 pixels"].image_steps == 3 * 10 * (50 + 30 * 4)


def test_a_measured_network_has_its_rate_and_others_are_scaled_by_operations():
    costs = estimate(study(), [Rate("lenet", None, 32, 2.0, "cpu")])
    assert costs["lenet, 32 pixels"][1:] == (2.0, "measured")
    other = costs["convnet3 of width 8, 32 pixels"]
    ratio = forward_flops("convnet3", 100, 32, 8) / forward_flops("lenet", 100, 32)
    assert (
        other.milliseconds == pytest.approx(2 * ratio) and other.basis == "scaled by operations from lenet at 32 pixels"
    )


def test_of_several_batches_the_fastest_counts():
    rates = [Rate("lenet", None, 32, milliseconds, "cpu") for milliseconds in (2.0, 0.5, 1.0)]
    assert estimate(study(), rates)["lenet, 32 pixels"].milliseconds == 0.5


def test_operations_are_counted_as_by_hand():
    layers = 3 * 32 * 32 * 64 + 64 * 64 + 64 * 10  # of an mlp; a multiplication and an addition for each weight
    assert forward_flops("mlp", 10, 32, 64) == 2 * layers


def test_disk_holds_data_and_four_images_an_attacked_original():
    images = 100 + 20 + 10 * (1 + 4 * 2 * 2)
    assert disk_bytes(study()) == 3 * images * (32**2 + 64**2)


def test_an_unmeasured_device_is_told_with_what_there_is(tmp_path):
    line = {"architecture": "lenet", "width": None, "image_size": 32, "batched_ms": 1.0, "machine": "cpu, 2 threads"}
    path = tmp_path / "rates.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert read_rates("CPU", path) == [Rate("lenet", None, 32, 1.0, "cpu, 2 threads")]
    with pytest.raises(SemsimError, match="No rate was measured on 'NVIDIA H100', only on cpu, 2 threads. Measure"):
        read_rates("NVIDIA H100", path)


def test_the_command_says_how_it_knows(house):
    command = [sys.executable, "-m", "semsim.config.estimate", house / "config" / "config.yaml"]
    process = subprocess.run(command, capture_output=True, text=True, cwd=house / "workflow")
    assert process.returncode == 0, process.stderr
    assert "image-steps" in process.stdout and "measured" in process.stdout
    times = re.findall(r": (\S+) (s|min|h)$", process.stdout, re.MULTILINE)
    assert len(times) > 2 and all(float(number) > 0 for number, _ in times)
    assert re.search(r"^  images on disk: \d+ MiB$", process.stdout, re.MULTILINE)
