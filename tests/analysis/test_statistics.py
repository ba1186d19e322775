"""The statistics against scipy, brute force and simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import (
    holm,
    mean_interval,
    median_steps,
    p_above,
    restricted_log_steps,
    smallest_difference,
    smallest_margin,
    welch_contrast,
    wilson_interval,
)

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8)
spread = values.filter(lambda x: np.std(x) > 1e-3)


@given(spread, spread)
def test_contrast_of_two_cells_is_welchs_t_test(a, b):
    ours = welch_contrast([a, b], weights=[1, -1])
    theirs = stats.ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.df == pytest.approx(theirs.df)
    assert ours.interval(0.95) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_contrast_of_four_cells_by_hand():
    cells = [[1.0, 2, 3], [2.0, 4], [0.0, 1, 0, 1], [5.0, 5]]
    weights = [0.5, 0.5, -0.5, -0.5]
    ours = welch_contrast(cells, weights=weights)
    parts = [w**2 * np.var(c, ddof=1) / len(c) for w, c in zip(weights, cells, strict=True)]
    assert ours.estimate == 0.5 * (2 + 3 - 0.5 - 5)
    assert ours.se == pytest.approx(math.sqrt(sum(parts)))
    brute = sum(parts) ** 2 / sum(p**2 / (len(c) - 1) for p, c in zip(parts, cells, strict=True))
    assert ours.df == pytest.approx(brute)


@pytest.mark.parametrize("cells", [([1.0], [2.0, 3]), ([0.1] * 3, [0.3] * 7), ([], [1.0, 2])])
def test_contrast_without_spread_or_seeds_has_no_interval(cells):
    contrast = welch_contrast(cells, weights=[1, -1])
    assert contrast.p is None
    assert contrast.interval(0.95) is None


def test_mean_interval_is_the_t_interval():
    x = [0.9, 0.95, 1.0, 0.97]
    mean, interval = mean_interval(x)
    assert mean == pytest.approx(np.mean(x))
    assert interval == pytest.approx(stats.t.interval(0.95, 3, np.mean(x), stats.sem(x)))


def test_equal_values_have_a_mean_and_no_interval():
    assert mean_interval([0.1, 0.1, 0.1])[1] is None
    assert mean_interval([0.1])[1] is None
    assert math.isnan(mean_interval([])[0])


@pytest.mark.parametrize(("n", "low"), [(5, 0.57), (10, 0.72), (20, 0.84), (30, 0.89)])
def test_wilson_interval_of_all_converged(n, low):
    interval = wilson_interval(n, n)
    assert interval is not None
    assert (round(interval.low, 2), interval.high) == (low, 1.0)


def test_wilson_interval_of_no_seeds_is_undefined():
    assert wilson_interval(0, 0) is None


def closed_testing(p):
    """Holm's adjusted p by definition: the largest Bonferroni p of all subsets that hold i."""
    m = len(p)
    return [
        max(
            min(1.0, size * min(p[j] for j in subset))
            for size in range(1, m + 1)
            for subset in combinations(range(m), size)
            if i in subset
        )
        for i in range(m)
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_equals_closed_testing(p):
    assert [adjusted for adjusted, _ in holm(p)] == pytest.approx(closed_testing(p))


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6))
def test_an_adjusted_interval_leaves_out_zero_exactly_when_holm_rejects(p):
    for value, (adjusted, rate) in zip(p, holm(p), strict=True):
        assume(adjusted != pytest.approx(0.05))  # a tie, which rounding decides
        assert (value <= rate) == (adjusted < 0.05)


def test_holm_rates_stop_at_the_first_that_is_not_rejected():
    rates = [rate for _, rate in holm([0.04, 0.001, 0.5, 0.03])]
    assert rates == pytest.approx([0.05 / 3, 0.05 / 4, 0.05 / 3, 0.05 / 3])


def test_an_undefined_p_stays_in_the_family():
    assert holm([0.01, None])[0] == pytest.approx((0.02, 0.025))


def test_restricted_log_steps_put_censored_seeds_at_the_budget():
    logs = restricted_log_steps([1000, None, float("nan")], budget=[6000, 6000, 8000])
    assert logs == pytest.approx(np.log([1000, 6000, 8000]))


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([3, 1, 2], 2),
        ([1, 2, 3, 4], 2),
        ([5, None, 4], 5),
        ([5, None, None, 4], 5),
        ([5, None, None], None),
        ([], None),
    ],
)
def test_median_steps_is_when_half_the_seeds_have_converged(steps, median):
    assert median_steps(steps) == median


def test_p_above_counts_the_upper_tail_exactly():
    brute = sum(math.comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(11, 21))
    assert p_above(11, 20, 0.3) == pytest.approx(brute)


def test_smallest_difference_is_detected_with_the_stated_power():
    delta = smallest_difference([1, -1], sds=[0.1, 0.1], ns=[12, 12])
    rng = np.random.default_rng(0)
    a, b = rng.normal(delta, 0.1, (12, 20_000)), rng.normal(0, 0.1, (12, 20_000))
    power = (stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_smallest_difference_solves_scipys_noncentral_t(n):
    df, se = 2 * (n - 1), math.sqrt(2 / n)
    delta = smallest_difference([1, -1], sds=[1, 1], ns=[n, n])
    critical = stats.t.isf(0.025, df)
    assert stats.nct.sf(critical, df, delta / se) == pytest.approx(0.8, abs=1e-3)


def test_smallest_margin_holds_a_true_absence_with_the_stated_power():
    delta = smallest_margin([1, -1], sds=[0.1, 0.1], ns=[12, 12])
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 0.1, (12, 20_000)), rng.normal(0, 0.1, (12, 20_000))
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    inside = ((interval.low > -delta) & (interval.high < delta)).mean()
    assert inside == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize("smallest", [smallest_difference, smallest_margin])
def test_power_grows_with_seeds_and_needs_two(smallest):
    few, many = (smallest([1, -1], sds=[1, 1], ns=[n, n]) for n in (3, 30))
    assert few > 2 * many
    assert smallest([1, -1], sds=[1, 1], ns=[1, 5]) is None
    assert smallest([1, -1], sds=[0, 0], ns=[5, 5]) is None
