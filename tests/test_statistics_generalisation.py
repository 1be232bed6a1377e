"""Generalisation: learned metrics beside the others, by data set and in the mean."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.learned.scales import LEARNED
from semsim.learned.training import area_under_curve
from semsim.statistics.baselines import BASELINES
from semsim.statistics.generalisation import (
    areas,
    correct_generalisation,
    measure_by_dataset,
    measure_generalisation,
    overall,
    with_left_out,
)
from semsim.statistics.resampling import holm

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
    assert 0 < row["low"] < row["difference"] < row["high"] and row["p"] < 0.05


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


def test_mean_and_worst_are_of_the_values_that_were_left_out(measured):
    rows = areas(overall(measured[0]))
    rows = rows[rows["metric"] == "semsim"].set_index(["folds", "exclusion"])
    single = [rows.loc[("attack", f"attack-{name}"), "faithfulness"] for name in "xy"]
    together = rows.loc[("attack", "all")]
    assert together["left_out_mean"] == pytest.approx(np.mean(single))
    assert together["left_out_worst"] == min(single) and together["worst_left_out"] == "xy"[np.argmin(single)]
    by_dataset = areas(measured[0]).query("folds == 'dataset' and metric == 'semsim'").set_index("dataset")
    each = by_dataset.loc[["a", "b"], "faithfulness"]
    assert by_dataset.loc["all", "left_out_worst"] == each.min()
    assert by_dataset.loc["all", "worst_left_out"] == each.idxmin()
    assert rows.loc[[("within", "all"), ("attack", "attack-x")], "left_out_worst"].isna().all()


def test_no_worst_is_told_where_one_of_what_was_left_out_is_unknown(measured):
    values = measured[0].drop(columns=["left_out_mean", "left_out_worst", "worst_left_out"])
    unknown = (values["exclusion"] == "attack-x") & (values["dataset"] == "a") & (values["metric"] == "semsim")
    before, after = (
        with_left_out(each).set_index(["folds", "exclusion", "dataset", "metric", "level", "statistic"])
        for each in (values, values.assign(faithfulness=values["faithfulness"].mask(unknown)))
    )
    hidden = before["left_out_worst"].notna() & after["left_out_worst"].isna()
    assert set(before.index[hidden].droplevel(["level", "statistic"])) == {("attack", "all", "a", "semsim")}
    assert after.loc[hidden, ["left_out_mean", "worst_left_out"]].isna().all(axis=None)
    others = [each[~hidden].drop(columns="faithfulness") for each in (before, after)]
    pd.testing.assert_frame_equal(*others)


def test_a_family_is_every_column_of_the_printed_table(measured):
    corrected = correct_generalisation(measured[1])
    printed = areas(overall(corrected))
    printed = printed[printed["exclusion"] == "all"]
    assert set(printed["folds"]) == {"within", "dataset", "attack"}
    assert (printed["tests"] == printed["p"].notna().sum()).all() and len(printed) > 10
    np.testing.assert_allclose(printed["p_holm"], holm(printed["p"]))


def test_target_models_are_drawn_once_for_all_data_sets():
    """What varies is which target model it is, the same on every data set: a mean over data sets is no more certain."""
    generator = np.random.default_rng(2)
    models = [f"model {number}" for number in range(6)]
    table = pd.DataFrame(product("abcdef", models, "x", range(40)), columns=KEYS)
    good = dict(zip(models, generator.permutation([1, 1, 1, 0, 0, 0]), strict=True))
    rates = generator.integers(0, 6, len(table)) / 5
    noise = generator.normal(size=len(table))
    table = table.assign(recognition_rate=rates, metric=np.where(table["target"].map(good), rates, noise))
    values, _ = measure_by_dataset(table, {"metric": True}, "metric", 300, 0)
    rows = areas(values).set_index("dataset")
    width = rows["high"] - rows["low"]
    assert width["all"] > 0.85 * width.drop("all").mean()
    these = rows["these_high"] - rows["these_low"]
    assert these["all"] < 0.6 * these.drop("all").mean()  # originals differ between data sets


def test_trivial_baselines_stand_beside_the_metrics(measured):
    values, differences = measured
    assert set(BASELINES) < set(values["metric"]) and set(BASELINES) < set(differences["other"])
    within = values[(values["level"] == "cells") & (values["metric"] == "knows_cell")]
    assert within["value"].isna().all() and (within["note"] != "").all()
