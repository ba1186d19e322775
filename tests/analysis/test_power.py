"""What a plan can resolve."""

from __future__ import annotations

import pytest

from analysis.claims import load_claims
from analysis.frame import plan_frame
from analysis.power import measured_sds, resolvable
from analysis.statistics import smallest_difference, smallest_margin


def test_each_claim_is_planned_at_the_strictest_step_of_its_family():
    rows = {row["id"]: row for row in resolvable(load_claims("symmetry"), seeds=5)}
    assert len(rows) == 7
    mask, order = rows["mask_is_needed"], rows["order_without_positions"]
    options = {"sds": [0.02, 0.02], "ns": [5, 5], "alpha": 0.05 / 7}
    assert mask["resolvable"] == pytest.approx(smallest_difference([1, -1], **options))
    assert order["resolvable"] == pytest.approx(smallest_margin([1, -1], **options))
    assert mask["sd_source"] == "assumed"
    assert not mask["enough"]


def test_more_seeds_and_measured_spread_replace_the_assumption():
    rows = resolvable(load_claims("symmetry"), seeds=20, sds={"exact_match": 0.01})
    exact = [row for row in rows if row["metric"] == "exact_match"]
    assert all(row["enough"] and row["sd_source"] == "measured" for row in exact)


def test_a_plan_counts_its_own_seeds_and_claims(full_study):
    rows = {row["id"]: row for row in resolvable(full_study.plan)}
    assert "too_many_residuals" not in rows
    assert rows["residuals_carry_position"]["seeds"] == [5, 5, 5, 5]
    assert resolvable(full_study.plan, seeds=9)[0]["seeds"] == [9, 9]


def test_one_seed_resolves_nothing():
    row = resolvable(load_claims("symmetry"), seeds=1)[0]
    assert (row["resolvable"], row["enough"]) == (None, False)


def test_a_list_of_claims_needs_seeds():
    with pytest.raises(ValueError, match="number of seeds"):
        resolvable(load_claims("symmetry"))


def test_measured_spread_is_pooled_within_arms(study):
    study.arm(exact=[0.9, 1.0], steps=[1000, 1000])
    study.arm(position="learned", exact=[0.5, 0.5, 0.5], steps=[None] * 3)
    sds = measured_sds(plan_frame(study.plan, study.root))
    assert sds == pytest.approx({"exact_match": (0.005 / 3) ** 0.5})
