"""Crossings: against a pivot table of pandas, in parts or whole, with gaps, and tables that do not fit."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.statistics.crossing import GROUP, cross, cross_parts, join_parts

KEYS = ["dataset", "target", "attack", "original"]


@pytest.fixture
def tables():
    """Metrics of two data sets against two references, and rates by two kinds of annotators; some rows are missing."""
    generator = np.random.default_rng(1)
    rows = pd.DataFrame(product("ab", "nmo", "yx", (7, 3, 5, 20)), columns=KEYS)
    metrics = rows.merge(pd.Series(["attacked", "original"], name="reference"), how="cross")
    metrics["metric"], metrics["gaps"] = generator.normal(size=(2, len(metrics)))
    metrics.loc[::7, "gaps"] = np.nan
    rates = rows.merge(pd.Series(["human", "simulated"], name="kind"), how="cross")
    rates["recognition_rate"] = generator.random(len(rates))
    human = (rates["kind"] == "human") & ((rates["dataset"] == "b") | (rates["original"] == 3))
    return metrics[metrics["target"] != "m"].iloc[3:], rates[~human]


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_parts_are_arranged_as_a_pivot_table_of_all_rows(tables, rows):
    metrics, rates = tables
    parts = [metrics[start : start + rows] for start in range(0, len(metrics), rows)]
    found = cross_parts(parts, rates, ["metric", "gaps"])
    assert [*found] == [
        ("a", "human", "original"),
        ("a", "simulated", "original"),
        ("a", "human", "attacked"),
        ("a", "simulated", "attacked"),
        ("b", "simulated", "attacked"),
        ("b", "simulated", "original"),
    ]
    groups = dict(iter(metrics.merge(rates, on=KEYS).groupby(GROUP)))
    for key, crossing in found.items():
        of_group = groups[key]
        wide = of_group.pivot(index=["target", "attack"], columns="original")
        np.testing.assert_array_equal(crossing.rates, wide["recognition_rate"])
        np.testing.assert_array_equal(crossing.metrics["metric"], wide["metric"])
        np.testing.assert_array_equal(crossing.metrics["gaps"], wide["gaps"])
        assert crossing.models.tolist() == [0, 0, 1, 1] and crossing.model_count == 2
        assert crossing.attacks.tolist() == [0, 1, 0, 1]
        alone = cross(of_group, ["gaps"])
        np.testing.assert_array_equal(alone.metrics["gaps"], crossing.metrics["gaps"])
        np.testing.assert_array_equal(alone.rates, crossing.rates)


def test_what_has_no_rate_is_left_out(tables):
    metrics, rates = tables
    rates.loc[rates["target"] == "n", "recognition_rate"] = np.nan
    crossings = cross_parts([metrics], rates, ["metric"])
    assert {crossing.model_count for crossing in crossings.values()} == {1}
    joined = join_parts([metrics[:40], metrics[40:]], rates[rates["kind"] == "simulated"])
    assert len(joined) == len(metrics) and joined["recognition_rate"].isna().sum() == (joined["target"] == "n").sum()


def test_a_reconstruction_with_two_rows_is_refused(tables):
    metrics, rates = tables
    message = "Original 5, target model o, attack x: two rows"
    twice = metrics.query("dataset == 'b' and target == 'o' and attack == 'x' and original == 5")
    with pytest.raises(SemsimError, match=message):
        cross_parts([metrics, twice], rates, ["metric"])
    twice = rates.query("dataset == 'b' and target == 'o' and attack == 'x' and original == 5")
    with pytest.raises(SemsimError, match=message):
        cross_parts([metrics], pd.concat([rates, twice]), ["metric"])


@pytest.mark.parametrize("arrange", [lambda parts, rates: cross_parts(parts, rates, ["metric"]), join_parts])
def test_tables_that_do_not_belong_together_are_refused(tables, arrange):
    metrics, rates = tables
    with pytest.raises(SemsimError, match="No reconstruction has both metrics and labels"):
        arrange([metrics], rates.assign(dataset="other"))
