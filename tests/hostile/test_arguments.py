"""Arguments of the Python interface that make no sense: told in its own words, without options of the commands."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import semsim
from semsim.errors import SemsimError

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({"batch_size": size}, "batch_size must be a whole number of pairs")
            for size in (-1, 0, 1.5, True, "4", [2])
        ),
        ({"batch_size": 10**5000}, "batch_size must be .* but is a huge number"),
        *(({"metrics": names}, "metrics is empty") for names in ([], {}, ())),
        *(({"metrics": names}, "metrics must be names of metrics") for names in (5, b"psnr")),
        *(({"metrics": names}, "metrics: no metric is called") for names in ("", [1], [["psnr"]], "pnsr")),
        *(({"weights": weights}, "weights must be a path") for weights in (None, 5, b"embedded", ["embedded"])),
        *(({"skip": flag}, "skip must be True or False") for flag in ("yes", None, 1)),
        *(({"device": device}, "is not known") for device in ("tpu", None, 5, torch.device("meta"), ["cpu"])),
        ({"originals": torch.empty(3, 3, 16, 16, device="meta")}, "originals are on the device meta"),
        ({"originals": None}, "originals are a NoneType"),
        ({"originals": np.ma.masked_greater(IMAGES.numpy(), 0.5)}, "originals are masked"),
    ],
)
def test_silly_arguments_of_score_are_told(changes, message):
    given = {"originals": IMAGES, "reconstructions": IMAGES, "metrics": ["psnr"]} | changes
    with pytest.raises(SemsimError, match=message) as error:
        semsim.score(**given)
    assert "--" not in str(error.value)


def test_numbers_of_numpy_are_numbers():
    assert len(semsim.score(IMAGES, IMAGES, metrics=np.array(["mse"]), batch_size=np.int64(2))) == 3


def test_a_warning_points_to_the_call():
    with pytest.warns(UserWarning, match="nearer to another original") as caught:
        semsim.score(IMAGES, IMAGES.flip(0).roll(1, 0), metrics="mse")
    assert caught[0].filename == __file__


def test_unusable_files_are_told_without_options(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    (tmp_path / "b" / "2.png").write_bytes(b"")
    folders = [Path(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(SemsimError, match="leave them out with skip=True") as error:
        semsim.score(*folders, metrics="mse")
    assert "--" not in str(error.value)
    assert len(semsim.score(*folders, metrics="mse", skip=True)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 10**30}, "steps: this number is too large"),
        ({"steps": 10**5000}, "steps: "),
        ({"steps": True}, "steps: true is not a whole number"),
        ({"steps": 2.0}, "steps: 2.0 is not a whole number"),
        ({"learning_rate": float("inf")}, "learning_rate: inf is not a finite number"),
        ({"priors": {"total_variation": float("nan")}}, "nan is not a finite number"),
        ({"priors": None}, "priors: null is not"),
        ({"restarts": 10**9}, "restarts: 1000000000 is out of range"),
        ({"step": 3}, "unknown setting 'step'"),
        ({"preset": "dlg\n"}, "is not known"),
        ({"steps": np.int64(1), "learning_rate": np.float64(0.1), "signed": np.True_}, None),
        ({"steps": np.float64(1)}, "steps: 1.0 is not a whole number"),
        ({"labels": torch.tensor([3, 7, 1]).to_sparse()}, None),
        ({"labels": [3, 7, 2**63]}, "labels must be 3 whole numbers"),
        ({"images": IMAGES.to_sparse()}, None),
        ({"defence": {"kind": "gaussian", "sigma": float("nan")}}, "sigma: nan is not a finite number"),
    ],
)
def test_silly_arguments_of_reconstruct_are_told(changes, message):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))
    given = {"module": network, "images": IMAGES, "labels": torch.tensor([3, 7, 1]), "steps": 1, "device": "cpu"}
    if message is None:
        assert semsim.reconstruct(**given | changes).status
    else:
        with pytest.raises(SemsimError, match=message) as error:
            semsim.reconstruct(**given | changes)
        assert "--" not in str(error.value)


@pytest.mark.parametrize("weights", [None, 3, b"embedded", ["embedded"]])
def test_weights_that_are_no_path_are_told(weights):
    with pytest.raises(SemsimError, match="weights must be a path"):
        semsim.SemSim.from_pretrained(weights)
