"""Faithfulness: against scipy, a simulation with a known answer, undefined cases, and the published human study."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from semsim.labels import recognition_rates
from semsim.labels.human_study import HIGHER_IS_BETTER, find_labels, read_human_study
from semsim.statistics import resampling
from semsim.statistics.association import (
    MEASURES,
    PRIMARY,
    PooledReconstructions,
    WithinCells,
    WithinOriginals,
    evaluate_levels,
)
from semsim.statistics.baselines import BASELINES
from semsim.statistics.ceiling import EVERYONE, cross_annotators, human_ceiling
from semsim.statistics.crossing import Crossing, cross_parts
from semsim.statistics.faithfulness import measure_faithfulness
from semsim.statistics.permutation import _blocks, _first_return, p_of_no_association, permutation_null
from semsim.statistics.resampling import DrawnCounts, draw_counts, holm, p_of_no_difference, percentile_interval

SCIPY = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}


def made_up(columns, originals, seed, ties=False):
    """Return a metric and recognition rates of five annotators, [columns, originals], that have something in common."""
    generator = np.random.default_rng(seed)
    rates = generator.binomial(5, generator.uniform(0.2, 0.8, size=(columns, 1)), size=(columns, originals)) / 5
    metric = rates + generator.normal(size=rates.shape)
    return (np.round(metric, 1) if ties else metric), rates


def tables_of(rates, attacks=("dlg",), **metrics):
    """Return the tables of metrics and recognition rates of columns (target, attack), in this order."""
    size = np.shape(rates)
    column, original = np.indices(size).reshape(2, -1)
    table = pd.DataFrame({"dataset": "shapes", "target": column // len(attacks), "original": original})
    table["target"] = "target " + table["target"].astype(str)
    table["attack"] = np.array(attacks)[column % len(attacks)]
    values = {name: np.broadcast_to(value, size).ravel() for name, value in metrics.items()}
    return table.assign(reference="attacked", **values), table.assign(kind="human", recognition_rate=np.ravel(rates))


def measure_tables(metrics, rates, higher_is_better, resamples, permutations):
    """Return the tables of faithfulness and of differences from those of metrics and rates."""
    crossings = cross_parts([metrics], rates, higher_is_better)
    return measure_faithfulness(crossings, higher_is_better, resamples, 1, permutations)


def measure(rates, resamples=50, permutations=20, **metrics):
    """Return the tables of faithfulness and of differences; metrics are higher for better reconstructions."""
    return measure_tables(*tables_of(rates, **metrics), dict.fromkeys(metrics, True), resamples, permutations)


def by_scipy(x, y, statistic):
    """Return SciPy's value, NaN where it is undefined."""
    return SCIPY[statistic](x, y)[0] if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan


def area(x, y):
    """Return the area under the ROC curve by counting pairs, NaN where there are none."""
    recognised, rest = x[y > 0.5][:, None], x[y <= 0.5]
    return np.mean((recognised > rest) + 0.5 * (recognised == rest)) if recognised.size and rest.size else np.nan


def mean_of(found):
    """Return the mean of what is defined."""
    return np.nanmean(found) if np.isfinite(found).any() else np.nan


def repeated_by_scipy(x, y, columns, originals):
    """Return every statistic of every level of one resample, from rows that are really repeated."""
    x, y = (np.repeat(np.repeat(table, columns, axis=0), originals, axis=1) for table in (x, y))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
    measures = {"auc": area, "spearman": lambda x, y: by_scipy(x, y, "spearman")}
    expected = {}
    for statistic in SCIPY:
        means = [np.round(np.nanmean(table[known.any(axis=1)], axis=1), 12) for table in (x, y)]
        expected["models", statistic] = by_scipy(*means, statistic)
    for statistic, measure in measures.items():
        expected["reconstructions", statistic] = measure(x[known], y[known])
        expected["originals", statistic] = mean_of(
            [measure(x[k, o], y[k, o]) for o, k in enumerate(known.T) if k.any()]
        )
        expected["cells", statistic] = mean_of([measure(x[c, k], y[c, k]) for c, k in enumerate(known) if k.any()])
    expected["reconstructions", "auc"] = roc_auc_score(y[known] > 0.5, x[known])
    return expected


@pytest.fixture(scope="module")
def published(mirror):
    return read_human_study(find_labels(mirror))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-5)])
