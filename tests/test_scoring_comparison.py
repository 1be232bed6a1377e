"""Ranks of sets, and how sure they are."""

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.learned.scales import CHANCE, LEARNED
from semsim.metrics import METRICS, describe_scales
from semsim.metrics.scales import scales_of
from semsim.scoring.comparison import compare_sets, comparison_text
from semsim.scoring.measures import known_metrics


@pytest.fixture(scope="module")
def scales():
    return scales_of(describe_scales(pd.DataFrame(columns=list(METRICS)))) | LEARNED


def of_metric(table, name):
    return table[table["metric"] == name].reset_index(drop=True)


def test_rank_one_leaks_most_in_both_directions(scales):
    generator = np.random.default_rng(0)
    values = generator.normal([[1.0, 3.0, 2.0]], 0.1, (50, 3))
    table = compare_sets({"psnr": values, "semsim": values}, ["a", "b", "c"], scales, 200, 1)
    assert list(of_metric(table, "psnr")["set"]) == ["b", "c", "a"]
    assert list(of_metric(table, "semsim")["set"]) == ["a", "c", "b"]
    assert list(of_metric(table, "semsim")["next"]) == ["c", "b", ""]
    rows = of_metric(table, "psnr")
    assert list(rows["rank"]) == [1, 2, 3]
    np.testing.assert_allclose(rows["mean"], values.mean(axis=0)[[1, 2, 0]])
    np.testing.assert_allclose(rows["difference"][:2], -np.diff(rows["mean"]))
    assert (rows["mean_low"] < rows["mean"]).all() and (rows["mean"] < rows["mean_high"]).all()
    assert (rows["p_holm"][:2] >= rows["p"][:2]).all() and np.isnan(rows["p_holm"][2])


def test_equal_sets_share_a_rank(scales):
    values = np.repeat(np.random.default_rng(0).random((9, 1)), 2, axis=1)
    rows = compare_sets({"mse": values}, ["a", "b"], scales, 100, 1)
    assert list(rows["rank"]) == [1, 1] and rows["difference"][0] == 0 and rows["p"][0] == 1


def test_differences_are_paired(scales):
    """Originals differ far more than the sets do: only a paired comparison sees that."""
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 10, (100, 1))
    values = hard + [[0.0, 0.5]] + generator.normal(0, 0.1, (100, 2))
    best = compare_sets({"semsim": values}, ["a", "b"], scales, 500, 1).iloc[0]
    assert best["set"] == "a" and best["difference_high"] < 0 and best["p"] < 0.01
    assert best["difference_high"] - best["difference_low"] < 0.1 < best["mean_high"] - best["mean_low"]


def test_p_of_few_originals_is_no_smaller_than_they_can_show(scales):
    values = np.array([[0.1, 5.1], [0.2, 6.2], [0.3, 7.3]])
    table = compare_sets({"semsim": values}, ["a", "b"], scales, 2000, 1)
    assert table["p"][0] == table["p_holm"][0] == 0.25
    text = comparison_text(table, scales)
    assert "p = 0.25" in text and "Note: only 3 originals: the interval is rough." in text
    many = comparison_text(compare_sets({"semsim": np.tile(values, (4, 1))}, ["a", "b"], scales, 200, 1), scales)
    assert "Note" not in many


def test_intervals_cover_the_truth(scales):
    generator, covered, trials = np.random.default_rng(0), np.zeros(2), 300
    for trial in range(trials):
        values = generator.normal(0, 1, (60, 1)) + generator.normal([[0.0, 1.0]], 0.5, (60, 2))
        row = compare_sets({"semsim": values}, ["a", "b"], scales, 200, trial).iloc[0]
        covered += row["mean_low"] <= 0 <= row["mean_high"], row["difference_low"] <= -1 <= row["difference_high"]
    assert ((covered / trials >= 0.90) & (covered / trials <= 0.99)).all()


def test_the_seed_alone_decides_and_pieces_of_resamples_do_not(scales, monkeypatch):
    values = {"mse": np.random.default_rng(0).random((20, 2))}
    first = compare_sets(values, ["a", "b"], scales, 100, 1)
    monkeypatch.setattr("semsim.scoring.comparison.DRAWS_AT_ONCE", 60)
    pd.testing.assert_frame_equal(first, compare_sets(values, ["a", "b"], scales, 100, 1))
    assert not first.equals(compare_sets(values, ["a", "b"], scales, 100, 2))


def test_originals_without_a_value_are_left_out_of_that_metric(scales):
    generator = np.random.default_rng(0)
    values = {name: generator.random((30, 2)) for name in ("mse", "ssim", "lpips")}
    values["ssim"][:10], values["lpips"][:] = np.nan, np.nan
    table = compare_sets(values, ["a", "b"], scales, 100, 1)
    assert set(table["metric"]) == {"mse", "ssim"}
    assert set(of_metric(table, "ssim")["originals"]) == {20}
    means = of_metric(table, "ssim").set_index("set")["mean"]
    np.testing.assert_allclose(means[["a", "b"]], values["ssim"][10:].mean(axis=0))
    assert table[["mean_low", "mean_high"]].notna().all(axis=None)


def test_one_original_is_too_few(scales):
    with pytest.raises(SemsimError, match="at least two"):
        compare_sets({"mse": np.zeros((1, 2))}, ["a", "b"], scales, 100, 1)


def test_the_text_has_ranks_and_differences(scales):
    values = np.random.default_rng(0).normal([[1.0, 3.0, 2.0]], 0.1, (50, 3))
    text = comparison_text(compare_sets({"psnr": values}, ["a", "b", "c"], scales, 100, 1), scales)
    lines = text.replace("\u00a0", " ").splitlines()
    assert lines[0] == "PSNR (dB) ↑, 50 originals" and lines[1].split() == [
        "set",
        "rank",
        "mean",
        "95",
        "%",
        "interval",
    ]
    assert [line.split()[:2] for line in lines[2:5]] == [["b", "1"], ["c", "2"], ["a", "3"]]
    assert lines[5].startswith("b against c: ") and "95 % interval" in lines[5] and "p = 0.0" in lines[6]


def test_every_metric_has_a_scale(scales):
    assert set(known_metrics()) <= {*scales, CHANCE.metric}
