"""Dawid and Skene's estimates, against annotators whose reliability is known, another implementation, and people."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation.classification import DawidSkene

from semsim.labels import with_truth
from semsim.labels.human_study import find_labels, read_human_study
from semsim.statistics import dawid_skene
from semsim.statistics.dawid_skene import ALONE, NOT_CONVERGED, estimate_reliability, fit_dawid_skene

RELIABILITY = {"ann": 0.9, "bob": 0.7, "cat": 0.5, "dan": 0.8, "eve": 0.85, "fay": 0.75}


def answers_of(reliability, images=2000, classes=4):
    """Return answers of annotators who name the class with a known probability, and otherwise any other, or none."""
    generator = np.random.default_rng(1)
    truth = generator.integers(classes, size=images)
    tables = []
    for annotator, right in reliability.items():
        wrong = (truth + 1 + generator.integers(classes, size=images)) % (classes + 1)
        named = np.where(generator.random(images) < right, truth, np.where(wrong == classes, -1, wrong))
        names = [f"image {image}" for image in range(images)]
        tables.append(pd.DataFrame({"annotator": annotator, "image": names, "label": truth, "named": named}))
    return pd.concat(tables, ignore_index=True).assign(dataset="shapes", kind="simulated")


def test_reliability_is_found_without_the_truth():
    answers = answers_of(RELIABILITY)
    table = estimate_reliability(answers)
    found = table[table["statistic"] == "dawid_skene_accuracy"].set_index("annotator")
    assert found["value"].to_dict() == pytest.approx(RELIABILITY, abs=0.03) and (found["count"] == 2000).all()
    assert (table["note"] == "").all()
    [rate] = table.loc[table["statistic"] == "dawid_skene_recognition_rate", "value"]
    majority = (answers["named"] == answers["label"]).groupby(answers["image"]).mean() > 0.5
    assert rate > majority.mean() and rate > max(RELIABILITY.values())


def test_data_sets_and_kinds_are_estimated_apart():
    simulated, human = answers_of({"a": 0.9, "b": 0.9, "c": 0.9}), answers_of({"a": 0.6, "b": 0.6, "c": 0.6})
    table = estimate_reliability(pd.concat([simulated, human.assign(kind="human")]))
    means = table[table["statistic"] == "dawid_skene_accuracy"].groupby("kind")["value"].mean()
    assert means["simulated"] == pytest.approx(0.9, abs=0.03) and means["human"] == pytest.approx(0.6, abs=0.05)


def test_crowd_kit_says_the_same_where_it_goes_on():
    """By itself it stops as soon as its bound falls, which counts the shares of classes once for each answer."""
    answers = answers_of(RELIABILITY, images=400, classes=3)
    answers = answers[answers["named"] >= 0]  # classes that images do show: few steps suffice
    ours = fit_dawid_skene(answers)
    columns = {"image": "task", "annotator": "worker", "named": "label"}
    theirs = DawidSkene(n_iter=60, tol=-np.inf).fit(answers[[*columns]].rename(columns=columns))
    assert ours.converged and len(ours.bound) < 60
    shown = theirs.probas_.loc[ours.shown.index, ours.shown.columns]
    np.testing.assert_allclose(ours.shown, shown, atol=1e-4)
    of_answers = answers.merge(shown.melt(ignore_index=False, var_name="named").reset_index(names="image"))
    pd.testing.assert_series_equal(
        ours.accuracy.sort_index(), of_answers.groupby("annotator")["value"].mean(), atol=1e-4, check_names=False
    )


def test_annotators_who_saw_some_of_the_images():
    answers = answers_of(RELIABILITY)
    seen = np.random.default_rng(2).random(len(answers)) < 0.7
    dan = answers["annotator"] == "dan"
    seen[dan] = answers["label"][dan] < 2  # nothing of half of the classes
    fit = fit_dawid_skene(answers[seen].sample(frac=1, random_state=3))
    assert fit.accuracy.to_dict() == pytest.approx(RELIABILITY, abs=0.07)


@pytest.mark.parametrize("images", [15, 150])
@pytest.mark.parametrize("classes", [2, 40])
def test_no_step_loses_likelihood(images, classes):
    """Also where there are more probabilities than answers, and where annotators who guess disagree on everything."""
    fit = fit_dawid_skene(answers_of({"a": 0.9, "b": 0.5, "c": 0.05}, images, classes))
    assert len(fit.bound) > 2 and np.diff(fit.bound).min() > -1e-9 * abs(fit.bound[-1])
    np.testing.assert_allclose(fit.shown.sum(axis=1), 1)


def test_the_bound_is_the_likelihood_of_the_answers():
    """Two annotators of two images: the first step's likelihood, by hand.

    Both name class 0 of the first image; of the second one names 0 and the other 1. So the classes' shares are 3/4 and
    1/4, the first annotator always names 0, and the second names 0 of an image of class 0 in 2 of 3 cases.
    """
    answers = pd.DataFrame({"image": list("xxyy"), "annotator": list("abab"), "named": [0, 0, 0, 1]})
    expected = np.log(3 / 4 * 2 / 3) + np.log(3 / 4 * 1 / 3 + 1 / 4)
    assert fit_dawid_skene(answers).bound[0] == pytest.approx(expected, abs=1e-7)


def test_steps_that_run_out_are_noted(monkeypatch):
    monkeypatch.setattr(dawid_skene, "MOST_STEPS", 2)
    table = estimate_reliability(answers_of(RELIABILITY, images=50))
    assert (table["note"] == NOT_CONVERGED).all() and table["value"].notna().all()


def test_one_annotator_cannot_be_judged():
    table = estimate_reliability(answers_of({"ann": 0.9}, images=20))
    assert table["value"].isna().all() and (table["note"] == ALONE).all()


def test_the_published_annotators(mirror):
    study = read_human_study(find_labels(mirror))
    fit = fit_dawid_skene(with_truth(study.labels, study.images))
    assert fit.converged and fit.accuracy.tolist() == pytest.approx([0.592, 0.787, 0.733, 0.813, 0.743], abs=1e-3)
    assert np.diff(fit.bound).min() > 0