def test_a_resample_is_what_scipy_makes_of_the_repeated_rows(ties, gaps, dtype, tolerance):
    x, y = made_up(7, 12, seed=3, ties=ties)
    if gaps:
        x[2, :9] = y[5, 3] = x[1:, 4] = np.nan
    generator = np.random.default_rng(4)
    columns, originals = (draw_counts(size, 25, generator).astype(dtype) for size in x.shape)
    columns[0], originals[0] = 1, 1
    found = evaluate_levels(x, y, columns, originals)
    for resample, (column, original) in enumerate(zip(columns.astype(int), originals.astype(int), strict=True)):
        expected = repeated_by_scipy(x, y, column, original)
        assert {key: found[key][resample] for key in expected} == pytest.approx(expected, abs=tolerance, nan_ok=True)
    assert set(found) == set(expected)


@pytest.mark.parametrize("units", [5, 300])
def test_counts_in_a_file_are_those_that_would_be_drawn_at_once(units):
    generators = [np.random.default_rng(5) for _ in range(2)]
    whole, stored = draw_counts(units, 150, generators[0]), DrawnCounts(units, 150, generators[1])
    assert stored.shape == whole.shape and len(stored) == 150
    for rows in (slice(None), slice(60, 70), slice(140, 200), slice(0, 0)):
        assert stored[rows].dtype == whole.dtype and np.array_equal(stored[rows], whole[rows])
    columns = generators[0].normal(size=(units, 3))
    np.testing.assert_allclose(stored @ columns, whole.astype(float) @ columns)
    assert generators[1].normal(size=(units, 3)).tolist() == columns.tolist(), "the generator is elsewhere"


def test_more_reconstructions_are_evaluated_in_smaller_chunks(monkeypatch):
    x, y = made_up(7, 12, seed=3)
    weights = [draw_counts(size, 70, np.random.default_rng(4)) for size in x.shape]
    at_once = evaluate_levels(x, y, *weights)
    monkeypatch.setattr(resampling, "VALUES_AT_ONCE", 5 * x.size)
    for key, values in evaluate_levels(x, y, *weights).items():
        np.testing.assert_allclose(values, at_once[key], rtol=1e-5)


def test_the_interval_covers_the_known_answer_as_often_as_it_says():
    # A metric and the readiness to recognise correlate by r in what models, originals and the rest contribute. The area
    # under the curve of recognised against not is then a probability of three normal variables, with this closed form.
    r, columns, originals, studies = 0.6, 30, 40, 500
    truth = 0.5 + 2 * np.arcsin(r / np.sqrt(2)) / np.pi
    generator = np.random.default_rng(6)
    root = np.linalg.cholesky([[1, r], [r, 1]])
    covered = 0
    for _ in range(studies):
        x, y = sum(
            np.sqrt(share) * np.tensordot(root, generator.normal(size=(2, *size)), axes=1)
            for share, size in ((0.35, (columns, 1)), (0.35, (1, originals)), (0.3, (columns, originals)))
        )
        weights = (draw_counts(size, 160, generator) for size in x.shape)
        low, high = percentile_interval(PooledReconstructions(x, (y > 0).astype(float)).evaluate(*weights)["auc"])
        covered += low <= truth <= high
    assert 0.93 <= covered / studies <= 0.97


@pytest.mark.parametrize(("level", "unit"), [(WithinOriginals, "models"), (WithinCells, "originals")])
def test_intervals_within_originals_and_cells_cover_the_known_answer(level, unit):
    """As above; within an original only models and the rest vary, and within a cell only originals and the rest."""
    r, columns, originals, studies = 0.6, 30, 40, 150
    truth = 0.5 + 2 * np.arcsin(r / np.sqrt(2)) / np.pi
    generator = np.random.default_rng(6)
    root = np.linalg.cholesky([[1, r], [r, 1]])
    varying = (columns, 1) if unit == "models" else (1, originals)
    covered = 0
    for _ in range(studies):
        x, y = sum(
            np.sqrt(0.5) * np.tensordot(root, generator.normal(size=(2, *size)), axes=1)
            for size in (varying, (columns, originals))
        )
        weights = (draw_counts(size, 160, generator) for size in x.shape)
        low, high = percentile_interval(level(x, (y > 0).astype(float)).evaluate(*weights)["auc"])
        covered += low <= truth <= high
    assert 0.9 <= covered / studies <= 0.99


def test_models_are_drawn_with_all_their_attacks():
    x, rates = made_up(8, 10, seed=2)
    one, _ = measure(rates, 300, metric=x)
    tables = tables_of(rates, attacks=("dlg", "idlg"), metric=x)
    two, _ = measure_tables(*tables, {"metric": True}, 300, 20)
    one, two = (table[table["metric"] == "metric"] for table in (one, two))
    np.testing.assert_allclose(one["value"], two["value"])
    assert (one["low"] != two["low"]).all()


