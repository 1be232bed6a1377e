"""The crossed logistic model: against quadrature, a general optimiser, and simulations with a known answer."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit
from scipy.stats import binom

from semsim.labels import with_truth
from semsim.labels.human_study import find_labels, read_human_study
from semsim.statistics.crossed_effects import ALL_ALIKE, fit_crossed_effects, measure_difficulty


def simulated(deviations, sizes, seed, average=0.3):
    """Return labels of every annotator, cell and original, and the true effects of the originals."""
    generator = np.random.default_rng(seed)
    codes = np.indices(sizes).reshape(3, -1)
    effects = [generator.normal(0, deviation, size) for deviation, size in zip(deviations, sizes, strict=True)]
    odds = average + sum(effect[code] for effect, code in zip(effects, codes, strict=True))
    answers = pd.DataFrame(dict(zip(("annotator", "target", "original"), codes, strict=True)))
    about = {"dataset": "d", "kind": "human", "attack": "x", "label": answers["original"] % 7}
    return answers.assign(**about, recognised=generator.random(len(odds)) < expit(odds)), effects[2]


def test_effects_are_the_most_probable_ones():
    answers, _ = simulated((0.5, 0.8, 1.0), (3, 4, 12), seed=1)
    factors = {name: answers[name].to_numpy() for name in ("annotator", "target", "original")}
    fit = fit_crossed_effects(answers["recognised"].to_numpy(), factors)
    variances = np.concatenate([np.full(len(fit.effects[name]), fit.variances[name]) for name in factors])

    def improbability(values):
        parts = np.split(values[1:], [3, 7])
        odds = values[0] + sum(part[codes] for part, codes in zip(parts, factors.values(), strict=True))
        likelihood = np.where(answers["recognised"], np.log(expit(odds)), np.log(expit(-odds))).sum()
        return (values[1:] ** 2 / variances).sum() / 2 - likelihood

    best = minimize(improbability, np.zeros(20), options={"gtol": 1e-7}).x
    assert [fit.average, *np.concatenate(list(fit.effects.values()))] == pytest.approx(best, abs=1e-4)


def test_one_factor_agrees_with_quadrature():
    generator = np.random.default_rng(4)
    chances = expit(generator.normal(0, 1.2, 80))
    recognised = generator.random((80, 60)) < chances[:, None]
    fit = fit_crossed_effects(recognised.ravel(), {"original": np.repeat(np.arange(80), 60)})
    counts, numbers = np.unique(recognised.sum(axis=1), return_counts=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)

    def improbability(deviation):
        likelihoods = binom.pmf(counts[:, None], 60, expit(fit.average + deviation * nodes)) @ weights
        return -(numbers * np.log(likelihoods)).sum()

    expected = minimize_scalar(improbability, bounds=(0.5, 2.5), method="bounded", options={"xatol": 1e-3}).x
    assert np.sqrt(fit.variances["original"]) == pytest.approx(expected, rel=0.04)


def test_intervals_cover_known_deviations_and_difficulties_are_found():
    truths, covered, inside = {"annotator": 0.6, "original": 1.2, "cell": 0.9}, [], []
    for seed in range(30):
        answers, truth = simulated((0.6, 0.9, 1.2), (6, 8, 40), seed)
        effects, difficulty = measure_difficulty(answers)
        found = effects.set_index("factor")
        covered.append([found.loc[name, "low"] < value < found.loc[name, "high"] for name, value in truths.items()])
        centred = difficulty["difficulty"] + truth - truth.mean()  # the average is not known
        inside.append((centred.abs() < 1.96 * difficulty["error"]).mean())
        assert np.corrcoef(difficulty["difficulty"], -truth)[0, 1] > 0.9
    assert found["units"].to_dict() == {"annotator": 6, "original": 40, "cell": 8}
    assert np.mean(covered, axis=0).min() >= 0.85 and 0.9 < np.mean(inside) < 0.99


def test_difficulty_does_not_depend_on_which_cells_an_original_has():
    answers, truth = simulated((0.1, 2.0, 0.5), (5, 10, 60), seed=3)
    cells = answers.groupby("target")["recognised"].mean().sort_values().index
    easy = answers["target"].isin(cells[5:])
    unequal = answers[np.where(answers["original"] < 30, easy, ~easy)]  # half of the originals in easy cells only
    _, difficulty = measure_difficulty(unequal)
    halves = difficulty.groupby(difficulty["original"] < 30)[["difficulty", "recognition_rate"]].mean()
    assert abs(halves["recognition_rate"].diff().iloc[1]) > 0.3
    assert (
        np.corrcoef(difficulty["difficulty"], -truth)[0, 1]
        > np.corrcoef(-difficulty["recognition_rate"], -truth)[0, 1] + 0.1
    )


def test_labels_that_are_all_alike_say_nothing():
    answers, _ = simulated((0, 0, 0), (2, 2, 4), seed=1)
    effects, difficulty = measure_difficulty(answers.assign(recognised=True))
    assert (effects["note"] == ALL_ALIKE).all() and effects["deviation"].isna().all()
    assert difficulty["difficulty"].isna().all() and (difficulty["recognition_rate"] == 1).all()


def test_the_published_labels(mirror):
    study = read_human_study(find_labels(mirror))
    effects, difficulty = measure_difficulty(with_truth(study.labels, study.images))
    assert effects["deviation"].round(2).tolist() == [0.66, 1.06, 0.74]
    assert len(difficulty) == 600 and (difficulty["labels"] == 70).all()
