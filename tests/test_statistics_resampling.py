"""P values and intervals of few units, against SciPy and by the definition."""

import numpy as np
import pytest
from scipy import stats

from semsim.statistics.resampling import MOST_EXACT, centred_interval, few_units, share_interval, sign_flip_p


@pytest.mark.parametrize("units", [2, 3, 7, 10])
def test_sign_flips_of_few_units_are_those_of_scipy(units):
    differences = np.random.default_rng(units).normal(0.5, 1, units)
    test = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences, 10, np.random.default_rng(1)) == pytest.approx(test.pvalue, abs=1e-12)


def test_no_p_is_below_what_the_units_can_show():
    for units in (1, 2, 3, MOST_EXACT):
        assert sign_flip_p(np.full(units, 0.3), 10, np.random.default_rng(1)) == 2 / 2**units
    assert sign_flip_p(np.full(MOST_EXACT + 1, 0.3), 99, np.random.default_rng(1)) == pytest.approx(0.01)


def test_ties_count_whatever_their_rounding():
    differences = np.array([0.1, 0.2, 0.3, -0.6, 0.7])  # 0.1 + 0.2 + 0.3 is not quite 0.6
    signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1)
    expected = (np.abs(np.array([1, 2, 3, -6, 7]) @ signs) >= 7).mean()
    assert sign_flip_p(differences, 10, np.random.default_rng(1)) == expected
    assert sign_flip_p(np.zeros(4), 10, np.random.default_rng(1)) == 1


def test_drawn_flips_estimate_all_of_them(monkeypatch):
    differences = np.random.default_rng(2).normal(0.4, 1, 12)
    exact = sign_flip_p(differences, 10, np.random.default_rng(1))
    monkeypatch.setattr("semsim.statistics.resampling.MOST_EXACT", 0)
    drawn = sign_flip_p(differences, 20_000, np.random.default_rng(1))
    assert exact == pytest.approx(drawn, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))
    monkeypatch.setattr("semsim.statistics.resampling.VALUES_AT_ONCE", 100)
    assert sign_flip_p(differences, 20_000, np.random.default_rng(1)) == drawn


def test_p_values_are_uniform_where_there_is_no_difference():
    generator = np.random.default_rng(3)
    p = np.array([sign_flip_p(generator.normal(size=8), 10, generator) for _ in range(400)])
    for level in (0.05, 0.25, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 400))


@pytest.mark.parametrize(("ones", "count"), [(0, 1), (4, 4), (0, 9), (1, 2), (7, 12), (59, 60)])
def test_intervals_of_independent_shares_are_wilsons(ones, count):
    low, high = share_interval(np.arange(count) < ones, np.arange(count))
    assert (low, high) == pytest.approx(stats.binomtest(ones, count).proportion_ci(method="wilson"), abs=1e-12)
    assert low <= ones / count <= high and 0 <= low < high <= 1


def test_values_of_one_original_count_once_where_they_are_equal():
    values, originals = np.repeat([1, 0, 1, 1, 0, 1], 10), np.repeat(np.arange(6), 10)
    assert share_interval(values, originals) == pytest.approx(share_interval(values[::10], np.arange(6)))
    same = np.ones(40), np.arange(40) % 4
    assert share_interval(*same) == share_interval(np.ones(4), np.arange(4))


def test_intervals_of_clustered_shares_cover_the_truth():
    """Originals differ in how often they are recognised, so that images of one are alike."""
    generator, covered, naive, trials = np.random.default_rng(4), 0, 0, 400
    originals = np.repeat(np.arange(20), 10)
    for _ in range(trials):
        values = generator.random(200) < generator.beta(0.5, 0.5, 20)[originals]
        low, high = share_interval(values, originals)
        covered += low <= 0.5 <= high
        low, high = share_interval(values, np.arange(200))
        naive += low <= 0.5 <= high
    assert 0.92 <= covered / trials <= 0.99 and naive / trials < 0.7


def test_the_centred_interval_holds_its_value_whatever_the_bias():
    resampled = np.random.default_rng(5).normal(0.2, 0.05, 500)
    for value in (-1.0, 0.2, 0.9):
        low, high = centred_interval(value, resampled)
        assert low < value < high and high - low == pytest.approx(0.2, abs=0.02)
    assert centred_interval(0.5, np.array([0.4, np.nan, 0.4])) == (0.5, 0.5)
    assert np.isnan(centred_interval(0.5, np.array([np.nan]))).all()


def test_few_units_are_noted():
    assert few_units(9) == "only 9 originals: the interval is rough" and few_units(10) == ""
    assert few_units(1, "target models") == "only 1 target model: the interval is rough"