def test_intervals_of_a_data_set_depend_on_nothing_else_that_is_measured():
    x, rates = made_up(5, 8, seed=4)
    metrics, rates = tables_of(rates, metric=x)
    together = pd.concat([metrics.assign(dataset="letters"), metrics])
    alone, _ = measure_tables(metrics, rates, {"metric": True}, 40, 20)
    both, _ = measure_tables(together, pd.concat([rates.assign(dataset="letters"), rates]), {"metric": True}, 40, 20)
    found = both[both["dataset"] == "shapes"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, alone)
    assert not both[both["dataset"] == "letters"]["low"].reset_index(drop=True).equals(found["low"])


def test_values_are_turned_so_that_one_is_best():
    x, rates = made_up(6, 20, seed=1)
    tables = tables_of(rates, similarity=x, distance=-x)
    result, differences = measure_tables(*tables, {"similarity": True, "distance": False}, 200, 20)
    up, down = (result[result["metric"] == name].reset_index() for name in ("similarity", "distance"))
    np.testing.assert_allclose(up["faithfulness"], down["faithfulness"])
    correlation = up["statistic"] != "auc"
    np.testing.assert_allclose(up["value"], np.where(correlation, -down["value"], 1 - down["value"]))
    np.testing.assert_allclose(up["low"][correlation], -down["high"][correlation], atol=1e-6)
    differences = differences[differences["other"] == "distance"]
    assert (differences["difference"].abs() < 1e-12).all() and (differences["p"] == 1).all()
    assert len(differences) == 9


def test_a_better_metric_is_found_to_be_better():
    x, rates = made_up(12, 60, seed=5)
    _, differences = measure(rates, resamples=200, good=rates + 0.1 * x, bad=np.random.default_rng(1).permuted(x))
    pooled = differences[(differences["level"] == "reconstructions") & (differences["statistic"] == "spearman")].iloc[0]
    assert pooled["metric"] == "good" and pooled["difference"] > 0.5
    assert pooled["low"] > 0.3 and pooled["p"] == pytest.approx(2 / 201)
    of_statistic = differences[differences["statistic"] == "spearman"]
    assert (of_statistic["tests"] == of_statistic["p"].notna().sum()).all()
    np.testing.assert_allclose(of_statistic["p_holm"], holm(of_statistic["p"]))


@pytest.mark.parametrize(
    ("rates", "metric", "level", "statistic", "note"),
    [
        ([[0.2, 0.4], [0.6, 0.8], [0, 1]], 0.3, "reconstructions", "spearman", "the metric is constant"),
        (
            [[0.4, 0.4]] * 3,
            [[1, 2], [3, 4], [5, 7]],
            "models",
            "kendall",
            "the recognition rate is constant",
        ),
        ([[0.2, 0.4], [0.6, 0.8]], [[1, 2], [3, 4]], "models", "pearson", "fewer than 3 target models"),
        ([[0.2, 0.4], [0.6, 0.8]], [[1, 2], [3, 4]], "originals", "spearman", "fewer than 3 target models"),
        ([[0.2, 0.4]] * 3, [[1, 2], [3, 4], [5, 7]], "reconstructions", "auc", "the majority recognised all, or none"),
        ([[0.2, 0.4]] * 3, [[1, 2], [3, 4], [5, 7]], "originals", "spearman", "nothing varies at this level"),
        ([[0.2, 0.4]] * 3, np.nan, "originals", "spearman", "no reconstruction has both a value and labels"),
    ],
)
def test_an_undefined_value_is_nan_with_a_reason(rates, metric, level, statistic, note):
    result, differences = measure(np.array(rates), metric=metric, other=np.array(rates) + np.eye(len(rates), 2))
    row = result[(result[["level", "statistic", "metric"]] == [level, statistic, "metric"]).all(axis=1)].iloc[0]
    assert row[["value", "low", "high", "faithfulness", "p"]].isna().all() and row["note"] == note
    chosen = (differences["level"] == level) & (differences["statistic"] == statistic)
    undefined = differences[chosen & (differences["metric"] == "metric")].iloc[0]
    assert undefined[["difference", "low", "high", "p", "p_holm"]].isna().all()


