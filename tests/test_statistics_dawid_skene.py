"""Dawid and Skene's estimates, against annotators whose reliability is known."""

import numpy as np
import pandas as pd
import pytest

from semsim.statistics.dawid_skene import ALONE, estimate_reliability

RELIABILITY = {"ann": 0.9, "bob": 0.7, "cat": 0.5, "dan": 0.8}


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
    [rate] = table.loc[table["statistic"] == "dawid_skene_recognition_rate", "value"]
    majority = (answers["named"] == answers["label"]).groupby(answers["image"]).mean() > 0.5
    assert rate > majority.mean() and rate > max(RELIABILITY.values())


def test_data_sets_and_kinds_are_estimated_apart():
    simulated, human = answers_of({"a": 0.9, "b": 0.9, "c": 0.9}), answers_of({"a": 0.6, "b": 0.6, "c": 0.6})
    table = estimate_reliability(pd.concat([simulated, human.assign(kind="human")]))
    means = table[table["statistic"] == "dawid_skene_accuracy"].groupby("kind")["value"].mean()
    assert means["simulated"] == pytest.approx(0.9, abs=0.03) and means["human"] == pytest.approx(0.6, abs=0.05)


def test_one_annotator_cannot_be_judged():
    table = estimate_reliability(answers_of({"ann": 0.9}, images=20))
    assert table["value"].isna().all() and (table["note"] == ALONE).all()
