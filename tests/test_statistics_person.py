"""A metric and one more person judged alike: against plain loops, a known ceiling, and the published human study."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from semsim.labels import with_truth
from semsim.labels.human_study import HIGHER_IS_BETTER, OTHER_ORDER, find_labels, read_human_study
from semsim.statistics.baselines import BASELINES
from semsim.statistics.crossing import Crossing
from semsim.statistics.person import LEVELS, Panel, areas, as_often, compare_with_person, seat_panels

DIRECTIONS = BASELINES.directions


def answers_of(people, models, originals, seed=0):
    """Return answers of people to reconstructions that are easier or harder, and how easy these are."""
    generator = np.random.default_rng(seed)
    easy = generator.uniform(size=(models, originals))
    return (generator.random(size=(people, models, originals)) < easy).astype(float), easy


def compare(answers, resamples=100, without=(), **metrics):
    """Return the table, by level and metric; metrics are higher for better reconstructions."""
    models = np.arange(answers.shape[1])
    names = tuple(f"model {number}" for number in models)
    crossing = Crossing(metrics, np.nanmean(answers, axis=0), models, 0 * models, names)
    panels = {("shapes", "human", "attacked"): Panel(crossing, answers)}
    table = compare_with_person(panels, dict.fromkeys(metrics, True) | DIRECTIONS, resamples, 1, without)
    return table.set_index(["without", "level", "metric"])


def area_of_rows(said, truth):
    """Return scikit-learn's area of yes and no; NaN without both truths."""
    known = np.isfinite(said) & np.isfinite(truth)
    both = 0 < truth[known].sum() < known.sum()
    return roc_auc_score(truth[known], said[known]) if both else np.nan


def test_a_resample_is_what_scikit_learn_makes_of_the_repeated_rows():
    generator = np.random.default_rng(4)
    said, truth = (generator.integers(0, 2, size=(5, 7)).astype(float) for _ in range(2))
    said[1, 2] = truth[3, :4] = np.nan
    columns, originals = (generator.integers(0, 3, size=(15, size)) for size in said.shape)
    found = areas(said, truth, columns.astype(np.float32), originals.astype(np.float32))
    for resample, (column, original) in enumerate(zip(columns, originals, strict=True)):
        x, y = (np.repeat(np.repeat(table, column, axis=0), original, axis=1) for table in (said, truth))
        expected = {
            "originals": [area_of_rows(*each) for each in zip(x.T, y.T, strict=True)],
            "cells": [area_of_rows(*each) for each in zip(x, y, strict=True)],
            "reconstructions": [area_of_rows(x.ravel(), y.ravel())],
        }
        for level in LEVELS:
            known = [area for area in expected[level] if np.isfinite(area)]
            mean = np.mean(known) if known else np.nan
            assert found[level][resample] == pytest.approx(mean, abs=1e-6, nan_ok=True)


def test_a_metric_says_yes_as_often_as_the_person_and_shares_it_among_ties():
    answers = np.array([[1, 0, 1], [0, 1, np.nan]], dtype=float)
    x = np.array([[3, 2, 2], [2, 1, 9]], dtype=float)
    said = as_often(x, answers)
    np.testing.assert_allclose(said, [[1, 2 / 3, 2 / 3], [2 / 3, 0, np.nan]])
    assert np.nansum(said) == pytest.approx(np.nansum(answers))
    assert np.isnan(as_often(x * np.nan, answers)).all()


def test_ties_are_counted_as_if_they_were_broken_at_random():
    """The area of shares of yes is the mean over all ways to break the ties."""
    generator = np.random.default_rng(1)
    x, answers = generator.integers(0, 3, size=(1, 40)), generator.integers(0, 2, size=(1, 40)).astype(float)
    truth = generator.integers(0, 2, size=(1, 40)).astype(float)
    once = np.ones((1, 1)), np.ones((1, 40))
    expected = areas(as_often(x.astype(float), answers), truth, *once)["reconstructions"][0]
    broken = [
        areas(as_often(x + generator.uniform(0, 0.1, x.shape), answers), truth, *once)["reconstructions"][0]
        for _ in range(2000)
    ]
    assert expected == pytest.approx(np.mean(broken), abs=0.005)