def test_gaps_are_counted_and_two_models_are_pointed_out():
    x, rates = made_up(5, 8, seed=1)
    x[0, :3] = np.nan
    row = measure(rates, metric=x)[0].iloc[0]
    assert row["count"] == 37 and row["note"] == "3 reconstructions have labels but no value, and are left out"
    x, rates = made_up(2, 8, seed=1)
    pooled = measure(rates, metric=x)[0].query("level == 'reconstructions'")
    assert pooled["value"].notna().all()
    assert (pooled["note"] == "fewer than 3 target models: the interval says nothing about others").all()


LEVELS_OF_NULL = {(level, statistic) for level in MEASURES for statistic in ("spearman", "auc")} - {("models", "auc")}


def test_the_null_is_centred_and_its_p_value_is_honest():
    p_values = {key: [] for key in LEVELS_OF_NULL}
    for seed in range(60):
        x, rates = made_up(8, 10, seed)
        crossing = Crossing({}, rates, np.arange(8), np.zeros(8, dtype=int))
        shuffled = {"x": np.random.default_rng(seed).permuted(x)}
        observed, null = permutation_null(shuffled, crossing, 99, np.random.default_rng(seed))
        assert set(null) == LEVELS_OF_NULL
        for key, values in null.items():
            assert abs(values.mean()) < 0.2
            p_values[key].append(p_of_no_association(observed[key][0], values[:, 0]))
    for key in LEVELS_OF_NULL:
        assert stats.kstest(p_values[key], "uniform").pvalue > 0.01


def test_p_values_are_honest_where_target_models_faced_several_attacks():
    """A metric and recognition that depend on the target model, the attack and the original, and not on each other."""
    models, attacks = np.repeat(np.arange(9), 4), np.tile(np.arange(4), 9)
    models, attacks = models[:-1], attacks[:-1]  # the last target model faced three of the four
    rejected = dict.fromkeys(LEVELS_OF_NULL, 0)
    studies = 120
    for seed in range(studies):
        generator = np.random.default_rng(seed)
        x, rates = (
            2 * generator.normal(size=(9, 1))[models]
            + 2 * generator.normal(size=(4, 1))[attacks]
            + generator.normal(size=(1, 8))
            + generator.normal(size=(35, 8))
            for _ in range(2)
        )
        observed, null = permutation_null({"x": x}, Crossing({}, rates, models, attacks), 99, generator)
        for key in LEVELS_OF_NULL:
            rejected[key] += p_of_no_association(observed[key][0], null[key][:, 0]) <= 0.05
    assert max(rejected.values()) <= 0.1 * studies, rejected


def test_the_null_keeps_together_what_was_drawn_together():
    """Values that name their target model, attack and original show where each of them went."""
    models, attacks = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    models, attacks = models[:-2], attacks[:-2]  # the last target model faced one attack only
    crossing = Crossing({}, np.zeros((10, 2)), models, attacks)
    moved = set()
    for seed in range(40):
        generator, columns = np.random.default_rng(seed), np.arange(10)
        order = generator.permutation(4)
        for members, block in _blocks(crossing):
            columns[block] = block[np.searchsorted(members, _first_return(order, members))]
        assert sorted(columns) == list(range(10)) and (attacks[columns] == attacks).all()
        alone = models[columns][attacks == 0]
        assert (alone == order).all()  # whom all models share, they exchange as drawn ...
        others = models[columns][attacks == 1]
        assert (others[order[:3] < 3] == order[:3][order[:3] < 3]).all()  # ... and others wherever they can
        moved.add(tuple(columns))
    assert len(moved) > 10


@pytest.mark.parametrize("gaps", [False, True])
def test_the_null_starts_from_the_observed_values(gaps):
    x, rates = made_up(8, 10, seed=3, ties=True)
    other = x.copy()
    if gaps:
        x[2, 3] = rates[5, :4] = np.nan
    crossing = Crossing({}, rates, np.arange(8), np.zeros(8, dtype=int))
    observed, null = permutation_null({"x": x, "other": other}, crossing, 5, np.random.default_rng(1))
    expected = evaluate_levels(x, rates, np.ones((1, 8)), np.ones((1, 10)))
    for (level, statistic), values in observed.items():
        assert values[0] + (statistic == "auc") / 2 == pytest.approx(expected[level, statistic][0]), (level, statistic)
        assert null[level, statistic].shape == (5, 2)
    assert p_of_no_association(1.0, np.full(99, 0.5)) == 0.01


def test_p_values_and_their_correction():
    assert p_of_no_difference(np.arange(1, 200.0)) == pytest.approx(2 / 200)
    assert p_of_no_difference(np.zeros(10)) == 1 and np.isnan(p_of_no_difference(np.full(3, np.nan)))
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.005), "holm")
    assert holm([0.01, 0.02, np.nan, 0.03, 0.005]) == pytest.approx([0.03, 0.04, np.nan, 0.04, 0.02], nan_ok=True)


