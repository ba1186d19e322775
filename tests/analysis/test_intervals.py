"""Averages, counts and their intervals against scipy, statsmodels and exact enumeration."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics import (
    exact_interval,
    fisher,
    iqm,
    iqm_interval,
    mean_interval,
    median_interval,
    permutation,
    sign_flip,
    wilson_interval,
)


def scores(n, seed=0):
    return np.random.default_rng(seed).gamma(2, 0.1, n)


@pytest.mark.parametrize("n", [3, 5, 10, 19])
def test_below_twenty_seeds_the_mean_has_students_interval(n):
    x = scores(n)
    expected = stats.t.interval(0.95, n - 1, np.mean(x), stats.sem(x))
    assert mean_interval(x)[1] == pytest.approx(expected)


def test_from_twenty_seeds_the_mean_has_the_bootstraps_interval_moved_outwards():
    x = scores(20)
    mean, interval = mean_interval(x)
    assert interval is not None
    resampled = stats.bootstrap(
        (x,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    student = stats.t.interval(0.95, 19, np.mean(x), stats.sem(x))
    assert interval.low < resampled.low < mean < resampled.high < interval.high
    # As wide as Student's, and leaning as the scores do.
    assert interval.high - interval.low == pytest.approx(student[1] - student[0], rel=0.03)
    assert interval.low > student[0]


def test_the_same_scores_have_the_same_interval():
    assert mean_interval(scores(30)) == mean_interval(scores(30))


@pytest.mark.parametrize("n", [6, 9, 15])
def test_the_median_has_the_interval_of_its_order_statistics(n):
    x = scores(n)
    median, interval = median_interval(x)
    expected = stats.quantile_test(x, q=median, p=0.5).confidence_interval(0.95)
    assert median == np.median(x)
    assert interval == pytest.approx((expected.low, expected.high))


def test_five_seeds_cannot_bound_a_median():
    assert median_interval(scores(5))[1] is None
    assert median_interval(scores(25))[1] is not None


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert iqm([100, 1, 2, 3, 4, 5, 6, -50]) == np.mean([2, 3, 4, 5])


@pytest.mark.parametrize("n", [5, 8, 19])
def test_the_interquartile_mean_has_the_interval_of_yuens_test(n):
    """Scores against their negatives: twice the mean, twice the variance and degrees of freedom."""
    x = scores(n)
    yuen = stats.ttest_ind(x, -x, equal_var=False, trim=0.25)
    mean = stats.trim_mean(x, 0.25)
    margin = stats.t.isf(0.025, yuen.df / 2) * np.sqrt(2) * mean / yuen.statistic
    assert iqm_interval([x]) == (
        pytest.approx(mean),
        pytest.approx((mean - margin, mean + margin)),
    )


def test_over_tasks_the_interquartile_mean_resamples_seeds_within_each():
    """Tasks that differ widely widen nothing: only their seeds are drawn again."""
    tasks = [100 * task + np.array([0.0, 1, 2]) for task in range(4)]
    value, interval = iqm_interval(tasks)
    assert value == np.mean([100, 101, 102, 200, 201, 202])
    assert interval is not None
    assert value - 1.5 < interval.low < value < interval.high < value + 1.5


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 5), (5, 5), (17, 20)])
def test_intervals_of_counts_are_statsmodels(k, n):
    for ours, method in ((wilson_interval, "wilson"), (exact_interval, "beta")):
        low, high = proportion_confint(k, n, alpha=0.05, method=method)
        assert ours(k, n) == pytest.approx((low, high), abs=1e-9)


def test_an_exact_interval_covers_whatever_the_true_rate():
    """Summed over all outcomes, without simulation."""
    intervals = [exact_interval(k, 8) for k in range(9)]
    for rate in np.linspace(0.01, 0.99, 99):
        chances = stats.binom.pmf(range(9), 8, rate)
        assert (
            sum(p for p, i in zip(chances, intervals, strict=True) if i.low <= rate <= i.high)
            >= 0.95
        )


def test_counts_are_compared_by_enumerating_tables():
    """Every way to deal the successes to the two arms, the likelier ones left out."""
    n, other_n, k, other_k = 6, 5, 6, 1
    total = k + other_k
    dealt = list(combinations(range(n + other_n), total))
    chance = {
        first: sum(sum(i < n for i in chosen) == first for chosen in dealt) / len(dealt)
        for first in range(total + 1)
    }
    expected = sum(p for p in chance.values() if p <= chance[k] * (1 + 1e-9))
    assert fisher(k, n, other_k, other_n) == pytest.approx(expected)


def test_a_design_that_cannot_reach_the_level_has_no_p():
    assert fisher(3, 3, 0, 3) is None
    assert fisher(5, 5, 0, 5) == pytest.approx(1 / 126)
    assert fisher(0, 0, 1, 5) is None
    assert sign_flip([1.0, 2, 3]) is None
    assert sign_flip([1.0, 2, 3], alpha=0.25) == pytest.approx(0.25)
    assert sign_flip([1.0, 2, 3, 4, 5]) is None
    assert sign_flip([1.0, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    assert permutation([1.0, 2, 3], [4.0, 5, 6]) is None
    assert permutation([1.0, 2, 3], [4.0, 5, 6], alpha=0.1) == pytest.approx(2 / 20)
    assert permutation([1.0, 2, 3, 4], [5.0, 6, 7, 8]) == pytest.approx(2 / 70)
    assert permutation([1.0, 2], [3.0, 4, 5, 6, 7]) == pytest.approx(2 / 21)  # as far: 6 and 7
    assert permutation([-9.0, 2], [3.0, 4, 5, 6, 7]) == pytest.approx(1 / 21)
    assert permutation([], [1.0, 2]) is None


def test_what_is_too_much_to_enumerate_has_no_exact_p():
    rng = np.random.default_rng(0)
    assert sign_flip(rng.normal(size=20)) is not None
    assert sign_flip(rng.normal(size=21)) is None
    assert permutation(rng.normal(size=10), rng.normal(size=10)) is not None
    assert permutation(rng.normal(size=10), rng.normal(size=11)) is None


@pytest.mark.parametrize(("n", "other_n"), [(3, 3), (4, 2), (5, 4), (6, 1)])
def test_all_against_none_is_the_smallest_p_of_a_table_of_counts(n, other_n):
    smallest = min(
        stats.fisher_exact([[k, n - k], [other, other_n - other]]).pvalue
        for k in range(n + 1)
        for other in range(other_n + 1)
    )
    reached = fisher(n, n, 0, other_n, alpha=1.0)
    assert reached == pytest.approx(smallest)


def test_sign_flips_are_enumerated():
    x = [0.3, -0.1, 0.4, 0.2, 0.0, 0.5, 0.2]
    sums = [
        abs(sum(s * v for s, v in zip(signs, x, strict=True)))
        for signs in product((1, -1), repeat=7)
    ]
    assert sign_flip(x) == pytest.approx(np.mean([s >= abs(sum(x)) - 1e-12 for s in sums]))
    theirs = stats.permutation_test((x,), np.mean, permutation_type="samples", n_resamples=math.inf)
    assert sign_flip(x) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(("n", "other_n", "shift"), [(4, 4, 1.0), (5, 3, 2.0), (6, 6, 0.3)])
def test_values_are_dealt_out_in_every_way(n, other_n, shift):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n).round(1), (rng.normal(size=other_n) + shift).round(1)  # with ties
    theirs = stats.permutation_test(
        (x, y), lambda a, b, axis: a.mean(axis) - b.mean(axis), n_resamples=math.inf
    )
    pooled, observed = np.concatenate([x, y]), abs(x.mean() - pooled_mean(x, y))
    dealt = [abs(np.mean(chosen) - pooled.mean()) for chosen in combinations(pooled, n)]
    assert permutation(x, y) == pytest.approx(np.mean([d >= observed - 1e-9 for d in dealt]))
    if n == other_n:  # scipy doubles the smaller tail, which is the same for groups of one size
        assert permutation(x, y) == pytest.approx(theirs.pvalue)


def pooled_mean(x, y) -> float:
    return float(np.concatenate([x, y]).mean())


@pytest.mark.parametrize(("k", "other_k", "n"), [(5, 0, 5), (6, 2, 6), (4, 3, 7)])
def test_dealing_out_zeros_and_ones_in_groups_of_one_size_is_fishers_test(k, other_k, n):
    first, second = [1.0] * k + [0.0] * (n - k), [1.0] * other_k + [0.0] * (n - other_k)
    assert permutation(first, second) == pytest.approx(fisher(k, n, other_k, n))
