"""Variance of recognition: against sums over pairs, an analysis of variance, and simulations with a known answer."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.labels import with_truth
from semsim.labels.human_study import find_labels, read_human_study
from semsim.statistics.crossing import Crossing
from semsim.statistics.variance import COMPONENTS, components, cross_answers, divide_variance


def simulated(shares, models, originals, labels, seed):
    """Return answers whose chances vary with original, model and both, by these standard deviations."""
    generator = np.random.default_rng(seed)
    sizes = (1, originals), (models, 1), (models, originals)
    chance = 0.5 + sum(share * generator.choice([-1, 1], size=size) for share, size in zip(shares, sizes, strict=True))
    given = generator.random(size=(labels, models, originals)) < chance
    annotator, target, original = np.indices(given.shape).reshape(3, -1)
    return pd.DataFrame(
        {
            "dataset": "d",
            "kind": "human",
            "attack": "x",
            "target": target,
            "original": original,
            "annotator": annotator,
            "recognised": given.ravel(),
        }
    )


def by_pairs(rates, noise, columns, originals):
    """Return the components of a resample, by a loop over all pairs of different reconstructions."""
    sums = np.zeros((5, 2))
    cells = [*product(*map(range, rates.shape))]
    for (c, o), (d, p) in product(cells, cells):
        if np.isfinite(rates[c, o] + rates[d, p]):
            same = (c == d, o == p)
            place = {(True, True): 0, (False, True): 1, (True, False): 2, (False, False): 3}[same]
            weight = columns[c] * originals[o] * (1 if same[0] else columns[d]) * (1 if same[1] else originals[p])
            sums[place] += weight * rates[c, o] * rates[d, p], weight
            if place == 0:
                sums[4] += weight * noise[c, o], weight
    with np.errstate(invalid="ignore"):
        every, original, column, different, labels = sums[:, 0] / sums[:, 1]
    return [original - different, column - different, every - original - column + different - labels, labels]


def test_a_resample_is_a_sum_over_pairs():
    generator = np.random.default_rng(1)
    rates, noise = generator.random((2, 4, 5))
    rates[1, 2] = rates[3, 0] = np.nan
    crossing = Crossing({"noise": np.where(np.isfinite(rates), noise, np.nan)}, rates, np.arange(4), np.zeros(4))
    columns, originals = (generator.integers(0, 3, size=(8, size)) for size in rates.shape)
    found = components(crossing, columns, originals)
    for row, column, original in zip(found, columns, originals, strict=True):
        expected = by_pairs(rates - np.nanmean(rates), noise, column, original)
        assert row.tolist() == pytest.approx(expected, nan_ok=True)


def test_without_gaps_it_is_the_analysis_of_variance():
    answers = simulated((0.2, 0.1, 0.15), 6, 30, 4, seed=2)
    ordered = answers.sort_values(["target", "original", "annotator"])
    cells = ordered["recognised"].to_numpy(dtype=float).reshape(6, 30, 4)
    means = cells.mean(axis=2)
    of_models, of_originals = means.mean(axis=1, keepdims=True), means.mean(axis=0, keepdims=True)
    squares = {
        "original": 4 * 6 * ((of_originals - means.mean()) ** 2).sum() / 29,
        "cell": 4 * 30 * ((of_models - means.mean()) ** 2).sum() / 5,
        "interaction": 4 * ((means - of_models - of_originals + means.mean()) ** 2).sum() / (5 * 29),
        "labels": ((cells - means[..., None]) ** 2).sum() / (6 * 30 * 3),
    }
    expected = [
        (squares["original"] - squares["interaction"]) / (4 * 6),
        (squares["cell"] - squares["interaction"]) / (4 * 30),
        (squares["interaction"] - squares["labels"]) / 4,
        squares["labels"] / 4,
    ]
    found = divide_variance(answers, 10, 1)
    assert found["variance"].tolist() == pytest.approx(expected)
    assert found["component"].tolist() == list(COMPONENTS) and found["share"].sum() == pytest.approx(1)


def test_known_components_are_found_also_where_reconstructions_are_missing():
    shares = (0.2, 0.1, 0.15)
    found = []
    for seed in range(60):
        answers = simulated(shares, 12, 40, 5, seed)
        kept = np.random.default_rng(seed).random((12, 40)) < 0.7
        answers = answers[kept[answers["target"], answers["original"]]]
        crossing = cross_answers(answers)
        found.append(components(crossing, *(np.ones((1, size)) for size in crossing.rates.shape))[0])
    noise = (0.25 - sum(share**2 for share in shares)) / 5
    error = 3 * np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - [*np.square(shares), noise]) < error).all()


def test_intervals_cover_the_share_of_the_originals():
    truth = 0.04 / (0.04 + 0.01 + 0.0225 + (0.25 - 0.0725) / 5)
    studies = [divide_variance(simulated((0.2, 0.1, 0.15), 20, 60, 5, seed), 200, seed).iloc[0] for seed in range(60)]
    covered = np.mean([row["low"] <= truth <= row["high"] for row in studies])
    assert covered >= 0.85, covered


def test_one_label_each_is_told():
    table = divide_variance(simulated((0.2, 0.1, 0.1), 5, 20, 1, seed=1), 20, 1).set_index("component")
    assert np.isnan(table.loc["labels", "variance"]) and "one label" in table["note"].iloc[0]
    assert table["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("size", [(1, 20), (5, 1), (1, 1)])
def test_one_model_or_one_original_has_no_components(size):
    table = divide_variance(simulated((0.2, 0.1, 0.1), *size, 5, seed=1), 20, 1)
    assert table[["share", "low", "high"]].isna().all(axis=None) and table["note"].str.contains("needs two").all()


def test_the_published_variance(mirror):
    study = read_human_study(find_labels(mirror))
    table = divide_variance(with_truth(study.labels, study.images), 100, 1)
    assert table["share"].round(2).tolist() == [0.28, 0.14, 0.33, 0.25] and (table["count"] == 8400).all()
