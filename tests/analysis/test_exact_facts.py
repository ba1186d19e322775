"""Exact facts: which arms they bind, and when a run breaks one."""

from __future__ import annotations

import pytest

from analysis.exact_facts import violations
from analysis.frame import plan_frame


def found(study):
    return violations(plan_frame(study.plan, study.root))


@pytest.mark.parametrize(
    ("mask", "position", "num_layers", "bound"),
    [
        ("bidirectional", "none", 2, True),
        ("bidirectional", "none", 1, True),
        ("reverse", "none", 3, True),
        ("causal", "none", 1, True),
        ("causal", "none", 2, False),
        ("bidirectional", "learned", 2, False),
        ("causal", "learned", 1, False),
    ],
)
def test_a_symmetric_arm_must_be_invariant(study, mask, position, num_layers, bound):
    study.arm(mask, position, num_layers=num_layers, exact=[0.3], invariance=1e-6)
    sentences = found(study)
    assert len(sentences) == bound
    assert not bound or study.runs[0]["run_id"] in sentences[0]


def test_rounding_is_not_a_violation(study):
    study.arm("bidirectional", exact=[0.3], invariance=8e-15)
    assert found(study) == []


def test_an_unmeasured_invariance_is_not_a_violation(study):
    study.arm("bidirectional", exact=[None], steps=[None], status="diverged", invariance=None)
    assert found(study) == []


@pytest.mark.parametrize(
    ("exact", "size", "violated"),
    [
        (0.44, 500, False),  # above .419 by chance: p = .18
        (0.55, 500, True),  # 275 of 500: p = 2e-9
        (0.55, 20, False),  # the same rate on 20 problems proves nothing
        (1.0, 500, True),
    ],
)
def test_exact_match_above_the_ceiling_is_judged_by_an_exact_test(study, exact, size, violated):
    study.arm("bidirectional", exact=[exact], invariance=1e-15, test_size=size)
    assert bool(found(study)) == violated


def test_the_ceiling_binds_no_other_arm(study):
    study.arm(exact=[1.0])
    study.arm("bidirectional", "learned", exact=[1.0])
    assert found(study) == []
