"""People's labels of the paper's reconstructions, replayed for a study that makes these again."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from small_study import small_study

from semsim.config.study import Study, read_config
from semsim.errors import SemsimError
from semsim.findings import correspondence_findings, corresponds
from semsim.io.tables import read_table, write_table
from semsim.io.tensors import write_arrays
from semsim.labels.replayed import join_published, pair_images, replay_labels, study_name
from semsim.labels.table import name_images
from semsim.metrics import describe_scales
from semsim.metrics.scales import scales_of
from semsim.statistics.correspondence import measure_correspondence, within_rows

TARGETS = [f"target-{number}" for number in range(8)]
CLASSES = [3, 5, 3, 7]  # of originals 0 to 3


def images(targets, classes, attack="invertgrad", dataset="cifar100"):
    rows = [(dataset, target, attack, original, label) for target in targets for original, label in enumerate(classes)]
    table = pd.DataFrame(rows, columns=["dataset", "target", "attack", "original", "label"])
    return table.assign(image=name_images(table))


def answers(published):
    given = [published.assign(annotator=f"annotator-{place}", label=published["original"]) for place in (1, 2)]
    return pd.concat(given)[["image", "annotator", "label"]].assign(kind="human", seconds=None, given_at=None)


def test_the_same_originals_get_the_answers_about_them():
    own, published = images([*TARGETS[:2], "mine"], CLASSES[:3], dataset="mine"), images(TARGETS, CLASSES)
    labels = replay_labels(answers(published), pair_images(own, published, range(4)))
    assert len(labels) == 2 * 3 * 2 and set(labels["kind"]) == {"replayed"}  # of `mine`, nobody knows anything
    assert (labels["label"] == labels["image"].str[-1].astype(int)).all()
    assert set(labels["image"]) == set(own.loc[own["target"] != "mine", "image"])


def test_numbers_say_which_originals_are_meant():
    own, published = images(TARGETS[:1], [7, 3]), images(TARGETS, CLASSES)
    pairs = pair_images(own, published, [3, 0])
    assert pairs["published"].str[-1].tolist() == ["3", "0"] and pairs["image"].str[-1].tolist() == ["0", "1"]


def test_where_other_images_stand_in_the_class_is_the_same_and_nobody_is_asked_twice():
    own, published = images(TARGETS[:1], [7, 3, 3, 3, 9]), images(TARGETS, CLASSES)
    pairs = pair_images(own, published, None)
    found = {image[-1]: partner[-1] for image, partner in pairs.itertuples(index=False)}
    assert found == {"0": "3", "1": "0", "2": "2"}  # there is no third image of class 3, and none of class 9
    assert pairs["published"].is_unique


@pytest.mark.parametrize("overlays", [[], ["replay-small"]])
def test_the_replay_has_the_published_target_models(house, overlays):
    published = read_table(house / "results" / "reference" / "human-study" / "tables" / "targets.csv")["target"]
    study = Study(read_config(*(house / "config" / f"{name}.yaml" for name in ["replay", *overlays])))
    assert sorted(study.targets) == sorted(map(study_name, published))


def test_labels_that_fit_nothing_are_refused():
    published = images(TARGETS, CLASSES)
    with pytest.raises(SemsimError, match="no target model under the attack 'invertgrad' has a published name"):
        pair_images(images(["lenet"], CLASSES), published, range(4))
    with pytest.raises(SemsimError, match="no target model under the attack 'invertgrad'"):
        pair_images(images(TARGETS, CLASSES, attack="dlg"), published, range(4))
    with pytest.raises(SemsimError, match="the classes of originals 1 are not those of the labels"):
        pair_images(images(TARGETS, [3, 6, 3, 7]), published, range(4))


def test_correlations_are_those_of_scipy():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 6, 9)).round(1)
    x[2, 3], y[0, 5] = np.nan, np.nan
    expected = [spearmanr(*each, nan_policy="omit").statistic for each in zip(x, y, strict=True)]
    assert within_rows(x, y) == pytest.approx(np.mean(expected), abs=1e-12)
    x[4] = 1  # which correlates with nothing
    assert within_rows(x, y) == pytest.approx(np.mean([*expected[:4], expected[5]]), abs=1e-12)


def simulated(noise, classes=None, seed=1):
    """Metrics of ours and of partners: a model's mean, an original's own, and what belongs to both, plus noise."""
    generator = np.random.default_rng(seed)
    table = images(TARGETS, classes or [*range(40)]).assign(reference="original")
    count = len(table) // len(TARGETS)
    model, original = np.repeat(np.arange(8) / 4, count), np.tile(generator.normal(size=count), 8)
    true = model + original + 2 * generator.normal(size=len(table))
    one, other = (true + noise * generator.normal(size=len(table)) for _ in range(2))
    return table.assign(psnr=one), table.assign(psnr=other)


def correspondence(noise, unit="original", **about):
    return measure_correspondence(*simulated(noise, **about), ["psnr"], unit, 200, 1)


def test_the_same_reconstructions_correspond_and_unrelated_ones_do_not():
    alike, unlike = correspondence(0.5), correspondence(50)
    within = alike.set_index("level").loc["originals"]
    assert within["low"] < within["value"] < within["high"] and within["value"] > 0.8
    assert 0.02 < within["shuffled"] < 0.4  # what all originals have in common: the order of the target models
    assert corresponds(alike) and not corresponds(unlike)
    assert alike[["targets", "units"]].iloc[0].tolist() == [8, 40]


def test_shuffled_target_models_correlate_with_nothing():
    of_models = correspondence(0.1).set_index("level").loc["models"]
    assert of_models["value"] > 0.9 and abs(of_models["shuffled"]) < 0.15


def test_stand_ins_are_compared_by_class_and_target_model_alone():
    table = correspondence(0.1, "label", classes=[*range(10)] * 4)
    assert set(table["unit"]) == {"class"} and table["units"].iloc[0] == 10
    scales = scales_of(describe_scales(pd.DataFrame(columns=["psnr"])))
    about, values, verdict = correspondence_findings(table, scales)
    assert "not the images that people saw, but others of the same 10 classes, from 8 target models" in about
    assert values.startswith("Over the means of target models") and "the labels say something" in verdict
    assert "the labels say nothing" in correspondence_findings(correspondence(50), scales)[-1]


@pytest.fixture
def published(tmp_path):
    """The tables of the published labels in small, as fetch_human_study.py writes them."""
    shown = images(TARGETS, CLASSES)
    metrics = shown.drop(columns="image").assign(
        reference="original", psnr=np.arange(len(shown)), ssim=0.5, mse=np.arange(len(shown))[::-1]
    )
    for name, table in {"images": shown, "labels": answers(shown), "metrics": metrics}.items():
        write_table(table, tmp_path / f"published-{name}.csv")
    return tmp_path


@pytest.mark.parametrize(("numbers", "unit"), [([0, 1, 2, 3], "original"), (None, "class")])
def test_scripts_replay_labels_and_measure_how_far_they_fit(run_script, published, numbers, unit):
    folder, own = published, images(TARGETS, CLASSES, dataset="mine")
    write_table(own.drop(columns="image").assign(status="converged"), folder / "attacks.csv")
    arrays = {"originals_images": np.zeros((4, 3, 16, 16), np.uint8), "originals_labels": np.array(CLASSES)}
    write_arrays(arrays, folder / "data.safetensors", {"published_numbers": numbers})
    about = ("--published-images", folder / "published-images.csv", "--out-pairs", folder / "pairs.csv")
    files = ("--attacks", folder / "attacks.csv", "--data", folder / "data.safetensors")
    given = ("--published-labels", folder / "published-labels.csv", "--out", folder / "labels.csv")
    done = run_script("replay_labels", *files, *about, *given)
    assert done.returncode == 0 and "32 of 32 reconstructions have the labels of one of the same" in done.stdout
    assert len(read_table(folder / "labels.csv")) == 64
    metrics = read_table(folder / "published-metrics.csv").assign(dataset="mine")
    write_table(metrics, folder / "metrics.csv")
    tables = ("--metrics", folder / "metrics.csv", "--published-metrics", folder / "published-metrics.csv")
    out = ("--pairs", folder / "pairs.csv", "--resamples", "20", "--out", folder / "correspondence.csv")
    done = run_script("measure_correspondence", *tables, *about[:2], *out)
    assert done.returncode == 0, done.stderr
    found = read_table(folder / "correspondence.csv").set_index(["metric", "level"])
    assert set(found["unit"]) == {unit} and found.loc[("psnr", "originals"), "value"] == pytest.approx(1)


def test_partners_are_joined_row_by_row():
    own, published = images(TARGETS[:2], CLASSES[:2]), images(TARGETS, CLASSES)
    both = [
        table.drop(columns="image").assign(reference="original", psnr=range(len(table))) for table in (own, published)
    ]
    mine, theirs = join_published(*both, published, pair_images(own, published, range(4)))
    assert mine["psnr"].tolist() == [0, 1, 2, 3] and theirs["psnr"].tolist() == [0, 1, 4, 5]
    assert mine.index.equals(theirs.index)


@pytest.mark.parametrize("fits", [True, False])
def test_the_notebook_stops_where_reconstructions_do_not_correspond(
    run_script, house, tmp_path_factory, tmp_path, fits
):
    shutil.copytree(small_study(tmp_path_factory.getbasetemp()) / "tables", tmp_path / "tables")
    for path in (tmp_path / "tables").iterdir():
        table = read_table(path)
        if "kind" in table:
            write_table(table.assign(kind="replayed"), path)
    tables = [measure_correspondence(*simulated(0.1 if fits else 50, seed=2), ["psnr"], "original", 50, 1)]
    write_table(pd.concat(tables), tmp_path / "tables" / "correspondence.csv")
    options = [("study", "small"), ("results", tmp_path), ("figures", tmp_path / "figures")]
    parameters = [word for name, value in options for word in ("--parameter", name, value)]
    files = ("--out", tmp_path / "09.ipynb", "--html", tmp_path / "09.html")
    done = run_script("run_notebook", "--notebook", house / "notebooks" / "09_people.ipynb", *parameters, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "09.html").read_text(encoding="utf-8")
    assert "people shown the paper's reconstructions" in page.replace("&#39;", "'").replace("&#x27;", "'")
    assert ("<li>The reconstructions do not correspond" in page) != fits
    assert (tmp_path / "figures" / "people_semsim_originals.png").exists() == fits
