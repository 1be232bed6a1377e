"""The released training folders: read, refused where they are wrong, and learnt from, script by script."""

import json

import numpy as np
import pytest
from released_tree import png, released_files, write_tree, write_zip
from small_study import smooth_images

from semsim import SemSim
from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.labels.released import read_released, recognition_of, write_reconstructions
from semsim.learned.pairs import read_pairs

ORIGINAL, RECOGNISED, UNRECOGNISED = (
    f"train_with_ori/{place}.png" for place in ("8/8_1_ori", "8/8_1_rec_1_1", "-8/8_1_rec_1_2")
)
SETTINGS = {
    "backbone": "vgg3",
    "width": 4,
    "start": "random",
    "normalised": True,
    "loss": "triplet",
    "margin": 0.3,
    "anchor": "original",
    "reference": "original",
    "label_share": 1.0,
}
TRAINING = {"epochs": 2, "batch_size": 16, "optimiser": "adamw", "schedule": "one-cycle", "learning_rate": 0.01}


def test_a_folder_and_an_archive_become_the_same_pairs(tmp_path):
    files = released_files()
    study = read_released(write_tree(files, tmp_path / "tree"))
    packed = read_released(write_zip(files, tmp_path / "tree.zip", above="semsim/"))
    np.testing.assert_array_equal(study.originals, smooth_images(8, seed=1))
    assert study.reconstructions.shape == (32, 3, 32, 32)
    for one, other in zip(study[:2], packed[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert packed.table.drop(columns="file").equals(study.table.drop(columns="file"))
    row = study.table.set_index("image").loc["cifar100/n1/m2/1"]
    assert row[["original", "label", "recognised", "number", "file"]].tolist() == [1, 1, False, 8, UNRECOGNISED]
    assert study.table.groupby("attack")["recognised"].sum().to_dict() == {"m1": 10, "m2": 6}


def test_what_is_written_is_what_semsim_reads(tmp_path):
    files = released_files()
    del files[RECOGNISED]
    study = read_released(write_tree(files, tmp_path / "tree"))
    write_reconstructions(study, tmp_path / "old")
    write_reconstructions(study, tmp_path / "old")
    paths = sorted((tmp_path / "old").rglob("*"))
    assert [str(path.relative_to(tmp_path / "old" / "cifar100")) for path in paths if path.is_file()] == [
        f"{n}/{m}.safetensors" for n in ("n1", "n2") for m in ("m1", "m2")
    ]
    recognition = recognition_of(study.table)
    pairs = read_pairs([path for path in paths if path.is_file()], recognition)
    assert len(pairs) == 31 and set(recognition["kind"]) == {"human"}
    assert pairs.table["recognition_rate"].tolist() == study.table["recognised"].tolist()
    np.testing.assert_array_equal(pairs.reconstructions, study.reconstructions)
    np.testing.assert_array_equal(pairs.references, study.originals[study.table["original"]])


def renamed(files, old, new):
    files[new] = files.pop(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.pop(ORIGINAL), r"without an original: .*8_1_rec_1_1.png, .*8_1_rec_2_1"),
        (lambda files: renamed(files, RECOGNISED, f"{RECOGNISED}.bak"), "unknown names: .*8_1_rec_1_1.png.bak"),
        (
            lambda files: renamed(files, RECOGNISED, RECOGNISED.replace("/8/", "/11/")),
            "folder of another original: .*11/8",
        ),
        (
            lambda files: renamed(files, ORIGINAL, ORIGINAL.replace("/8/", "/-8/")),
            "originals among the unrecognised: .*-8/",
        ),
        (
            lambda files: renamed(files, RECOGNISED, RECOGNISED.replace("_1_rec", "_2_rec")),
            "several classes .*: .*8_1_ori",
        ),
        (
            lambda files: files.update({UNRECOGNISED.replace("-", ""): b""}),
            "both folders: .*-8/8_1_rec_1_2.png, .*/8/8_1_",
        ),
        (lambda files: files.update({ORIGINAL.replace("8_1", "08_1"): b""}), "several originals .*: .*/08_1_ori.png, "),
        (
            lambda files: files.update({RECOGNISED: b"?"}),
            "cannot be read: .*8_1_rec_1_1.png. The first: .* not an image",
        ),
        (
            lambda files: files.update({ORIGINAL: files[ORIGINAL][:99]}),
            "cannot be read: .*8_1_ori.png. The .*truncated",
        ),
        (
            lambda files: files.update({ORIGINAL: png(np.zeros((3, 32, 16), np.uint8))}),
            r"other sizes than the rest \(32 x 32 pixels\), or not square: .*8_1_ori.png",
        ),
        (lambda files: files.update({f"more/{ORIGINAL}": b""}), "several folders 'train_with_ori'"),
        (lambda files: files.clear(), "no files in a folder 'train_with_ori'. Expected train_with_ori/<k>/"),
        (lambda files: files.update({f"../{ORIGINAL}": b""}), "points outside the archive"),
        (lambda files: [files.pop(name) for name in list(files) if "_rec_" in name], "no images"),
    ],
)
def test_bad_trees_are_refused_with_the_files(tmp_path, change, message):
    files = released_files()
    change(files)
    with pytest.raises(SemsimError, match=message):
        read_released(write_zip(files, tmp_path / "tree.zip"))


