"""Whether chances are calibrated, and how many of a set are recognised."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import binom
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from semsim.statistics.calibration import measure_calibration, measure_deviation
from semsim.statistics.recalibration import count_interval

KEYS = {"kind": "human", "reference": "original", "folds": "within", "metric": "psnr", "difficulty": "none"}


def trials(seed=0, spread=0.0, models=30, originals=50, distort=lambda logits: logits):
    """One label each of reconstructions whose chance is known but for what their set adds to its log-odds."""
    generator = np.random.default_rng(seed)
    model, original = np.indices((models, originals)).reshape(2, -1)
    logits = generator.normal(0, 1.5, len(model))
    recognised = generator.random(len(model)) < expit(logits + generator.normal(0, spread, models)[model])
    keys = {"dataset": "d", "target": model, "attack": "x", "original": original}
    return pd.DataFrame(keys | {"recognition_rate": recognised.astype(float), "chance": expit(distort(logits))} | KEYS)


def test_errors_are_those_of_scikit_learn():
    table = trials()
    row = measure_calibration(table, 50, 1).iloc[0]
    recognised, chances = table["recognition_rate"], table["chance"]
    assert row["brier"] == pytest.approx(brier_score_loss(recognised, chances))
    assert row["constant"] == pytest.approx(brier_score_loss(recognised, np.full(1500, recognised.mean())))
    assert row["value"] == pytest.approx(roc_auc_score(recognised, chances))
    rates, means = calibration_curve(recognised, chances, n_bins=10, strategy="quantile")
    assert row["error"] == pytest.approx(np.abs(rates - means).mean(), abs=0.004)
    fit = LogisticRegression(C=np.inf, max_iter=1000).fit(logit(chances.to_numpy())[:, None], recognised)
    assert row["slope"] == pytest.approx(fit.coef_[0, 0], abs=0.01)
    assert row["excess"] == pytest.approx(chances.mean() - recognised.mean())


def test_rates_count_as_the_labels_behind_them():
    one = trials()
    labels = pd.concat([one.assign(recognition_rate=value, w=w) for value, w in ((1.0, 0.75), (0.0, 0.25))])
    row = measure_calibration(one.assign(recognition_rate=0.75), 20, 1).iloc[0]
    brier = brier_score_loss(labels["recognition_rate"], labels["chance"], sample_weight=labels["w"])
    assert row["brier"] == pytest.approx(brier)


def test_right_chances_pass_and_wrong_ones_do_not():
    right = measure_calibration(trials(), 200, 1).iloc[0]
    assert right["slope_low"] < 1 < right["slope_high"] and right["excess_low"] < 0 < right["excess_high"]
    extreme = measure_calibration(trials(distort=lambda logits: 2 * logits), 200, 1).iloc[0]
    assert extreme["slope_high"] < 0.7 and extreme["error"] > 2 * right["error"], "twice the log-odds are too extreme"
    high = measure_calibration(trials(distort=lambda logits: logits + 1), 200, 1).iloc[0]
    assert high["excess_low"] > 0.1


def test_the_spread_of_sets_is_found_and_counts_lie_in_their_intervals():
    assert measure_deviation(trials(models=200), 20, 1).spread < 0.08
    apart = trials(spread=0.8, models=200)
    assert measure_deviation(apart, 20, 1).spread == pytest.approx(0.64, rel=0.3)
    covered = measure_calibration(apart, 50, 1).iloc[0]["covered"]
    assert 0.9 < covered <= 0.99
    blind = [
        count_interval(rows["chance"].to_numpy(), np.zeros((2, 2))) for _, rows in apart.groupby("target", sort=True)
    ]
    sums = apart.groupby("target")["recognition_rate"].sum()
    assert np.mean([low <= each <= high for (low, high), each in zip(blind, sums, strict=True)]) < 0.75


def test_without_deviation_a_count_is_binomial():
    for chance in (0.1, 0.5):
        low, high = count_interval(np.full(100, chance), np.zeros((2, 2)))
        expected = binom.ppf([0.025, 0.975], 100, chance)
        assert (low, high) == pytest.approx(expected, abs=1)
    mixed = np.repeat([0.0, 1.0], [20, 12])
    assert count_interval(mixed, np.zeros((2, 2))) == (12, 12), "certain images are not uncertain"


def test_an_interval_does_not_depend_on_the_blocks_in_which_images_are_drawn(monkeypatch):
    chances = np.linspace(0.05, 0.95, 600)
    whole = count_interval(chances, np.diag([0.3, 0.02]))
    monkeypatch.setattr("semsim.statistics.recalibration.IMAGES_AT_ONCE", 7)
    assert count_interval(chances, np.diag([0.3, 0.02])) == pytest.approx(whole, rel=0.06)


def test_data_sets_stand_beside_all_of_them():
    both = pd.concat([trials(1, models=4), trials(2, models=4).assign(dataset="e")])
    table = measure_calibration(both, 20, 1)
    assert list(table["dataset"]) == ["all", "d", "e"] and list(table["count"]) == [400, 200, 200]
    assert table["sets"].tolist() == [8, 4, 4]


def test_nothing_to_learn_from_is_said():
    (row,) = measure_calibration(trials(models=2).assign(chance=np.nan), 20, 1).to_dict("records")
    assert row["note"] == "nothing to learn from" and row["count"] == 0 and np.isnan(row["brier"])
