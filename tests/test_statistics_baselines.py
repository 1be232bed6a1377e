"""Trivial baselines: against plain loops that leave out, and what they can and cannot tell."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.statistics.baselines import BASELINES, add_baselines, evaluate_metric, with_baselines
from semsim.statistics.crossing import Crossing, Draws


@pytest.fixture
def crossing():
    """Three target models under two attacks each, five originals, and a gap."""
    rates = np.random.default_rng(3).integers(0, 6, (6, 5)) / 5
    rates[2, 3] = np.nan
    return with_baselines(Crossing({}, rates, np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)))


def predicted(name, rates, models, cell, original):
    """Return the mean of the labels that a baseline may know."""
    if name == "knows_cell":
        known = [rates[cell, other] for other in range(rates.shape[1]) if other != original]
    else:
        known = [rates[other, original] for other in range(len(rates)) if models[other] != models[cell]]
    return np.nanmean(known)


def area_of_pairs(name, rates, models, columns, originals):
    """Return the area in which two reconstructions of one group, left out together, are tied."""
    won = contested = 0
    cells = [place for place in product(*map(range, rates.shape)) if np.isfinite(rates[place])]
    for (c, o), (d, p) in product(cells, cells):
        if rates[c, o] > 0.5 >= rates[d, p]:
            weight = columns[c] * originals[o] * columns[d] * originals[p]
            one, other = predicted(name, rates, models, c, o), predicted(name, rates, models, d, p)
            tied = (c == d if name == "knows_cell" else o == p) or abs(one - other) < 1e-9
            won += weight * (0.5 if tied else one > other)
            contested += weight
    return won / contested


@pytest.mark.parametrize("name", BASELINES)
def test_predictions_come_from_other_labels(crossing, name):
    for place in product(*map(range, crossing.rates.shape)):
        expected = predicted(name, crossing.rates, crossing.models, *place)
        assert crossing.metrics[name][place] == pytest.approx(expected)


@pytest.mark.parametrize("name", BASELINES)
def test_two_of_one_group_are_left_out_together(crossing, name):
    generator = np.random.default_rng(1)
    columns, originals = (generator.integers(0, 3, (6, size)).astype(np.float32) for size in crossing.rates.shape)
    columns[0] = originals[0] = 1
    (found,) = evaluate_metric(name, crossing, Draws(columns, originals))
    for area, *weights in zip(found["reconstructions", "auc"], columns, originals, strict=True):
        expected = area_of_pairs(name, crossing.rates, crossing.models, *weights)
        assert area == pytest.approx(expected, abs=1e-5)


def test_a_table_gets_the_same_predictions(crossing):
    targets, attacks = np.array([*"abc"])[crossing.models], np.array([*"xy"])[crossing.attacks]
    cell, original = np.indices(crossing.rates.shape).reshape(2, -1)
    table = pd.DataFrame({"target": targets[cell], "attack": attacks[cell], "original": original})
    table = add_baselines(table.assign(dataset="d", recognition_rate=crossing.rates.ravel()))
    for name in BASELINES:
        np.testing.assert_allclose(table[name], crossing.metrics[name].ravel())


def test_a_baseline_that_knows_all_that_matters_is_perfect():
    rates = np.repeat([[0.0], [1.0], [0.0], [1.0]], 50, axis=1)
    for name, table in zip(BASELINES, (rates, rates.T), strict=True):
        models = np.arange(len(table))
        crossing = with_baselines(Crossing({}, table, models, 0 * models))
        (found,) = evaluate_metric(name, crossing, Draws(*(np.ones((1, size)) for size in table.shape)))
        assert found["reconstructions", "auc"] == 1


def test_nothing_to_predict_from_is_no_prediction():
    alone = with_baselines(Crossing({}, np.array([[0.2, 0.8]]), np.array([0]), np.array([0])))
    assert np.isnan(alone.metrics["knows_original"]).all() and alone.metrics["knows_cell"].tolist() == [[0.8, 0.2]]