def test_one_more_person_is_no_better_than_another():
    """A metric that is itself the answers of a person is as good as any, and the interval says so."""
    answers, _ = answers_of(6, 10, 200)
    table = compare(answers[:5], metric=answers[5])
    row = table.loc[("none", "reconstructions", "metric")]
    assert row["person"] == pytest.approx(row["value"], abs=0.02)
    assert row["difference_low"] < 0 < row["difference_high"] and row["p_holm"] > 0.05
    assert row["yes"] == pytest.approx(answers[:5].mean()) and row["count"] == 2000


def test_what_knows_how_easy_an_image_is_beats_a_person():
    answers, easy = answers_of(5, 10, 200)
    row = compare(answers, metric=easy).loc[("none", "originals", "metric")]
    assert row["difference"] < -0.03 and row["difference_high"] < 0


def test_a_person_is_judged_by_the_reconstructions_that_a_metric_has_values_for():
    answers, easy = answers_of(4, 6, 50)
    easy[:, ::2] = np.nan
    table = compare(answers, metric=easy)
    kept = compare(answers[:, :, 1::2], metric=easy[:, 1::2])
    columns = ["person", "value", "count"]
    found = table.loc[("none", "reconstructions", "metric"), columns].tolist()
    assert found == pytest.approx(kept.loc[("none", "reconstructions", "metric"), columns].tolist())


def test_models_can_be_left_out_by_name():
    answers, easy = answers_of(4, 6, 50)
    table = compare(answers, without=["model 3", "model 0"], metric=easy)
    kept = compare(np.delete(answers, [0, 3], axis=1), metric=np.delete(easy, [0, 3], axis=0))
    left = table.loc["model 0, model 3"]
    np.testing.assert_allclose(left[["person", "value"]], kept.loc["none"][["person", "value"]])
    assert (left["count"] == 200).all() and (table.loc["none"]["count"] == 300).all()


def test_one_annotator_has_nobody_to_be_compared_with():
    answers, easy = answers_of(1, 4, 10)
    table = compare(answers, metric=easy)
    assert table[["person", "value", "difference", "p"]].isna().all(axis=None)
    assert table["note"].str.contains("no others").any()


def test_answers_are_seated_by_target_model_and_original():
    keys = pd.DataFrame({"dataset": "d", "target": [*"aabb"], "attack": "x", "original": [0, 1, 0, 1]})
    answers = pd.concat(
        [
            keys.assign(kind="human", annotator="one", recognised=[True, False, True, True]),
            keys[1:].assign(kind="human", annotator="two", recognised=[False, False, True]),
            keys.assign(kind="simulated", annotator="one", recognised=False),
        ]
    )
    metrics = keys.assign(reference="original", metric=[1.0, 2, 3, 4])
    panels = seat_panels([metrics[:1], metrics[1:]], answers, ["metric"])
    human = panels["d", "human", "original"]
    np.testing.assert_array_equal(human.answers, [[[1, 0], [1, 1]], [[np.nan, 0], [0, 1]]])
    np.testing.assert_array_equal(human.others, [[[np.nan, 0], [0, 1]], [[np.nan, 0], [1, 1]]])
    np.testing.assert_array_equal(human.crossing.metrics["metric"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(human.crossing.rates, [[1, 0], [0.5, 1]])
    assert panels["d", "simulated", "original"].answers.shape == (1, 2, 2)


def test_the_published_ceiling(mirror):
    study = read_human_study(find_labels(mirror))
    panels = seat_panels([study.metrics], with_truth(study.labels, study.images), HIGHER_IS_BETTER)
    table = compare_with_person(panels, HIGHER_IS_BETTER | DIRECTIONS, 200, 1, OTHER_ORDER)
    rows = table[(table["without"] == "none") & (table["level"] == "reconstructions")].set_index("metric")
    assert rows["person"].unique() == pytest.approx([0.734], abs=5e-4)
    values = rows.loc[["dreamsim", "lpips", "psnr"], "value"]
    assert values.tolist() == pytest.approx([0.635, 0.629, 0.562], abs=6e-4)
    gap = rows.loc["dreamsim", ["difference", "difference_low", "difference_high"]]
    assert gap.tolist() == pytest.approx([0.099, 0.068, 0.128], abs=0.01)
    without = table[table["without"] == "resnet20-3-1-7, resnet20-plain"]
    assert (without["count"] == 7200).all() and (without["difference"].dropna() > 0).all()
