"""How often metrics order two target models as annotators do: against loops, known truths, and published labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from semsim.labels import with_truth
from semsim.labels.human_study import HIGHER_IS_BETTER, find_labels, read_human_study
from semsim.statistics import ranking
from semsim.statistics.contradictions import EVERYONE, PERSON
from semsim.statistics.crossing import Crossing
from semsim.statistics.person import Panel, seat_panels
from semsim.statistics.ranking import (
    GAPS,
    OWN,
    RATES,
    SPLITS,
    count_right,
    judge,
    measure_ranking,
    ranking_limits,
    split,
)


@pytest.fixture(autouse=True)
def few_splits(monkeypatch):
    monkeypatch.setattr(ranking, "SPLITS_OF_VALUE", 500)


def panel_of(answers, attacks=None, models=None, **metrics):
    """Return a panel of answers [annotators, columns, originals], one model a column if none are given."""
    models = np.arange(answers.shape[1]) if models is None else np.array(models)
    attacks = 0 * models if attacks is None else np.array(attacks)
    return Panel(Crossing(metrics, np.nanmean(answers, axis=0), models, attacks), answers)


def measure(panel, resamples=20, directions=None):
    directions = directions or dict.fromkeys(panel.crossing.metrics, True)
    table = measure_ranking({("shapes", "human", "original"): panel}, directions, resamples, 1)
    return table.set_index(["by", "metric", "originals", "gap"])


def looped(judged, columns, originals, seen, unseen):
    """Count one pair after the other, for each resample with its splits."""
    counts = {by: np.zeros((2, len(columns), len(judged.names), n)) for by, n in ((RATES, len(GAPS)), (OWN, 11))}
    for row, (sees, rest) in enumerate(zip(seen, unseen, strict=True)):
        resample, person = divmod(row, SPLITS)[0], row % len(judged.answers)
        tables = [*judged.tables, judged.answers[person]]
        weigh = lambda table, weights: np.array(  # noqa: E731
            [np.average(y[k], weights=weights[k]) if weights[k := np.isfinite(y)].any() else np.nan for y in table]
        )
        truth = weigh(judged.others[person], rest)
        for name, table in enumerate(tables):
            means = weigh(table, sees)
            for i, j in zip(judged.first, judged.second, strict=True):
                found, true = round(means[i] - means[j], 10), round(truth[i] - truth[j], 10)
                if not np.isfinite(found + true) or true == 0:
                    continue
                right = 0.5 if found == 0 else float(found * true > 0)
                weight = columns[resample, i] * columns[resample, j]
                for by, gap, least in ((RATES, abs(true), GAPS), (OWN, abs(found), judged.steps[name])):
                    far = gap >= np.array(least) - 1e-9
                    counts[by][:, resample, name] += np.outer([right * weight, weight], far)
    return counts


def test_counts_are_those_of_a_loop_over_pairs(monkeypatch):
    generator = np.random.default_rng(5)
    answers = generator.integers(0, 2, (3, 6, 15)).astype(float)
    metric = generator.integers(0, 4, (6, 15)).astype(float)
    answers[0, 1, :4] = metric[2, 5:9] = np.nan
    panel = panel_of(answers, attacks=[0, 1, 0, 0, 1, 0], models=[0, 0, 1, 2, 2, 3], metric=metric)
    judged = judge(panel, {"metric": False})
    pairs = list(zip(judged.first.tolist(), judged.second.tolist(), strict=True))
    assert pairs == [(0, 2), (0, 3), (0, 5), (1, 4), (2, 3), (2, 5), (3, 5)]
    columns, originals = generator.integers(0, 3, (4, 6)), generator.integers(0, 3, (4, 15))
    drawn = []
    monkeypatch.setattr(ranking, "split", lambda *given: drawn.append(split(*given)) or drawn[-1])
    found = count_right(judged, 5, columns, originals, generator)
    expected = looped(judged, columns, originals, *drawn[0])
    for by in (RATES, OWN):
        np.testing.assert_allclose(found[by], expected[by])
    assert found[RATES][1].sum() > 100


def test_nothing_that_is_seen_is_part_of_the_truth():
    originals = np.random.default_rng(1).multinomial(20, np.full(20, 1 / 20), size=500)
    seen, unseen = split(originals.astype(float), 6, np.random.default_rng(2))
    assert (seen.sum(axis=1) == 6).all() and set(np.unique(seen)) == {0, 1}
    np.testing.assert_array_equal(np.where(seen > 0, originals, 0) + unseen, originals)
    assert (originals[seen > 0] > 0).all()


def test_an_original_drawn_twice_is_seen_first_twice_as_often():
    originals = np.tile([2.0, 1, 1, 0], (20_000, 1))
    seen, _ = split(originals, 1, np.random.default_rng(1))
    np.testing.assert_allclose(seen.mean(axis=0), [0.5, 0.25, 0.25, 0], atol=0.02)


def simulated(people=4, models=12, originals=90, noise=1.0, seed=0):
    """Return answers, and a metric, that follow how much models leak, each original with an ease of its own."""
    generator = np.random.default_rng(seed)
    leaks, ease = generator.uniform(0.2, 0.8, models), generator.uniform(-0.2, 0.2, originals)
    chance = leaks[:, None] + ease
    answers = (generator.random((people, models, originals)) < chance).astype(float)
    return answers, chance + generator.normal(0, noise, chance.shape), leaks


def test_a_metric_of_known_noise_is_right_as_often_as_theory_says(monkeypatch):
    """Means of n differ by the gap and a normal error of variance 2 / n: the chance of the right order is known."""
    monkeypatch.setattr(ranking, "SIZES", (12,))
    values = []
    for seed in range(12):
        answers, metric, leaks = simulated(people=20, originals=150, seed=seed)
        row = measure(panel_of(answers, metric=metric), 1).loc[(RATES, "metric", 12, 0.1)]
        gaps = np.abs(np.subtract.outer(leaks, leaks))[np.triu_indices(len(leaks), 1)]
        values.append([row["value"], norm.cdf(gaps[gaps >= 0.1] / np.sqrt(2 / 12)).mean()])
    found, expected = np.mean(values, axis=0)
    assert found == pytest.approx(expected, abs=0.02)


def test_intervals_cover_the_truth_and_narrow_with_models(monkeypatch):
    """The truth of the design is the mean over many designs."""
    monkeypatch.setattr(ranking, "SIZES", (25,))
    rows = [measure(panel_of(a, metric=m), 60).loc[(RATES, "metric", 25, 0)] for a, m, _ in map(_design, range(25))]
    rows = pd.DataFrame(rows)
    truth = rows["value"].mean()
    assert ((rows["low"] <= truth) & (truth <= rows["high"])).mean() >= 0.84
    answers, metric, _ = simulated(models=40)
    wide = measure(panel_of(answers, metric=metric), 60).loc[(RATES, "metric", 25, 0)]
    assert wide["high"] - wide["low"] < (rows["high"] - rows["low"]).mean()


def _design(seed):
    return simulated(seed=seed, originals=75)


def test_extremes():
    answers, _, leaks = simulated()
    order = np.repeat(leaks[:, None], answers.shape[-1], axis=1)
    table = measure(panel_of(answers, best=order, worst=-order, nothing=0 * order)).sort_index()
    assert table.loc[(RATES, "best", 25, 0.1), "value"] > 0.97
    assert table.loc[(RATES, "worst", 25, 0.1), "value"] < 0.03
    assert (table.loc[(RATES, "nothing", 25), ["value", "low", "high"]].dropna() == 0.5).all(axis=None)
    reverse = measure(panel_of(answers, worst=-order), directions={"worst": False}).sort_index()
    pd.testing.assert_series_equal(reverse.loc[(RATES, "worst"), "value"], table.loc[(RATES, "best"), "value"])


def test_more_people_more_originals_and_larger_gaps_help():
    answers, metric, _ = simulated(people=5, originals=160, noise=0.3)
    values = measure(panel_of(answers, metric=metric))["value"]
    assert values[RATES, EVERYONE, 12, 0] > values[RATES, PERSON, 12, 0] + 0.05
    assert values[RATES, "metric", 50, 0] > values[RATES, "metric", 6, 0] + 0.02
    assert values[RATES, "metric", 12, 0.2] > values[RATES, "metric", 12, 0] + 0.02
    own = values[OWN, "metric", 12]
    assert own.iloc[-3] > own.iloc[0] + 0.02 and own.index[0] == 0 and own.index.is_monotonic_increasing


@pytest.mark.parametrize("shape", [(1, 4, 12), (3, 1, 12)])
def test_nobody_else_or_one_model(shape):
    answers = np.random.default_rng(0).integers(0, 2, shape).astype(float)
    table = measure(panel_of(answers, metric=answers[0]))
    assert table[["value", "low", "high"]].isna().all(axis=None) and (table["undefined"] == 20).all()
    assert table["note"].str.contains("nobody else").any() and (table["pairs"] == 0).all()
    limits = ranking_limits(table.reset_index().assign(dataset="d", kind="human", reference="original"))
    assert limits["gap"].isna().all() and (limits["note"] != "").all()


def test_too_few_originals_are_no_table_rows():
    answers = np.random.default_rng(0).integers(0, 2, (3, 4, 8)).astype(float)
    assert measure(panel_of(answers, metric=answers[0])).empty


def test_limits_are_the_smallest_gaps_with_a_high_lower_bound():
    about = {"dataset": "d", "kind": "human", "reference": "original", "by": RATES, "originals": 12}
    rows = [("a", 0.0, 0.7, 0), ("a", 0.1, 0.9, 0), ("a", 0.2, 0.95, 0)]
    rows += [("b", 0.0, 0.5, 0), ("b", 0.1, 0.95, 1), ("c", 0.0, 0.5, 0), ("c", 0.1, np.nan, 20)]
    columns = ["metric", "gap", "low", "undefined"]
    table = pd.DataFrame(rows, columns=columns).assign(**about, these_low=lambda rows: rows["low"] + 0.01)
    limits = ranking_limits(table).set_index("metric")
    np.testing.assert_array_equal(limits["gap"], [0.1, np.nan, np.nan])
    np.testing.assert_array_equal(limits["these_gap"], [0.1, 0.1, np.nan])
    assert limits["note"].tolist() == ["", "only for exactly these target models", "at no gap"]


def test_the_published_labels(mirror, monkeypatch):
    """With 12 originals and gaps of .1, PSNR and LPIPS find .8 of the orders, and all five people .95."""
    monkeypatch.setattr(ranking, "SIZES", (12,))
    study = read_human_study(find_labels(mirror))
    panels = seat_panels([study.metrics], with_truth(study.labels, study.images), HIGHER_IS_BETTER)
    table = measure_ranking(panels, HIGHER_IS_BETTER, 50, 1)
    values = table[(table["by"] == RATES) & (table["gap"] == 0.1)].set_index("metric")["value"]
    found = values[["psnr", "lpips", EVERYONE, PERSON]].tolist()
    assert found == pytest.approx([0.79, 0.79, 0.94, 0.81], abs=0.015)
