"""The plan: composed once an arm, equal to Hydra's own composition, frozen before training."""

from __future__ import annotations

import random

from analysis.claims import changed
from experiments.compose import compose
from experiments.identity import run_id
from sweeps.plan import freeze, load_plan, make_plan
from tests.conftest import TINY
from tests.sweeps.conftest import declare


def test_planned_runs_equal_hydras_own_composition(planned) -> None:
    arms = [["residual=all"], ["residual=first3", "position=learned"], ["attention_mask=reverse"]]
    plan = planned(seeds=4, arms=arms)
    assert len(plan["runs"]) == 3 * 4 + 4
    for run in random.Random(0).sample(plan["runs"], 6):
        arm = {
            "baseline": arms[0],
            "position=learned,residual=first3": arms[1],
            "attention_mask=reverse": arms[2],
        }[run["variant"]]
        composed = compose([*TINY, *arm, f"seed={run['seed']}"])
        assert run["run_id"] == run_id(composed)
        labels = {"sweep", "variant", "tags"}
        for key in composed.keys() - labels:
            assert run["config"][key] == composed[key], key


def test_duplicate_points_are_one_run(planned) -> None:
    plan = planned(arms=[["residual=all"], ["residual=first4"], ["residual=none"]], seeds=3)
    ids = [run["run_id"] for run in plan["runs"]]
    assert len(ids) == len(set(ids)) == 2 * 3 + 3


def test_more_seeds_keep_the_runs_that_are_there(planned) -> None:
    few, many = planned(seeds=2), planned(seeds=5)
    assert {r["run_id"] for r in few["runs"]} < {r["run_id"] for r in many["runs"]}
    further = [r["seed"] for r in many["runs"] if r["role"] == "aa"]
    assert further == [5, 6, 7, 8, 9]


def test_claims_are_kept_from_the_first_plan_and_later_changes_marked(tmp_path) -> None:
    path = tmp_path / "plan.json"
    claims = [{"id": "a", "delta": 0.05}, {"id": "b", "delta": 0.1}]
    first = freeze(make_plan(declare(), common=[], claims=claims), path)
    assert first["claims"] == claims
    later = [{"id": "a", "delta": 0.01}, {"id": "b", "delta": 0.1}, {"id": "c", "delta": 1.0}]
    for _ in range(2):  # a change stays marked however often the plan is made
        second = freeze(make_plan(declare(), common=[], claims=later), path)
        assert second["claims"] == [
            {"id": "a", "delta": 0.05, "changed_after_plan": "changed"},
            {"id": "b", "delta": 0.1},
            {"id": "c", "delta": 1.0, "changed_after_plan": "added"},
        ]
    assert load_plan(path) == second


def test_what_is_told_of_a_plans_claims_is_true_of_them(tmp_path) -> None:
    path = tmp_path / "plan.json"

    def told(*claims: dict, file: list[dict] | None = None) -> list[str]:
        plan = freeze(make_plan(declare(), common=[], claims=list(claims)), path)
        return changed(plan["claims"], claims if file is None else file)

    a, b = {"id": "a", "delta": 0.05}, {"id": "b", "delta": 0.1}
    looser = {**a, "delta": 0.01}
    assert told(a) == []
    assert told(a, file=[a, b]) == ["claim b was added after the plan; not judged"]
    added = "claim b was added after the first plan"
    assert told(a, b) == told(a, b) == [added]
    moved = "claim a was changed after the data (delta); judged as the plan froze it"
    assert told(looser, b) == told(looser, b) == [moved, added]
    # Put back as it was: it is judged as the file has it, but it did move.
    assert told(a, b) == ["claim a was changed after the first plan", added]
    moved = "claim b was changed after the data (delta); judged as the plan froze it"
    assert told(a, {**b, "delta": 9.0})[1:] == [added, moved]
    both = "claims b, c were added after the first plan"
    assert told(a, b, {"id": "c", "delta": 1.0})[1:] == [both]


def test_a_claim_that_is_taken_out_stays_in_the_plan_as_withdrawn(tmp_path) -> None:
    path = tmp_path / "plan.json"
    a, b = {"id": "a", "delta": 0.05}, {"id": "b", "delta": 0.1}
    renamed = {**a, "id": "a_with_a_gate"}
    freeze(make_plan(declare(), common=[], claims=[a, b]), path)
    for _ in range(2):
        plan = freeze(make_plan(declare(), common=[], claims=[renamed, b]), path)
        assert plan["claims"] == [{**renamed, "changed_after_plan": "added"}, b]
        assert plan["withdrawn"] == [a]
    # Taken in again, it is judged as the first plan froze it.
    plan = freeze(make_plan(declare(), common=[], claims=[{**a, "delta": 1.0}, b]), path)
    assert plan["claims"] == [{**a, "changed_after_plan": "changed"}, b]
    assert [claim["id"] for claim in plan["withdrawn"]] == ["a_with_a_gate"]


def test_a_published_plan_that_marks_a_claim_with_true_is_read() -> None:
    claim = {"id": "a", "delta": 0.05}
    expected = ["claim a was changed after the first plan"]
    assert changed([{**claim, "changed_after_plan": True}], [claim]) == expected


def test_what_planning_assumes_and_tables_call_a_metric_is_no_change_of_a_claim(tmp_path) -> None:
    path = tmp_path / "plan.json"
    claim = {"id": "a", "delta": 0.05, "planning_sd": 0.02}
    freeze(make_plan(declare(), common=[], claims=[claim]), path)
    later = {**claim, "planning_sd": 0.04, "label": "task score"}
    assert freeze(make_plan(declare(), common=[], claims=[later]), path)["claims"] == [later]
