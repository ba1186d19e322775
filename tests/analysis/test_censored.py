"""Censored steps against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from analysis.statistics import kaplan_meier, log_rank, restricted_mean

STEPS = [500, 750, None, 500, 1000, None, 1250]
OTHER = [1500, None, 2000, None, 1750]
BUDGETS = [2000, 2000, 600, 2000, 2000, 2000, 2000]


def times_and_events(steps, budgets):
    pairs = [(b, 0) if s is None else (s, 1) for s, b in zip(steps, budgets, strict=True)]
    return np.array(pairs).T


def test_the_share_not_yet_converged_is_statsmodels():
    ours = kaplan_meier(STEPS, budget=BUDGETS)
    theirs = SurvfuncRight(*times_and_events(STEPS, BUDGETS))
    events = ours.converged > 0
    assert list(ours.steps[events]) == list(theirs.surv_times)
    assert ours.share[events] == pytest.approx(theirs.surv_prob)
    assert list(ours.at_risk[events]) == list(theirs.n_risk)


def test_the_restricted_mean_is_the_area_under_that_curve():
    curve = SurvfuncRight(*times_and_events(STEPS, BUDGETS))
    grid = np.arange(1500)  # the share is constant between whole steps
    index = np.searchsorted(curve.surv_times, grid, side="right")
    expected = np.concatenate([[1.0], curve.surv_prob])[index].sum()
    budgets = [2000] * 2 + [1500] + [2000] * 4
    assert restricted_mean(STEPS, budget=budgets, horizon=1500).mean != expected
    complete = SurvfuncRight(*times_and_events(STEPS, budgets))
    index = np.searchsorted(complete.surv_times, grid, side="right")
    expected = np.concatenate([[1.0], complete.surv_prob])[index].sum()
    assert restricted_mean(STEPS, budget=budgets, horizon=1500).mean == pytest.approx(expected)


def test_without_earlier_censoring_it_is_the_mean_of_the_cut_steps():
    cut = np.array([500, 750, 2000, 500, 1000, 2000, 1250.0])
    ours = restricted_mean(STEPS, budget=2000, horizon=2000)
    assert ours.mean == pytest.approx(cut.mean())
    assert ours.se == pytest.approx(cut.std(ddof=1) / np.sqrt(7))
    expected = stats.ttest_1samp(cut, 0).confidence_interval(0.95)
    assert ours.interval() == pytest.approx((expected.low, expected.high))


def test_the_restricted_mean_needs_the_curve_up_to_its_horizon():
    with pytest.raises(ValueError, match="beyond the smallest budget 600"):
        restricted_mean(STEPS, budget=BUDGETS, horizon=1500)


def test_the_log_rank_test_is_statsmodels():
    first, second = times_and_events(STEPS, [2000] * 7), times_and_events(OTHER, [2000] * 5)
    times, events = np.concatenate([first, second], axis=1)
    _, expected = survdiff(times, events, np.array([0] * 7 + [1] * 5))
    assert log_rank(STEPS, OTHER, budget=2000) == pytest.approx(expected)


def test_arms_that_never_converge_are_not_compared():
    assert log_rank([None, None], [None], budget=2000) is None
