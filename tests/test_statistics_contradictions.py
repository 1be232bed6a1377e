"""Contradictions between metrics, and with annotators."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from semsim.labels import recognition_rates, with_truth
from semsim.labels.human_study import HIGHER_IS_BETTER, find_labels, read_human_study
from semsim.statistics import contradictions
from semsim.statistics.contradictions import (
    ANNOTATORS,
    EVERYONE,
    GAPS,
    OTHERS,
    PERSON,
    _share,
    contradiction_curve,
    count_contradictions,
)
from semsim.statistics.crossing import Crossing, cross_parts
from semsim.statistics.person import Panel, seat_panels


def compare(rates, higher_is_better, resamples=100, **metrics):
    """Return the table of contradictions by pair; metrics and rates are [target models, originals]."""
    target, original = np.indices(np.shape(rates)).reshape(2, -1)
    keys = pd.DataFrame({"dataset": "shapes", "target": target, "attack": "dlg", "original": original})
    values = {name: np.ravel(value) for name, value in metrics.items()}
    tables = keys.assign(reference="attacked", **values), keys.assign(kind="human", recognition_rate=np.ravel(rates))
    crossings = cross_parts([tables[0]], tables[1], higher_is_better)
    table = count_contradictions(crossings, higher_is_better, resamples, 1)
    return table.set_index(["metric", "other"])


def test_pairs_of_one_original_are_counted_by_hand():
    # Original 0 has rates 0, 0.6 and 1: two clear pairs and one that is 0.4 apart. Original 1 has no clear pair.
    rates = [[0.0, 0.4], [0.6, 0.4], [1.0, 0.8]]
    up = [[1.0, 5.0], [3.0, 6.0], [2.0, 7.0]]
    distance = [[9.0, 1.0], [8.0, 2.0], [7.0, 2.0]]
    table = compare(rates, {"up": True, "distance": False}, up=up, distance=distance)
    between = table.loc[("up", "distance")]
    # In original 0 they differ about models 1 and 2; in original 1 about 0-1 and 0-2, and distance ties 1-2.
    assert between["pairs"] == 5 and between["tied"] == 1 and between["value"] == pytest.approx(3 / 5)
    assert table.loc[("up", ANNOTATORS)][["pairs", "tied", "value"]].tolist() == [2, 4, 0]
    assert table.loc[("distance", ANNOTATORS)][["pairs", "tied", "value"]].tolist() == [2, 4, 0]


def test_a_metric_and_its_mirror_image_never_contradict_each_other():
    x = np.random.default_rng(1).normal(size=(5, 8))
    table = compare(np.full((5, 8), 0.5), {"up": True, "down": False, "wrong": True}, up=x, down=-x, wrong=-x)
    assert table.loc[("up", "down")][["value", "low", "high"]].tolist() == [0, 0, 0]
    assert table.loc[("up", "wrong")][["value", "low", "high"]].tolist() == [1, 1, 1]
    alone = table.loc[("up", ANNOTATORS)]
    assert np.isnan(alone["value"]) and alone["note"] == "no pair that both order strictly"


def test_a_reconstruction_without_a_value_is_in_no_pair():
    x = np.arange(12.0).reshape(4, 3)
    gap = x.copy()
    gap[0, 0] = np.nan
    row = compare(x / 12, {"one": True, "other": True}, one=x, other=gap).loc[("one", "other")]
    assert row["pairs"] == 18 - 3 and row["tied"] == 0 and row["value"] == 0


def test_blocks_of_resamples_change_nothing(monkeypatch):
    generator = np.random.default_rng(3)
    rates, x = generator.integers(0, 6, size=(5, 8)) / 5, generator.normal(size=(5, 8))
    x[2, 3] = np.nan
    at_once = compare(rates, {"up": True, "down": False}, up=x, down=-(x**2))
    monkeypatch.setattr(contradictions, "BLOCK", 7)
    pd.testing.assert_frame_equal(compare(rates, {"up": True, "down": False}, up=x, down=-(x**2)), at_once)


def test_a_resample_counts_the_pairs_of_the_repeated_rows():
    generator = np.random.default_rng(2)
    columns, originals = generator.integers(0, 3, size=(20, 4)), generator.integers(0, 3, size=(20, 6))
    whole = generator.random((6, 6)) < 0.7
    part = whole & (generator.random((6, 6)) < 0.5)
    first, second = np.triu_indices(4, 1)
    found = _share(part, whole, 1.0 * columns[:, first] * columns[:, second], 1.0 * originals)
    for share, column, original in zip(found, columns, originals, strict=True):
        repeats = column[first] * column[second]
        repeated = [np.repeat(np.repeat(table, repeats, axis=0), original, axis=1) for table in (part, whole)]
        expected = repeated[0].sum() / repeated[1].sum() if repeated[1].any() else np.nan
        assert share == pytest.approx(expected, nan_ok=True)


def test_the_published_study_has_contradictions(mirror):
    study = read_human_study(find_labels(mirror))
    rates = recognition_rates(study.labels, study.images)
    crossings = cross_parts([study.metrics], rates, HIGHER_IS_BETTER)
    table = count_contradictions(crossings, HIGHER_IS_BETTER, 100, 1)
    by_pair = table.set_index(["metric", "other"])
    assert by_pair.loc[("mse", "psnr"), "value"] == 0
    others = table[(table["metric"] != "mse") | (table["other"] != "psnr")]
    others = others[others["other"] != "knows_cell"]
    assert others["value"].between(0.1, 0.5).all() and (others["low"] < others["high"]).all()


def panel_of(answers, **metrics):
    """Return a panel of annotators, [annotators, target models, originals]."""
    models = len(answers[0])
    crossing = Crossing(metrics, np.mean(answers, axis=0), np.arange(models), np.zeros(models, dtype=int))
    return {("shapes", "human", "attacked"): Panel(crossing, np.array(answers, dtype=float))}


def test_a_curve_is_counted_by_hand():
    # Three annotators, three models, two originals. Those beside the first give rates of 0, 1/2 and 1 in original 0.
    answers = [[[1, 0], [0, 1], [1, 1]], [[0, 1], [1, 1], [1, 1]], [[0, 0], [0, 0], [1, 1]]]
    metric = np.array([[3.0, 1], [2, 2], [1, 3]])
    table = contradiction_curve(panel_of(answers, metric=metric), {"metric": True}, 50, 1)
    rows = table.set_index(["truth", "metric", "gap"])
    for truth, gaps in GAPS.items():
        for gap, name in product(gaps, ("metric", PERSON)):
            if (truth, name) != (EVERYONE, PERSON):
                expected = counted_by_hand(np.array(answers), metric if name == "metric" else None, truth, gap)
                found = rows.loc[(truth, name, gap)]
                share = expected[0] / expected[1] if expected[1] else np.nan
                assert found[["pairs", "tied"]].tolist() == expected[1:]
                assert found["value"] == pytest.approx(share, nan_ok=True)
    assert (EVERYONE, PERSON, 0.2) not in rows.index


def counted_by_hand(answers, metric, truth, gap):
    """Return how many pairs a metric, or each person, orders against the truth, orders at all, and ties."""
    against = ordered = tied = 0
    for person, own in enumerate(answers):
        rates = np.delete(answers, person, axis=0).mean(axis=0) if truth == OTHERS else answers.mean(axis=0)
        said = own if metric is None else metric
        for original in range(answers.shape[2]):
            for one, other in combinations(range(len(own)), 2):
                apart = rates[one, original] - rates[other, original]
                if abs(apart) >= gap - 1e-9:
                    order = np.sign(said[one, original] - said[other, original])
                    tied += order == 0
                    ordered += order != 0
                    against += order == -np.sign(apart)
        if truth == EVERYONE:
            break  # the same for every person
    return [against, ordered, tied]


def test_the_published_curve(mirror):
    study = read_human_study(find_labels(mirror))
    panels = seat_panels([study.metrics], with_truth(study.labels, study.images), HIGHER_IS_BETTER)
    rows = contradiction_curve(panels, HIGHER_IS_BETTER, 20, 1).set_index(["truth", "metric", "gap"]).sort_index()
    psnr = rows.loc[(EVERYONE, "psnr")]["value"].round(2)
    assert psnr[[0.2, 0.6, 1.0]].tolist() == [0.32, 0.2, 0.14]
    person = rows.loc[(OTHERS, PERSON, 0.5)]
    assert person["value"] == pytest.approx(0.09, abs=0.005)
    assert person["tied"] / (person["tied"] + person["pairs"]) == pytest.approx(0.46, abs=0.005)
