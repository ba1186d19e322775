"""Measuring what a profile costs on this machine, and the pre-training that fits a time."""

from __future__ import annotations

import pytest

from benchmarks.throughput import EVALUATIONS, Cost, costs, fitting_steps, main
from experiments.errors import UserError
from tests.sweeps.test_stages import staged


@pytest.fixture(scope="module")
def found() -> list[Cost]:
    return list(costs(staged(), steps=2))


def test_each_arm_is_measured_once_and_stands_for_all_its_runs(found) -> None:
    counted = {(cost.stage, cost.name): cost.num_runs for cost in found}
    # The A/A row's further seed is a run of BERT's arms.
    assert counted == {
        ("pretrain", "bert pretrain"): 2,
        ("pretrain", "ltr pretrain"): 1,
        ("pretrain", "rtl pretrain"): 1,
        ("finetune", "bert entailment"): 2,
        ("finetune", "ltr entailment"): 1,
        ("finetune", "ltr_bilstm entailment"): 1,
        ("finetune", "ltr_rtl spans"): 1,
    }
    assert all(min(cost.start, cost.step, cost.evaluation) > 0 for cost in found)


def test_tokens_are_those_of_the_batches(found) -> None:
    plan = staged()
    for cost in found:
        if cost.stage == "pretrain":
            data = next(r["config"]["data"] for r in plan["runs"] if r["stage"] == "pretrain")
            full = data["batch_size"] * data["sequence_length"]
            # Padded to the longest sequence of the batch, which some batch fills.
            assert full / 4 < cost.tokens_a_step <= full


def made_up(name: str, stage: str, **changes: float) -> Cost:
    settings = {"num_runs": 2, "steps": 100, "evaluate_every": 50, "tokens_a_step": 1000.0}
    settings |= {"start": 10.0, "step": 0.5, "evaluation": 5.0}
    return Cost(name=name, stage=stage, **settings | changes)


def test_a_run_costs_its_start_its_steps_and_its_evaluations() -> None:
    assert made_up("a", "finetune").seconds(100) == 2 * (10 + 100 * 0.5 + (EVALUATIONS + 2) * 5)


def test_the_steps_that_are_told_take_the_time_that_was_asked_for() -> None:
    arms = [
        made_up("bert", "pretrain"),
        made_up("ltr", "pretrain", step=0.75, num_runs=1),
        made_up("bert mrpc", "finetune"),
    ]
    steps = fitting_steps(arms, minutes=30)
    took = sum(a.seconds(steps if a.stage == "pretrain" else a.steps) for a in arms)
    one_more = 2 * (0.5 + 5 / 50) + 0.75 + 5 / 50
    # An evaluation more or less: they come at whole numbers of steps.
    assert 30 * 60 - one_more - 3 * 5 <= took <= 30 * 60
    assert fitting_steps(arms, minutes=3) < 1


def test_measuring_no_step_is_a_mistake() -> None:
    with pytest.raises(UserError, match="--steps 0 is too few"):
        main(sweep="bert_text", profile="gpu", minutes=25, data="data", steps=0, overrides=[])
