"""Columns of averages that a few odd seeds do not move."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arm_rows import arms
from analysis.declaration import KINDS
from analysis.frame import plan_frame
from analysis.statistics import iqm_interval, restricted_mean

EXACT = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.1]
STEPS = [1000, 1500, 2000, 2500, 3000, 3500, 4000, None]


@pytest.fixture
def arm(study):
    study.arm(exact=EXACT, steps=STEPS)
    (arm,) = arms(study.plan, plan_frame(study.plan, study.root))
    return arm


def test_the_median_and_the_interquartile_mean_of_a_metric(arm):
    median = KINDS["arms"]["median"](arm, metric="metrics.exact_match")
    assert median.values[""] == np.median(EXACT)
    assert (median.values["low"], median.values["high"]) == (0.1, 0.96)
    iqm = KINDS["arms"]["iqm"](arm, metric="metrics.exact_match")
    value, interval = iqm_interval([EXACT])
    assert value == pytest.approx(np.mean([0.91, 0.92, 0.93, 0.94]))
    assert tuple(iqm.values.values()) == pytest.approx((value, *interval))


def test_mean_steps_up_to_the_budget(arm):
    cell = KINDS["arms"]["restricted_steps"](arm)
    expected = restricted_mean(STEPS, budget=6000, horizon=6000)
    assert cell.values[""] == pytest.approx(np.mean([*STEPS[:-1], 6000])) == expected.mean
    assert cell.text.startswith("2938 [")
