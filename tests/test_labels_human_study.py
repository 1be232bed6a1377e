"""The published human labels: a pickle that is not trusted, and the tables made of it."""

import hashlib
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from web_site import served

from semsim.errors import SemsimError
from semsim.io.pickles import load_builtins
from semsim.labels import check_labels, human_study, recognition_rates
from semsim.labels.human_study import (
    CLASSES,
    DATASET,
    HIGHER_IS_BETTER,
    describe_model,
    find_labels,
    read_human_study,
    tables_of,
)

CROPPED = "ResNet20-4_200_inversed_crop_auglist__rlabel_False_defense_gaussian_1e-3"
METRICS = {"mse": 6502.5, "ssim": 0.1, "psnr": 10.0, "lpips": 0.6, "dreamsim": 0.5, "semsim": 70.0}


class Command:
    """What pickles as a call that leaves a mark."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def write_pickle(value, path, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.fixture(scope="module")
def study(mirror):
    return read_human_study(find_labels(mirror))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("call", [subprocess.call, Path.touch, exec])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path, call, protocol):
    mark = tmp_path / "mark"
    code = f"from pathlib import Path; Path({str(mark)!r}).touch()"
    argument = {subprocess.call: ["touch", str(mark)], Path.touch: mark, exec: code}[call]
    bad = write_pickle({"labels": [1, Command(call, argument)]}, tmp_path / "bad.pkl", protocol)
    with pytest.raises(SemsimError, match=r"bad.pkl: names [\w.]+: unpickling it could run code"):
        load_builtins(bad)
    assert not mark.exists()
    pickle.loads(bad.read_bytes())
    assert mark.exists(), "the file is harmless, so this test shows nothing"


def test_builtin_values_are_read_and_half_a_file_is_not(tmp_path):
    value = {"a": [1, 2.5, None, True], ("b", 1): {"c"}}
    path = write_pickle(value, tmp_path / "good.pkl")
    assert load_builtins(path) == value
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SemsimError, match="good.pkl: not a complete pickle file"):
        load_builtins(path)


def test_another_file_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "annotations").mkdir()
    with pytest.raises(SemsimError, match="label_dict_complete.pkl: no such file"):
        find_labels(tmp_path)
    path = write_pickle(Command(print, "read"), tmp_path / "annotations" / "label_dict_complete.pkl")
    for use in (read_human_study, lambda _: find_labels(tmp_path)):
        with pytest.raises(SemsimError, match="label_dict_complete.pkl: not the published file, or damaged"):
            use(path)


def test_without_a_mirror_the_file_comes_into_the_cache(tmp_path, monkeypatch):
    content = b"the published labels"
    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path))
    monkeypatch.setattr(human_study, "CHECKSUM", "sha256:" + hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(human_study, "SIZE", len(content))
    with served() as site:
        site.files[human_study.FILE] = content
        monkeypatch.setattr(human_study, "URL", site.url + human_study.FILE)
        path = find_labels()
    assert path.read_bytes() == content and path.is_relative_to(tmp_path)


def test_an_entry_becomes_rows_of_each_table():
    study = tables_of({CROPPED: {"781_12_gt.txt": {"labels": [17, -1, 12], "metrics": METRICS}}})
    assert study.labels["label"].tolist() == [17, -1, 12]
    assert study.labels["annotator"].tolist() == ["annotator-1", "annotator-2", "annotator-3"]
    row = study.metrics.iloc[0]
    keys = ["cifar100", "resnet20-crop-gaussian", "invertgrad", 780, 12, "original"]
    assert row[["dataset", "target", "attack", "original", "label", "reference"]].tolist() == keys
    assert row["mse"] == pytest.approx(0.1) and row["psnr"] == 10 and row["retrained_semsim"] == 70
    assert study.images["image"].tolist() == ["cifar100/resnet20-crop-gaussian/invertgrad/780"]
    assert study.targets.iloc[0].tolist() == ["resnet20-crop-gaussian", "resnet20", "crop", "gaussian 1e-3", CROPPED]


def test_other_names_are_refused():
    with pytest.raises(SemsimError, match="'VGG_200' is not a published name of a target model"):
        describe_model("VGG_200")
    with pytest.raises(SemsimError, match="'12.txt' is not a published name of an image"):
        tables_of({CROPPED: {"12.txt": {}}})


def test_the_published_study_is_complete_and_valid(study):
    check_labels(study.labels, study.images, {DATASET: CLASSES})
    assert len(study.labels) == 42_000 and len(study.metrics) == len(study.images) == 8_400
    assert study.targets["target"].is_unique and len(study.targets) == 14
    assert (study.labels.groupby("annotator").size() == 8_400).all() and study.labels["annotator"].nunique() == 5
    assert (study.images.groupby("original")["label"].agg(["size", "nunique"]) == [14, 1]).all(axis=None)
    assert not study.metrics[[*HIGHER_IS_BETTER]].isna().any(axis=None)
    # The published mean squared errors are of values from 0 to 255; PSNR says so.
    psnr = -10 * np.log10(study.metrics["mse"])
    assert (psnr - study.metrics["psnr"]).abs().median() < 0.01


def test_the_published_recognition_rates(study):
    rates = recognition_rates(study.labels, study.images).groupby("target")["recognition_rate"].mean()
    assert rates.min() == pytest.approx(0.275, abs=5e-4) and rates.idxmin() == "convnet-plain"
    assert rates.max() == pytest.approx(0.805, abs=5e-4) and rates.idxmax() == "resnet20-crop-gaussian"
