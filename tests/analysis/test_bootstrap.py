"""Contrasts from 20 seeds on, nested seeds, and pairs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.comparison import interval_name
from analysis.judgement import judge
from analysis.statistics import contrast_of, paired_contrast, seeds_to_resolve, smallest_difference
from analysis.statistics.bootstrap import mean_draws
from tests.analysis.finetuned import claim, finetuned


def units(values):
    return [[value] for value in values]


def test_resampled_means_have_the_distribution_of_all_resamples():
    x = np.array([0.0, 1.0, 5.0])
    every = [np.mean(chosen) for chosen in product(x, repeat=3)]
    draws = mean_draws([units(x)], [1.0])
    for point in (0.5, 1.5, 3.0):
        assert np.mean(draws < point) == pytest.approx(np.mean(np.array(every) < point), abs=0.02)


def test_two_levels_are_resampled_one_within_the_other():
    """Every way to draw two of two units and two of two runs in each, counted."""
    cell = np.array([[0.0, 2.0], [10.0, 30.0]])
    means = [
        np.mean([cell[a, i], cell[a, j], cell[b, k], cell[b, m]])
        for a, b, i, j, k, m in product((0, 1), repeat=6)
    ]
    draws = mean_draws([cell], [1.0])
    assert draws.mean() == pytest.approx(np.mean(means), abs=0.2)
    assert draws.std() == pytest.approx(np.std(means), rel=0.03)
    for point in (1.5, 6.0, 12.0, 21.0):
        assert np.mean(draws < point) == pytest.approx(np.mean(np.array(means) < point), abs=0.02)


def test_units_of_unequal_sizes_count_equally():
    draws = mean_draws([[[1.0], [3.0, 3.0, 3.0]]], [1.0])
    # Each draw is a sum of thirds and halves, which round.
    assert set(np.unique(draws.round(12))) == {1.0, 2.0, 3.0}
    assert draws.mean() == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(
    ("num_units", "runs", "resamples"), [(19, 1, False), (20, 1, True), (7, 3, False), (8, 3, True)]
)
def test_the_design_alone_decides_on_the_bootstrap(num_units, runs, resamples):
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=(num_units, runs)) for _ in range(2)]
    contrast = contrast_of(cells, weights=[1, -1])
    assert (contrast.draws is not None) == resamples
    if not resamples:
        theirs = stats.ttest_ind(*(cell.mean(axis=1) for cell in cells), equal_var=False)
        assert contrast.p == pytest.approx(theirs.pvalue)


def test_a_bootstrap_interval_leaves_out_zero_exactly_when_its_p_is_small():
    rng = np.random.default_rng(3)
    seen = set()
    for shift in np.linspace(0.2, 1.2, 25):
        contrast = contrast_of(
            [units(rng.normal(shift, 1, 20)), units(rng.normal(0, 1, 20))], weights=[1, -1]
        )
        for rate in (0.05, 0.02, 0.005):
            interval = contrast.interval(1 - rate)
            assert (contrast.p <= rate) == (interval.low > 0 or interval.high < 0)
            seen.add(contrast.p <= rate)
    assert seen == {True, False}


def test_a_bootstrap_of_normal_scores_is_close_to_welch():
    rng = np.random.default_rng(4)
    a, b = rng.normal(0.5, 1, 40), rng.normal(0, 2, 40)
    ours = contrast_of([units(a), units(b)], weights=[1, -1])
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert ours.interval(0.95) == pytest.approx((theirs.low, theirs.high), abs=0.06)


def test_pairs_are_the_paired_t_test():
    a, b = [0.81, 0.85, 0.9, 0.7], [0.8, 0.83, 0.86, 0.69]
    theirs = stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    for ours in (
        paired_contrast([a, b], weights=[1, -1]),
        contrast_of([units(a), units(b)], weights=[1, -1], paired=True),
    ):
        assert ours.p == pytest.approx(theirs.pvalue)
        assert ours.interval(0.95) == pytest.approx((interval.low, interval.high))


def test_pairs_are_resampled_together():
    rng = np.random.default_rng(5)
    common = rng.normal(0, 10, 20)
    a, b = units(common + rng.normal(0.5, 0.1, 20)), units(common)
    together = contrast_of([a, b], weights=[1, -1], paired=True).interval(0.95)
    apart = contrast_of([a, b], weights=[1, -1]).interval(0.95)
    assert together.high - together.low < 0.2
    assert apart.high - apart.low > 5


def scores(variant, task, first, seed):
    rng = np.random.default_rng([len(variant), first, seed])
    common = np.random.default_rng(first).normal(0, 0.1)
    return 0.5 + common + 0.02 * (variant != "no_nsp") + rng.normal(0, 0.002)


def test_claims_pair_seeds_only_where_arms_share_a_parent_or_the_claim_says_so():
    claims = [
        claim("head", (1, "bert", "spans"), (-1, "bilstm", "spans")),
        claim("nsp", (1, "bert", "spans"), (-1, "no_nsp", "spans")),
        claim("nsp_paired", (1, "bert", "spans"), (-1, "no_nsp", "spans"), paired=True),
    ]
    plan, frame = finetuned(scores, heads=["bilstm"], claims=claims, pretraining_seeds=4)
    head, apart, together = judge(plan, frame)
    assert [head.paired, apart.paired, together.paired] == [True, False, True]
    assert (together.verdict, apart.verdict) == ("agrees", "not resolved")
    assert together.seeds_to_resolve < apart.seeds_to_resolve


def test_pairs_leave_out_seeds_that_one_arm_lacks():
    claims = [claim("nsp", (1, "bert", "spans"), (-1, "no_nsp", "spans"), paired=True)]
    plan, frame = finetuned(scores, claims=claims, pretraining_seeds=4)
    gone = (frame["variant"] == "no_nsp") & (frame["config.pretraining.seed"] == 1)
    (judgement,) = judge(plan, frame[~gone])
    assert judgement.counts == ((4, 4), (3, 4))
    assert judgement.contrast.df == 2


def test_seeds_to_resolve_are_the_fewest_with_that_power():
    n = seeds_to_resolve([1, -1], sds=[0.1, 0.1], delta=0.05)
    enough, too_few = (smallest_difference([1, -1], sds=[0.1, 0.1], ns=[k, k]) for k in (n, n - 1))
    assert enough <= 0.05 < too_few
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.05, 0.1, (n, 10_000)), rng.normal(0, 0.1, (n, 10_000))
    power = (stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.02)


def test_seeds_to_resolve_an_absence_and_what_no_number_resolves():
    difference = seeds_to_resolve([1, -1], sds=[0.1, 0.1], delta=0.05)
    assert seeds_to_resolve([1, -1], sds=[0.1, 0.1], delta=0.05, absence=True) > difference
    assert seeds_to_resolve([1, -1], sds=[0.0, 0.0], delta=0.05) is None
    assert seeds_to_resolve([1, -1], sds=[1.0, 1.0], delta=1e-6) is None


@pytest.mark.parametrize(
    ("num_units", "seeds", "name"),
    [(3, 2, "t-interval"), (8, 2, "bootstrap interval"), (8, 1, "t-interval")],
)
def test_notes_call_the_interval_by_its_name(num_units, seeds, name):
    plan, _ = finetuned(scores, pretraining_seeds=num_units, seeds=seeds)
    assert interval_name(plan) == name
    few = {**plan, "runs": [r for r in plan["runs"] if (r["variant"], r["seed"]) != ("bert", 1)]}
    if name == "bootstrap interval":
        assert interval_name(few) == "t- or, where seeds suffice, bootstrap interval"
