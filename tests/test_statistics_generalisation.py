"""Generalisation: learned metrics beside the others, by data set and in the mean."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.learned.scales import LEARNED
from semsim.learned.training import area_under_curve
from semsim.statistics.generalisation import areas, measure_by_dataset, measure_generalisation, overall

KEYS = ["dataset", "target", "attack", "original"]


def study(datasets=("a", "b"), seed=0):
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(product(datasets, "mnop", "xy", range(8)), columns=KEYS)
    rates = generator.integers(0, 6, len(table)) / 5
    table = table.assign(recognition_rate=rates, weak=rates + generator.normal(0, 1, len(table)))
    trials = pd.concat(
        table[KEYS].assign(
            folds=folds,
            exclusion=exclusions,
            semsim=1 - rates + generator.normal(0, 0.05, len(table)),
            classifier_features=generator.random(len(table)),
            combination=rates + generator.normal(0, 0.3, len(table)),
        )
        for folds, exclusions in (
            ("within", "within"),
            ("dataset", "dataset-" + table["dataset"]),
            ("attack", "attack-" + table["attack"]),
        )
    )
    return table, trials


@pytest.fixture(scope="module")
def measured():
    return measure_generalisation(*study(), {"weak": True}, LEARNED.directions, 200, 1)


def test_views_are_every_kind_of_folds_and_every_exclusion(measured):
    values, _ = measured
    views = set(values[["folds", "exclusion"]].itertuples(index=False, name=None))
    assert views == {
        ("within", "all"),
        ("dataset", "all"),
        ("attack", "all"),
        ("attack", "attack-x"),
        ("attack", "attack-y"),
    }
    assert set(values["dataset"]) == {"a", "b", "all"} and set(values["metric"]) >= {"weak", "semsim", "combination"}


def test_areas_are_those_of_all_pairs_and_their_mean(measured):
    table, trials = study()
    rows = areas(measured[0])
    rows = rows[(rows["exclusion"] == "all") & (rows["folds"] == "within") & (rows["metric"] == "semsim")]
    found = rows.set_index("dataset")["faithfulness"]
    within = table.merge(trials[trials["folds"] == "within"], on=KEYS)
    for dataset, group in within.groupby("dataset"):
        expected = area_under_curve(group["semsim"].to_numpy(), group["recognition_rate"].to_numpy() > 0.5)
        assert found[dataset] == pytest.approx(expected, abs=1e-5)
    assert found["all"] == pytest.approx((found["a"] + found["b"]) / 2)


def test_a_metric_that_does_not_learn_has_one_interval(measured):
    rows = measured[0]
    rows = rows[(rows["metric"] == "weak") & (rows["exclusion"] == "all")]
    for _, alike in rows.groupby(["dataset", "level", "statistic"]):
        assert len(alike) == 3 and len(alike[["value", "low", "high"]].drop_duplicates()) == 1


def test_differences_are_semsims_lead_with_intervals(measured):
    values, differences = measured
    assert set(differences["metric"]) == {"semsim"}
    lead = areas(overall(differences)).set_index(["folds", "exclusion", "other"])
    row = lead.loc[("within", "all", "weak")]
    at = areas(overall(values)).set_index(["folds", "exclusion", "metric"])["faithfulness"]
    assert row["difference"] == pytest.approx(at["within", "all", "semsim"] - at["within", "all", "weak"])
    assert 0 < row["low"] < row["difference"] < row["high"] and row["p_holm"] < 0.05


def test_the_interval_of_the_mean_is_narrower_than_that_of_a_data_set():
    table, _ = study(datasets=tuple("abcdef"))
    values, _ = measure_by_dataset(table, {"weak": True}, "weak", 300, 0)
    rows = areas(values)
    rows = rows[rows["metric"] == "weak"].set_index("dataset")
    width = rows["high"] - rows["low"]
    assert width["all"] < 0.7 * width.drop("all").mean()


def test_a_data_set_without_a_curve_is_left_out_of_the_mean_and_told():
    table, _ = study()
    table.loc[table["dataset"] == "b", "recognition_rate"] = 0.0
    values, _ = measure_by_dataset(table.assign(same=table["weak"]), {"weak": True, "same": True}, "weak", 50, 0)
    rows = areas(values)
    rows = rows[rows["metric"] == "weak"].set_index("dataset")
    assert np.isnan(rows.loc["b", "value"]) and rows.loc["all", "value"] == rows.loc["a", "value"]
    assert rows.loc["all", "note"] == "mean of 1 of 2 data sets"


def test_differences_are_of_data_sets_in_which_both_metrics_are_defined():
    table, _ = study()
    table["other"] = table["weak"].where(table["dataset"] == "a", 0.5)  # the same, then constant
    _, differences = measure_by_dataset(table, {"weak": True, "other": True}, "weak", 50, 0)
    rows = areas(differences).set_index("dataset")
    assert rows.loc["all", ["difference", "low", "high", "p"]].tolist() == [0, 0, 0, 1]
    assert rows.loc["a", "difference"] == 0 and np.isnan(rows.loc["b", "difference"])


def test_one_data_set_has_no_mean():
    table, _ = study(datasets=("a",))
    values, _ = measure_by_dataset(table, {"weak": True}, "weak", 50, 0)
    assert set(values["dataset"]) == {"a"} and len(overall(values)) == len(values)