def test_the_ceiling_of_annotators_who_always_agree_is_one():
    _, rates = made_up(6, 20, seed=1)
    keys = tables_of(rates)[1].assign(recognised=np.ravel(rates) > 0.5)
    answers = pd.concat([keys.assign(annotator=name) for name in "abc"])
    ceiling = human_ceiling(cross_annotators(answers), 20, 1)
    everyone = ceiling[ceiling["annotator"] == EVERYONE]
    assert everyone["value"].tolist() == pytest.approx([1] * 9) and (everyone["count"] == 120).all()
    alone = human_ceiling(cross_annotators(answers[answers["annotator"] == "a"]), 20, 1)
    assert alone["value"].isna().all() and alone["note"].str.contains("no reconstruction has both").all()


def test_the_published_faithfulness(published):
    rates = recognition_rates(published.labels, published.images)
    result, _ = measure_tables(published.metrics, rates, HIGHER_IS_BETTER, 64, permutations=50)
    values = result.set_index(["level", "statistic", "metric"])["value"]
    spearman = {"psnr": 0.723, "mse": -0.688, "ssim": 0.468, "lpips": -0.789, "dreamsim": -0.371}
    kendall = {"psnr": 0.516, "mse": -0.473, "ssim": 0.341, "lpips": -0.604, "dreamsim": -0.275}
    for statistic, published_values in (("spearman", spearman), ("kendall", kendall)):
        for metric, value in published_values.items():
            assert values["models", statistic, metric] == pytest.approx(value, abs=1e-3)
    assert (result["count"] == 8_400).all() and (result.dropna(subset="low").eval("low <= high")).all()
    within = result[result["primary"]].set_index("metric")["faithfulness"].round(2)
    assert within[["psnr", "ssim", "lpips", "dreamsim", "retrained_semsim", "knows_cell"]].tolist() == [
        *(0.74, 0.59, 0.78, 0.78, 0.76, 0.75)
    ]
    assert values["reconstructions", "auc", "knows_original"].round(2) == 0.74
    these = result.set_index(["level", "statistic", "metric"]).loc[("models", "spearman", "psnr")]
    assert these[["these_low", "these_high"]].tolist() == pytest.approx([0.65, 0.79], abs=0.03)


def test_intervals_of_these_models_are_of_originals_alone():
    """Models differ greatly, originals not at all: what is uncertain about models like these is certain about these."""
    generator = np.random.default_rng(3)
    leaks = generator.uniform(size=(8, 1))
    rates = generator.binomial(5, leaks, size=(8, 200)) / 5
    result, _ = measure(rates, 400, metric=leaks + generator.normal(0, 0.3, size=(8, 1)) + 0 * rates)
    row = result.set_index(["level", "statistic", "metric"]).loc[("models", "pearson", "metric")]
    assert row["these_high"] - row["these_low"] < 0.3 * (row["faithfulness_high"] - row["faithfulness_low"])
    assert row["these_low"] <= row["faithfulness"] <= row["these_high"]


def test_one_test_against_chance_is_corrected_over_metrics_and_levels():
    x, rates = made_up(6, 20, seed=1)
    result, differences = measure(rates, metric=x, other=x**2)
    for statistic, tests in (("auc", 6), ("spearman", 8), ("pearson", 0)):
        rows = result[result["statistic"] == statistic]
        assert (rows["tests"] == tests).all() and rows["p"].notna().sum() == tests
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p"]))
    assert result.loc[result["metric"].isin(BASELINES), "p"].isna().all(), "baselines are made of the labels themselves"
    for table in (result, differences):
        rows = table[table["primary"]]
        assert set(zip(rows["level"], rows["statistic"], strict=True)) == {PRIMARY}


def test_resamples_without_a_value_are_counted():
    """Only one of three target models leaks at all, and is missing from (2/3)^3 of the resamples, or alone in 1/27."""
    rates = np.zeros((3, 30))
    rates[0] = np.linspace(0.6, 1, 30)
    result, _ = measure(rates, 1000, metric=np.random.default_rng(1).normal(size=rates.shape))
    row = result[result["primary"] & (result["metric"] == "metric")].iloc[0]
    assert row["undefined"] / 1000 == pytest.approx(8 / 27 + 1 / 27, abs=0.05) and np.isfinite(row["low"])
