"""Difficulty that is predicted, the chance of being recognised, and what both are worth."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import roc_auc_score
from trunks import random_trunk, write_trunk

from semsim.compat import import_torchvision
from semsim.figures.difficulty_charts import content_chart
from semsim.labels import recognition_rates, with_truth
from semsim.labels.human_study import find_labels, read_human_study
from semsim.learned.classifier import describe_images
from semsim.learned.difficulty import (
    FEWEST,
    class_features,
    image_features,
    learn_chance,
    predict_difficulty,
    try_difficulty,
)
from semsim.learned.learning_curve import learning_curve
from semsim.learned.metric import SemSim
from semsim.metrics.scales import Scale, Scales
from semsim.pretrained.describing import describe_with_vgg16
from semsim.statistics.content import (
    CLASS,
    IMAGE,
    NO_METRIC,
    NOTHING,
    OTHER_MODELS,
    measure_content,
    without_source,
)
from semsim.statistics.crossed_effects import measure_difficulty
from semsim.statistics.resampling import holm
from semsim.targets.models import build_target

transforms = import_torchvision().transforms.functional


@pytest.fixture(scope="module")
def study():
    """Reconstructions by 6 target models of 90 originals of 9 classes, some of which are hard; and their originals."""
    generator = np.random.default_rng(5)
    target, original = np.indices((6, 90)).reshape(2, -1)
    hard = np.repeat(generator.normal(0, 1.5, 9), 10)
    quality = generator.normal(0, 1, len(target))
    rates = generator.binomial(5, expit(quality - hard[original])) / 5
    table = pd.DataFrame({"dataset": "d", "target": target, "attack": "x", "original": original})
    table = table.assign(architecture="a", defence="none", recognition_rate=rates, psnr=quality)
    originals = pd.DataFrame({"dataset": "d", "kind": "human", "original": range(90), "label": np.arange(90) // 10})
    return table, originals.assign(difficulty=hard + generator.normal(0, 0.3, 90), labels=30)


def test_a_prediction_never_reads_what_it_predicts(study):
    _, originals = study
    features, difficulty = class_features(originals), originals["difficulty"].to_numpy()
    training = np.arange(90) % 3 > 0
    predicted = predict_difficulty(features, difficulty, training)
    others = np.where(training, difficulty, 99)
    assert predict_difficulty(features, others, training) == pytest.approx(predicted), "held-out labels were read"
    for place in (1, 50):
        changed = np.where(np.arange(90) == place, -50, difficulty)
        assert predict_difficulty(features, changed, training)[place] == pytest.approx(predicted[place], abs=0.5)


def test_the_difficulty_of_a_class_is_that_of_its_other_originals(study):
    _, originals = study
    training = np.arange(90) % 10 > 0
    predicted = predict_difficulty(class_features(originals), originals["difficulty"].to_numpy(), training)
    means = originals[training].groupby("label")["difficulty"].mean().to_numpy()
    assert predicted[~training] == pytest.approx(means, abs=0.2)
    assert np.ptp(predicted[~training]) < np.ptp(means), "classes of nine originals are drawn towards the average"


def test_too_few_originals_predict_nothing(study):
    _, originals = study
    training = np.arange(90) < FEWEST - 1
    assert np.isnan(predict_difficulty(class_features(originals), np.ones(90), training)).all()


def test_the_chance_is_calibrated_and_rises_with_the_metric(study):
    table, originals = study
    known = table.assign(hard=originals["difficulty"].to_numpy()[table["original"]])
    model = learn_chance(known, ["psnr", "hard"])
    chances = model.predict_proba(known[["psnr", "hard"]].to_numpy())[:, 1]
    assert chances.mean() == pytest.approx(known["recognition_rate"].mean(), abs=0.01)
    high = chances > 0.8
    assert known["recognition_rate"][high].mean() == pytest.approx(chances[high].mean(), abs=0.05)
    shown = model.predict_proba(np.array([[0.0, 0], [2, 0], [0, 2]]))[:, 1]
    assert shown[1] > shown[0] > shown[2]
    assert learn_chance(known.assign(recognition_rate=1.0), ["psnr"]) is None


def test_content_adds_what_it_is_worth(study):
    table, originals = study
    features = {CLASS: class_features(originals)}
    trials, predicted = try_difficulty(table, originals, features, {"psnr": ["psnr"]}, seed=1)
    assert (trials.groupby(["metric", "difficulty"]).size() == len(table)).all(), "each is tested once"
    assert predicted[CLASS].notna().all() and np.corrcoef(predicted[CLASS], originals["difficulty"])[0, 1] > 0.8
    content = measure_content(trials.assign(kind="human", reference="original"), 100, 1)
    rows = content.set_index(["level", "metric", "difficulty"])
    each = trials[(trials["metric"] == "psnr") & (trials["difficulty"] == CLASS)]
    area = roc_auc_score(each["recognition_rate"] > 0.5, each["chance"])
    row = rows.loc["reconstructions", "psnr", CLASS]
    assert row["value"] == pytest.approx(area, abs=1e-6) and row["gain_low"] > 0.05
    assert row["gain"] == pytest.approx(area - rows.loc["reconstructions", "psnr", NOTHING]["value"], abs=1e-6)
    assert rows.loc["reconstructions", NO_METRIC, OTHER_MODELS]["value"] > 0.6
    assert rows.xs(NOTHING, level="difficulty")[["gain", "p", "p_holm"]].isna().all(axis=None)
    gained = content.dropna(subset="p")
    # Two sources of difficulty for one metric, at two levels; a difficulty alone gains nothing over nothing.
    assert (content["tests"] == len(gained)).all() and len(gained) == 4
    assert row["p"] == pytest.approx(2 / 101) and row["p_holm"] == pytest.approx(4 * 2 / 101)
    assert gained["p_holm"].to_numpy() == pytest.approx(holm(gained["p"]))


def test_a_difficulty_that_is_noise_adds_nothing(study):
    table, originals = study
    noise = np.random.default_rng(1).normal(size=(90, 5))
    trials, _ = try_difficulty(table, originals, {"image": noise}, {"psnr": ["psnr"]}, seed=1)
    content = measure_content(trials.assign(kind="human", reference="original"), 100, 1)
    row = content.set_index(["level", "metric", "difficulty"]).loc["reconstructions", "psnr", "image"]
    assert row["gain"] < 0.01


def test_a_metric_that_is_missing_is_left_out_and_counted(study):
    table, originals = study
    table = table.assign(psnr=table["psnr"].mask(table.index < 20))
    trials, _ = try_difficulty(table, originals, {}, {"psnr": ["psnr"]}, seed=1)
    content = measure_content(trials.assign(kind="human", reference="original"), 20, 1)
    alone = content[(content["metric"] == "psnr") & (content["difficulty"] == NOTHING)]
    assert (alone["count"] == len(table) - 20).all() and alone["value"].notna().all()


def test_more_labelled_originals_teach_the_classes(study):
    table, originals = study
    curve = learning_curve(table, originals, class_features(originals), ["psnr"], seed=1)
    assert curve["originals"].unique().tolist() == [10, 25, 50], "a third is held out"
    values = curve.set_index(["originals", "difficulty"])["value"]
    assert values[50, CLASS] > values[10, CLASS] + 0.03 and values[50, CLASS] > values[50, NOTHING] + 0.05
    assert (curve["low"] <= curve["value"]).all() and (curve["value"] <= curve["high"]).all()
    assert (curve["labels"] == 30 * curve["originals"]).all()


def test_few_originals_have_no_curve(study):
    table, originals = study
    few = table[table["original"] < 12]
    assert learning_curve(few, originals[:12], class_features(originals[:12]), ["psnr"], seed=1).empty


def test_images_are_described_by_unit_features_and_entropy():
    images = np.random.default_rng(1).integers(0, 255, (5, 3, 32, 32), dtype=np.uint8)
    classifier = build_target("lenet", 4, 32)
    table = describe_images(SemSim.from_classifier(classifier), images, classifier.last_layer, batch_size=2)
    features = table.filter(like="feature_")
    assert (features**2).sum(axis=1).to_numpy() == pytest.approx(1)
    chances = classifier(torch.from_numpy(images) / 255).softmax(1).detach().numpy()
    assert table["entropy"].to_numpy() == pytest.approx(-(chances * np.log(chances)).sum(axis=1), rel=1e-4)
    bare = build_target("lenet", 1, 32)
    for last_layer in (bare.last_layer, None):
        assert "entropy" not in describe_images(SemSim.from_classifier(bare), images, last_layer)


def test_vgg16_describes_images_by_unit_features_and_their_entropy(tmp_path):
    images = np.random.default_rng(1).integers(0, 255, (3, 3, 32, 32), dtype=np.uint8)
    images[1] = 100
    table = describe_with_vgg16(write_trunk("vgg16", tmp_path), images, batch_size=2)
    large = torch.stack([transforms.resize(torch.from_numpy(image), [96, 96]) for image in images / np.float32(255)])
    with torch.no_grad():
        seen = (
            random_trunk("vgg16")(transforms.normalize(large, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
            .mean((2, 3))
            .numpy()
        )
    expected = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    assert table.filter(like="feature_").to_numpy() == pytest.approx(expected, abs=1e-4)
    grey = [(image.T @ [0.2125, 0.7154, 0.0721]).round().astype(int) for image in images]
    bits = [scipy_entropy(np.unique(image, return_counts=True)[1], base=2) for image in grey]
    assert table["entropy"].to_numpy() == pytest.approx(bits, abs=0.02) and table["entropy"][1] == 0


def test_a_source_that_was_not_at_hand_says_why(study):
    table, originals = study
    trials, _ = try_difficulty(table, originals, {}, {"psnr": ["psnr"]}, seed=1)
    content = measure_content(trials.assign(kind="human", reference="original"), 20, 1)
    told = without_source(content, IMAGE, "because")
    added = told[len(content) :]
    assert added["level"].tolist() == ["cells", "reconstructions"] and (added["note"] == "because").all()
    assert (added["difficulty"] == IMAGE).all() and added["value"].isna().all()
    assert (told.dtypes == content.dtypes).all()
    (panel, *_) = content_chart(told, Scales({"psnr": Scale("psnr", "PSNR", "", 0, 1, True, "")})).axes
    assert "clear image" not in " ".join(text.get_text() for text in panel.figure.legends[0].get_texts())


def test_features_follow_the_originals(study):
    _, originals = study
    described = pd.DataFrame({"dataset": "d", "original": range(99, -1, -1), "feature_0": np.arange(100.0)})
    found = image_features(originals, described)[:, 0]
    assert (np.diff(found) < 0).all() and found.mean() == pytest.approx(0)


def test_content_of_the_published_labels(mirror):
    published = read_human_study(find_labels(mirror))
    _, originals = measure_difficulty(with_truth(published.labels, published.images))
    table = published.metrics.merge(recognition_rates(published.labels, published.images))
    four = ["psnr", "ssim", "lpips", "dreamsim"]
    metrics = {"lpips": ["lpips"], "four": four}
    trials, _ = try_difficulty(table, originals, {CLASS: class_features(originals)}, metrics, seed=1)
    content = measure_content(trials.assign(kind="human", reference="original"), 2, 1)
    rows = content[content["level"] == "reconstructions"].set_index(["metric", "difficulty"])["value"]
    expected = {("lpips", NOTHING): 0.697, ("lpips", CLASS): 0.74, ("four", NOTHING): 0.717, ("four", CLASS): 0.75}
    expected["four", OTHER_MODELS] = 0.814
    assert {key: rows[key] for key in expected} == pytest.approx(expected, abs=0.01)
