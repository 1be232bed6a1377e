"""The calibration that SemSim's weights carry: how it is fitted, kept, read and used."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from semsim import SemSim
from semsim.errors import SemsimError
from semsim.learned.calibrating import fit_calibration, fit_chance, places_of, try_calibration
from semsim.learned.calibration import Calibration
from semsim.learned.card import described_chances
from semsim.learned.folds import make_folds
from semsim.learned.metric_chances import calibrate_metrics
from semsim.learned.pairs import LabelledPairs, originals_of
from semsim.observers.endless import held_out_images
from semsim.statistics.calibration import measure_calibration

FACTS = {
    "annotators": "human",
    "labels": 300,
    "reconstructions": 60,
    "originals": 12,
    "datasets": ["photos"],
    "image_size": 16,
}


def small_metric():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return SemSim("lenet", image_size=16).eval()


def calibrated():
    metric = small_metric()
    calibration = Calibration(FACTS, metric.backbone.size)
    calibration.coefficients.copy_(torch.tensor([2.0, -4.0, -1.0]))
    calibration.deviation.copy_(torch.diag(torch.tensor([0.1, 0.0])))
    calibration.direction[:3] = 0.5
    calibration.radii.fill_(2.0)
    metric.calibrate(calibration)
    return metric


def images(count=4, seed=0):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def labelled(difficulty=0.0, targets=20, originals=30):
    """Pairs whose recognition depends on a known distance and, as much as is asked for, on how red the original is."""
    generator = np.random.default_rng(4)
    pictures = generator.integers(0, 255, (originals, 3, 16, 16), dtype=np.uint8)
    red = np.linspace(-1, 1, originals)[generator.permutation(originals)]
    pictures[:, 0] = (127 + 120 * red)[:, None, None]
    target, original = np.indices((targets, originals)).reshape(2, -1)
    distance = generator.random(len(target))
    rates = generator.binomial(5, expit(3 - 6 * distance - difficulty * red[original])) / 5
    keys = {"dataset": "photos", "target": target, "attack": "x", "original": original}
    table = pd.DataFrame(keys | {"label": 0, "recognition_rate": rates, "distance": distance})
    return LabelledPairs(pictures[original], pictures[original], table), difficulty * red


def tried(pairs, difficulty, seed=1):
    """What is tried in two folds, with the distances that are known."""
    folds = make_folds(pairs.table, "within", 2, seed)
    distances = pd.concat(
        pairs.table[fold.test].rename(columns={"distance": "semsim"}).assign(exclusion="within", part=fold.part)
        for fold in folds
    )
    metric = small_metric()
    return try_calibration(pairs, distances, difficulty, ["within"], 2, seed, lambda exclusion, part: metric)


def test_the_fit_is_a_logistic_regression_whose_signs_are_known():
    generator = np.random.default_rng(0)
    distance, difficulty = generator.random(4000), generator.normal(size=4000)
    recognised = generator.random(4000) < expit(2 - 5 * distance - 0.6 * difficulty)
    fitted = fit_chance(distance, difficulty, recognised.astype(float))
    fit = LogisticRegression(C=np.inf, max_iter=1000).fit(np.stack([distance, difficulty], 1), recognised)
    assert fitted == pytest.approx([*fit.intercept_, *fit.coef_[0]], rel=0.02)
    assert fit_chance(distance, -difficulty, recognised.astype(float))[2] == 0, "what is harder is never likelier"
    assert fit_chance(distance, difficulty / 100, recognised.astype(float))[2] == -1, "an accident is not blown up"


def test_known_chances_are_found_and_the_difficulty_is_used_where_it_helps():
    pairs, difficulty = labelled(difficulty=1.5)
    table = tried(pairs, difficulty)
    errors = measure_calibration(table.assign(metric="semsim", kind="human", reference="original"), 50, 1)
    without, with_it = (errors[errors["difficulty"] == source].iloc[0] for source in ("none", "embedding"))
    assert with_it["brier"] < without["brier"] - 0.01 and with_it["slope_low"] < 1 < with_it["slope_high"]
    metric = small_metric()
    calibration = fit_calibration(metric, pairs, table, difficulty, {"annotators": "human", "labels": 3000}, 50, 1)
    average, of_distance, of_difficulty = calibration.coefficients.tolist()
    assert (average, of_distance) == pytest.approx((3, -6), rel=0.15) and -1 <= of_difficulty < -0.6
    _, pictures = originals_of(pairs)
    with torch.no_grad():
        read = calibration.difficulty(metric.embed(torch.from_numpy(pictures).float() / 255))
    assert np.corrcoef(read, difficulty)[0, 1] > 0.8
    assert calibration.facts["originals"] == 30 and calibration.facts["reconstructions"] == 600
    assert "they change by −" in described_chances(calibration, errors)


def test_a_difficulty_that_does_not_help_is_not_used():
    pairs, difficulty = labelled(difficulty=1.5)
    table = tried(pairs, -difficulty)
    facts = {"annotators": "human", "labels": 3000}
    assert fit_calibration(small_metric(), pairs, table, -difficulty, facts, 50, 1).coefficients[2] == 0
    nobody = tried(pairs, None)
    sources = [nobody[nobody["difficulty"] == source]["chance"].to_numpy() for source in ("none", "embedding")]
    assert sources[0] == pytest.approx(sources[1]), "where nobody knows how hard originals are"


def test_a_chance_never_reads_the_label_that_it_predicts():
    pairs, difficulty = labelled()
    before = tried(pairs, difficulty)
    last = pairs.table["original"] == pairs.table["original"].max()
    changed = pairs.table.assign(recognition_rate=pairs.table["recognition_rate"].where(~last, 1.0))
    after = tried(LabelledPairs(*pairs[:2], changed), difficulty)
    same = before["original"] == pairs.table["original"].max()
    assert after.loc[same, "chance"].to_numpy() == pytest.approx(before.loc[same, "chance"].to_numpy())
    assert not np.allclose(after.loc[~same, "chance"], before.loc[~same, "chance"])


def test_nothing_to_learn_from_gives_no_calibration():
    pairs, difficulty = labelled()
    all_seen = LabelledPairs(*pairs[:2], pairs.table.assign(recognition_rate=1.0))
    table = tried(all_seen, difficulty)
    assert table["chance"].isna().all()
    facts = {"annotators": "human", "labels": 3000}
    assert fit_calibration(small_metric(), all_seen, table, difficulty, facts, 50, 1) is None


def test_chances_follow_from_distance_and_embedding():
    metric, originals, others = calibrated(), images(), images(seed=1)
    with torch.no_grad():
        logits = 2 - 4 * metric(originals, others) - metric.embed(originals)[:, :3].sum(1) / 2
        assert torch.allclose(metric.chances(originals, others), torch.sigmoid(logits))
    expected, low, high = metric.expected_count(torch.full((10,), 0.5))
    assert expected == 5 and 0 <= low < 5 < high <= 10


def test_a_calibration_is_kept_with_the_weights(tmp_path):
    metric = calibrated()
    metric.save_pretrained(tmp_path)
    again = SemSim.from_pretrained(tmp_path)
    assert again.calibration.facts == FACTS and str(again.calibration).startswith("300 labels by human annotators")
    assert torch.equal(again.chances(images(), images(seed=1)), metric.chances(images(), images(seed=1)))


def test_weights_without_calibration_load_and_say_so(tmp_path):
    small_metric().save_pretrained(tmp_path)
    metric = SemSim.from_pretrained(tmp_path)
    assert metric.calibration is None
    for asked in (lambda: metric.chances(images(), images()), lambda: metric.expected_count([0.5])):
        with pytest.raises(SemsimError, match="carry no calibration"):
            asked()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"annotators": "gods"}, "annotators must be one of"),
        ({"labels": -1}, "labels of the calibration"),
        ({"labels": True}, "labels of the calibration"),
        ({"image_size": 10**9}, "image_size of the calibration"),
        ({"datasets": []}, "a list of 1 to 100"),
        ({"datasets": ["a\nb"]}, "short name"),
        ({"extra": 1}, "calibration must give"),
    ],
)
def test_facts_that_may_come_from_anybody_are_checked(tmp_path, change, reason):
    calibrated().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["calibration"] |= change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SemsimError, match=reason):
        SemSim.from_pretrained(tmp_path)


def test_a_calibration_of_other_weights_is_refused(tmp_path):
    calibrated().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(tensors | {"calibration.direction": torch.zeros(7)}, tmp_path / "model.safetensors")
    with pytest.raises(SemsimError, match="not the weights of the metric"):
        SemSim.from_pretrained(tmp_path)


def test_originals_from_elsewhere_are_unlike():
    metric = SemSim.from_pretrained("embedded")
    known = held_out_images("mnist", 40)[0].float() / 255
    with torch.no_grad():
        like, noise, grey = (
            metric.calibration.unlike(metric.embed(each)).float().mean()
            for each in (known, torch.rand(20, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5))
        )
    assert like <= 0.1 and noise == grey == 1


def test_a_radius_is_measured_as_for_new_originals():
    generator = np.random.default_rng(0)
    embeddings, datasets = generator.normal(size=(45, 5)), np.repeat(["a", "b", "c"], [40, 3, 2])
    centres, radii = places_of(embeddings, datasets, ["a", "b", "c"])
    assert centres[0] == pytest.approx(embeddings[:40].mean(0))
    left_out = [np.linalg.norm(embeddings[i] - np.delete(embeddings[:40], i, 0).mean(0)) for i in range(40)]
    assert radii[0] == pytest.approx(sorted(left_out)[38])
    assert radii[2] > 1e30, "two originals say nothing about a third"


def test_the_shipped_weights_say_what_their_chances_rest_on():
    metric = SemSim.from_pretrained("embedded")
    facts = metric.calibration.facts
    assert facts["annotators"] == "simulated" and facts["image_size"] == 32 and facts["labels"] == 5400
    with torch.no_grad():
        clear = metric.chances(picture := torch.rand(2, 3, 32, 32), picture)
    assert (clear > 0.9).all()


def test_the_chance_of_a_metric_is_written_as_log_odds():
    generator = np.random.default_rng(2)
    target, original = np.indices((12, 80)).reshape(2, -1)
    psnr = generator.normal(20, 4, len(target))
    rates = generator.binomial(5, expit(0.3 * (psnr - 20))) / 5
    table = pd.DataFrame({"dataset": "d", "target": target, "attack": "x", "original": original, "psnr": psnr})
    table = table.assign(recognition_rate=rates)
    right = table.assign(chance=expit(0.3 * (psnr - 20)), kind="human", reference="original", metric="psnr")
    row = calibrate_metrics(table, right.assign(difficulty="none"), {"psnr": ["psnr"]}, 50, 1).iloc[0]
    assert (row["intercept"], row["weight"]) == pytest.approx((-6, 0.3), rel=0.1)
    assert row["variance"] < 0.2 and row["slope_variance"] > 0
