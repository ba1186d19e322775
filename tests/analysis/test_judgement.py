"""Claims judged on synthetic runs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from analysis.cells import measure, planned
from analysis.frame import plan_frame
from analysis.judgement import against_itself, in_plan, judge
from experiments.errors import UserError


def judged(study, plan=None):
    plan = plan or study.plan
    results = judge(plan, plan_frame(plan, study.root))
    return {result.claim["id"]: result for result in results}


def test_the_papers_outcomes_agree_with_the_paper(full_study):
    results = judged(full_study)
    verdicts = {name: result.verdict for name, result in results.items()}
    assert verdicts == {
        "order_without_positions": "agrees",
        "mask_is_needed": "agrees",
        "one_layer_is_not_enough": "agrees",
        "positions_replace_the_mask": "agrees",
        "residuals_help_convergence": "agrees",
        "residuals_carry_position": "not resolved",
    }
    assert results["residuals_help_convergence"].reason.startswith("4 of 20 seeds censored")


def test_a_claim_whose_cells_the_plan_lacks_is_left_out(full_study):
    present, absent = in_plan(full_study.plan)
    assert absent == ["too_many_residuals"]
    assert len(present) == 6


def test_intervals_are_adjusted_over_the_claims_of_the_table(study):
    """Two claims: the smaller p gets 97.5 %, the other 95 %, both as scipy gives them."""
    causal, learned, blind = [0.95, 0.99, 0.97], [0.99, 0.97, 1.0], [0.3, 0.33, 0.28]
    study.arm(exact=causal)
    study.arm(position="learned", exact=learned)
    study.arm("bidirectional", exact=blind, steps=[None] * 3)
    plan = study.plan
    plan["claims"] = plan["claims"][:2]
    results = judged(study, plan)
    order = stats.ttest_ind(causal, learned, equal_var=False)
    mask = stats.ttest_ind(causal, blind, equal_var=False)
    assert order.pvalue > 0.05 > mask.pvalue
    expected = mask.confidence_interval(0.975)
    assert results["mask_is_needed"].interval == pytest.approx((expected.low, expected.high))
    assert results["mask_is_needed"].p_adjusted == pytest.approx(2 * mask.pvalue)
    expected = order.confidence_interval(0.95)
    assert results["order_without_positions"].interval == pytest.approx(
        (expected.low, expected.high)
    )


def test_an_interaction_with_a_saturated_cell_is_not_resolved(study):
    study.arm(exact=[0.99] * 3, steps=[2000, 2500, 2250])
    study.arm(residual="none", exact=[0.1] * 3, steps=[None] * 3)
    study.arm(position="learned", exact=[0.99] * 3, steps=[500, 750, 500])
    study.arm(position="learned", residual="none", exact=[0.99] * 3, steps=[600, 750, 700])
    results = judged(study)
    interaction = results["residuals_carry_position"]
    assert interaction.interval is None
    assert interaction.verdict == "not resolved"
    assert interaction.reason.startswith("saturated")
    # The main effect keeps its interval: a bound suffices for its direction.
    assert results["residuals_help_convergence"].verdict == "agrees"


def test_all_cells_saturated_is_not_resolved_with_that_reason(study):
    for position in ("none", "learned"):
        for residual in ("all", "none"):
            study.arm(position=position, residual=residual, exact=[0.1] * 3, steps=[None] * 3)
    result = judged(study)["residuals_help_convergence"]
    assert (result.interval, result.verdict) == (None, "not resolved")
    assert result.reason == "saturated: no seed of any cell converged within the budget"


@pytest.mark.parametrize(
    ("exact", "reason"),
    [([0.9], "fewer than two seeds"), ([0.9, 0.9], "no cell has any spread")],
)
def test_no_interval_is_made_up(study, exact, reason):
    study.arm(exact=exact)
    study.arm(position="learned", exact=exact)
    result = judged(study)["order_without_positions"]
    assert (result.interval, result.p_adjusted, result.verdict) == (None, None, "not resolved")
    assert reason in result.reason


def test_an_exact_p_stands_beside_the_interval_where_the_design_can_reach_the_level(study):
    causal, learned = [0.95, 0.99, 0.97, 0.9, 0.93], [0.99, 0.97, 1.0, 0.96, 0.98]
    study.arm(exact=causal)
    study.arm(position="learned", exact=learned)
    study.arm("bidirectional", exact=[0.3, 0.33, 0.28], steps=[None] * 3)
    results = judged(study)
    theirs = stats.permutation_test(
        (causal, learned), lambda a, b, axis: a.mean(axis) - b.mean(axis), n_resamples=math.inf
    )
    assert results["order_without_positions"].p_exact == pytest.approx(theirs.pvalue)
    assert results["mask_is_needed"].p_exact == pytest.approx(1 / 56)  # five against three


def test_three_seeds_against_three_have_an_interval_but_no_exact_p(study):
    study.arm(exact=[0.95, 0.99, 0.97])
    study.arm("bidirectional", exact=[0.3, 0.33, 0.28], steps=[None] * 3)
    result = judged(study)["mask_is_needed"]
    assert result.interval is not None
    assert result.p_exact is None


def test_pairs_of_seeds_are_judged_exactly_by_flipping_signs(study):
    causal = [0.9, 0.8, 0.85, 0.7, 0.95, 0.88]
    learned = [x + d for x, d in zip(causal, [0.01, 0.02, 0.03, -0.01, 0.05, 0.04], strict=True)]
    study.arm(exact=causal)
    study.arm(position="learned", exact=learned)
    for i, run in enumerate(study.runs):
        run["seed"] = i % len(causal)
        path = study.root / "symmetry" / run["run_id"] / "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) | {"seed": run["seed"]}
        path.write_text(json.dumps(result), encoding="utf-8")
    plan = study.plan
    plan["claims"][0]["paired"] = True
    theirs = stats.permutation_test(
        (np.subtract(learned, causal),), np.mean, permutation_type="samples", n_resamples=math.inf
    )
    result = judged(study, plan)["order_without_positions"]
    assert result.p_exact == pytest.approx(theirs.pvalue)


def test_seeds_without_any_spread_have_no_interval_but_an_exact_p(study):
    study.arm(exact=[1.0] * 5)
    study.arm("bidirectional", exact=[0.25] * 5, steps=[None] * 5)
    result = judged(study)["mask_is_needed"]
    assert (result.interval, result.verdict) == (None, "not resolved")
    assert result.p_exact == pytest.approx(2 / 252)


def test_arms_stopped_at_their_gate_have_no_exact_p_even_without_any_spread(study):
    study.arm(exact=[0.5] * 5)
    study.arm("bidirectional", exact=[0.25] * 5, steps=[None] * 5)
    plan = study.plan
    plan["claims"][1]["gate"] = {"metric": "exact_match", "at_least": 0.9}
    result = judged(study, plan)["mask_is_needed"]
    assert result.reason.endswith("to be compared it must be at least 0.9")
    assert result.p_exact is None


def test_an_interaction_of_unpaired_cells_has_no_exact_p(full_study):
    results = judged(full_study)
    assert results["residuals_carry_position"].p_exact is None


def test_a_claim_that_predicts_nothing_for_us_is_not_comparable_and_leaves_the_family(full_study):
    plan = full_study.plan
    family = judged(full_study)["mask_is_needed"]
    plan["claims"][0]["not_comparable"] = "the paper's format differs"
    results = judged(full_study, plan)
    assert results["order_without_positions"].verdict == "not comparable"
    assert results["order_without_positions"].reason == "the paper's format differs"
    assert results["mask_is_needed"].p_adjusted < family.p_adjusted


def test_missing_seeds_are_counted_not_hidden(full_study):
    run = next(run for run in full_study.runs if run["variant"] == "causal-learned-all")
    (full_study.root / "symmetry" / run["run_id"] / "DONE").unlink()
    assert judged(full_study)["order_without_positions"].counts == ((5, 5), (4, 5))


def test_a_diverged_seed_counts_as_learning_nothing(study):
    study.arm(exact=[0.9, 0.8])
    study.arm(exact=[None], steps=[None], status="diverged")
    frame = plan_frame(study.plan, study.root)
    assert list(measure(frame, "exact_match").values) == [0.9, 0.8, 0.0]
    assert list(measure(frame, "log_steps").censored) == [False, False, True]


def test_further_seeds_of_the_baseline_serve_only_the_row_against_itself(full_study):
    frame = plan_frame(full_study.plan, full_study.root)
    pattern = {"attention_mask": "causal", "position": "none", "residual": "all", "num_layers": 2}
    assert len(planned(full_study.plan, pattern)) == 5
    a, b = [0.994, 0.996, 0.99, 0.998, 0.992], [0.99, 0.998, 0.99, 1.0, 0.996]
    contrast = against_itself(full_study.plan, frame, "exact_match")
    assert contrast.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)


def test_a_factor_left_out_of_a_pattern_stays_at_the_baseline(study):
    study.arm(exact=[0.9, 0.8])
    study.arm(exact=[0.1, 0.2], factors={"digits": 3})
    pattern = {"attention_mask": "causal", "position": "none"}
    with pytest.raises(UserError, match="name its level of digits"):
        planned(study.plan, pattern)
    study.arm(exact=[0.9, 0.8], role="aa")
    assert planned(study.plan, pattern) == {run["run_id"] for run in study.runs[:2]}