def test_of_many_wrong_files_the_first_are_named(tmp_path):
    files = released_files() | {f"train_with_ori/5/{place}.png": b"" for place in range(9)}
    with pytest.raises(SemsimError, match=r"unknown names: train_with_ori/5/0.png, .*/4.png and 4 more"):
        read_released(write_tree(files, tmp_path))


@pytest.fixture(scope="module")
def imported(run_script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    write_zip(released_files(), folder / "download" / "cifar100-training.zip")
    process = run_script("fetch_released", "--download", folder / "download", "--out", folder)
    assert process.returncode == 0, process.stderr
    assert "32 reconstructions, 16 recognised, of 8 originals; n: n1, n2; m: m1, m2" in process.stderr
    return folder


def pairs_in(folder):
    """Return the options of scripts that read pairs."""
    recognition = folder / "tables" / "recognition.csv"
    return ["--reconstructions", folder / "reconstructions", "--recognition", recognition]


@pytest.fixture(scope="module")
def scores(run_script, imported):
    """What every stage after the import writes, script by script."""
    pairs = pairs_in(imported)
    learning = ["--settings", json.dumps(SETTINGS), "--training", json.dumps(TRAINING), "--traits", "{}", "--seed", 1]
    scales = imported / "tables" / "scales.csv"
    trials = []
    metrics = ["--out", imported / "tables" / "metrics.csv", "--out-scales", scales]
    processes = [run_script("measure_pairs", *pairs, "--seed", 1, "--device", "cpu", *metrics)]
    for exclusion in ("within", "target-n1"):
        place = imported / exclusion
        trials.append(place / "trials.csv")
        written = [f"--{part}={place / f'{part}.csv'}" for part in ("curves", "counts")]
        options = ["--exclusions", exclusion, "--folds", 2, "--weights", place / "weights", "--out", trials[-1]]
        processes.append(run_script("try_semsim", *pairs, *learning, *options, *written))
    options = ["--metrics", metrics[1], *pairs[2:], "--scales", scales, "--traits", "{}", "--folds", 2]
    outputs = [f"--{part}={imported / f'{part}.csv'}" for part in ("out", "out-differences", "out-trials")]
    processes.append(run_script("measure_generalisation", "--trials", *trials, *options, "--resamples", 100, *outputs))
    chances = ["--chances", imported / "chances.csv", "--calibration", imported / "calibration.csv"]
    options = ["--trials", imported / "out-trials.csv", "--exclusions", "within", "target-n1", "--folds", 2]
    options += ["--weights", *(path.parent / "weights" / path.parent.name for path in trials), "--resamples", 20]
    options += ["--out", chances[1], "--out-errors", chances[3]]
    known = ["--settings", json.dumps(SETTINGS), "--traits", "{}", "--seed", 1]
    processes.append(run_script("try_calibration", *pairs, *known, *options))
    options = ["--study", "people", "--generalisation", imported / "out.csv", *chances, "--caveat", "A caveat."]
    written = [f"--{part}={imported / f'{part}.csv'}" for part in ("curves", "counts")]
    processes.append(
        run_script("learn_semsim", *pairs, *learning, *options, "--weights", imported / "weights", *written)
    )
    assert not any(process.returncode for process in processes), [process.stderr for process in processes]
    return read_table(imported / "out.csv")


def test_semsim_learns_from_people_and_says_so(scores, imported):
    card = (imported / "weights" / "CARD.md").read_text()
    assert "The annotators are **human annotators**." in card and "32 reconstructions on `cifar100`" in card
    assert "Target models: `n1` and `n2`" in card and "A caveat." in card and "| originals and target model |" in card
    assert SemSim.from_pretrained(imported / "weights").config["backbone"] == "vgg3"


def test_it_is_held_against_other_metrics_and_no_classifier(scores):
    assert "classifier_features" not in set(scores["metric"]) and {"semsim", "ssim"} <= set(scores["metric"])
    assert set(scores["folds"]) == {"within", "target"} and set(scores["kind"]) == {"human"}
    within = scores[(scores["folds"] == "within") & (scores["statistic"] == "auc") & (scores["metric"] == "mse")]
    assert within.set_index("level").loc["reconstructions", "faithfulness"] == 1.0
    assert {"best_metric", "combination", "knows_cell"} <= set(scores["metric"])


def test_a_start_from_a_classifier_needs_one(run_script, imported):
    pairs = pairs_in(imported)
    learning = [
        "--training",
        json.dumps(TRAINING),
        "--traits",
        "{}",
        "--seed",
        1,
        "--exclusions",
        "within",
        "--folds",
        2,
    ]
    outputs = [f"--{part}={imported / 'none'}" for part in ("weights", "out", "curves", "counts")]
    settings = json.dumps(SETTINGS | {"start": "classifier"})
    process = run_script("try_semsim", *pairs, *learning, "--settings", settings, *outputs)
    assert process.returncode == 1 and process.stderr.startswith("error: SemSim cannot start from a classifier")
