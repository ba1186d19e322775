"""The verdict rule, stated again in another order and compared on random intervals."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.statistics import Interval
from analysis.verdict import AGREES, DISAGREES, NOT_COMPARABLE, NOT_RESOLVED, VERDICTS, verdict

ends = st.floats(-2, 2)
intervals = st.tuples(ends, ends).map(lambda pair: Interval(min(pair), max(pair)))
deltas = st.floats(0.01, 1)
kinds = st.sampled_from(
    [("difference", "positive"), ("difference", "negative"), ("absence", "none")]
)
MIRROR = {"positive": "negative", "negative": "positive", "none": "none"}


@pytest.mark.parametrize(
    ("low", "high", "positive", "absence"),
    [
        (-0.04, 0.04, DISAGREES, AGREES),  # shows that nothing interesting is there
        (0.01, 0.04, DISAGREES, AGREES),  # not 0, and too small to interest: delta comes first
        (0.01, 0.05, AGREES, DISAGREES),  # reaches delta, so it is not inside
        (0.01, 0.20, AGREES, DISAGREES),
        (-0.20, -0.01, DISAGREES, DISAGREES),
        (-0.01, 0.20, NOT_RESOLVED, NOT_RESOLVED),
        (0.00, 0.20, NOT_RESOLVED, NOT_RESOLVED),  # touches 0
    ],
)
def test_verdicts_by_example(low, high, positive, absence):
    interval = Interval(low, high)
    assert verdict(interval, claimed="difference", direction="positive", delta=0.05) == positive
    assert verdict(interval, claimed="absence", direction="none", delta=0.05) == absence


def test_an_undefined_interval_is_not_resolved():
    assert verdict(None, claimed="absence", direction="none", delta=1.0) == NOT_RESOLVED


@given(intervals | st.none(), kinds, deltas)
def test_not_comparable_comes_before_everything(interval, kind, delta):
    claimed, direction = kind
    given_ = {"claimed": claimed, "direction": direction, "delta": delta}
    assert verdict(interval, comparable=False, **given_) == NOT_COMPARABLE
    assert verdict(interval, **given_) in set(VERDICTS) - {NOT_COMPARABLE}


@given(intervals, kinds, deltas)
def test_mirroring_data_and_claim_changes_nothing(interval, kind, delta):
    claimed, direction = kind
    mirrored = Interval(-interval.high, -interval.low)
    assert verdict(interval, claimed=claimed, direction=direction, delta=delta) == verdict(
        mirrored, claimed=claimed, direction=MIRROR[direction], delta=delta
    )


@given(intervals, deltas)
def test_a_claim_and_its_denial_never_both_agree(interval, delta):
    claimed = [
        verdict(interval, claimed="difference", direction=side, delta=delta)
        for side in ("positive", "negative")
    ]
    absence = verdict(interval, claimed="absence", direction="none", delta=delta)
    assert [*claimed, absence].count(AGREES) <= 1


@given(intervals, kinds, deltas)
def test_unresolved_exactly_when_zero_and_something_interesting_are_both_possible(
    interval, kind, delta
):
    claimed, direction = kind
    holds_zero = interval.low <= 0 <= interval.high
    holds_interesting = interval.low <= -delta or interval.high >= delta
    result = verdict(interval, claimed=claimed, direction=direction, delta=delta)
    assert (result == NOT_RESOLVED) == (holds_zero and holds_interesting)


@given(intervals, st.floats(0, 0.5), kinds, deltas)
def test_widening_an_interval_never_turns_agreement_into_disagreement_on_direction(
    interval, margin, kind, delta
):
    claimed, direction = kind
    assume(claimed == "difference")
    wide = Interval(interval.low - margin, interval.high + margin)
    before = verdict(interval, claimed=claimed, direction=direction, delta=delta)
    after = verdict(wide, claimed=claimed, direction=direction, delta=delta)
    assert (before, after) != (AGREES, DISAGREES)
