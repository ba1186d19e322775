"""Choosing a learning rate per arm: on validation alone, a pure function of the runs."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.tuning import choose


def make(scores: dict[tuple[str, float], list[float]], *, tune: bool = True):
    runs, rows = [], []
    for (residual, lr), values in scores.items():
        for seed, value in enumerate(values):
            run_id = f"{residual}-{lr}-{seed}"
            factors = {"residual": residual, "lr": lr}
            runs.append({"run_id": run_id, "role": "cell", "seed": seed, "factors": factors})
            # The test score says the opposite: it must not matter.
            rows.append(
                {
                    "run_id": run_id,
                    "metrics.validation_exact_match": value,
                    "metrics.exact_match": 1 - value,
                }
            )
    runs.append({"run_id": "aa", "role": "aa", "factors": {"residual": "all", "lr": 0.002}})
    plan = {"runs": runs}
    if tune:
        plan["tune"] = {"factor": "lr", "by": "validation_exact_match"}
    frame = pd.DataFrame(rows)
    frame.attrs = {"source": "test"}
    return plan, frame


def test_each_arm_keeps_its_best_level_by_mean_validation_score() -> None:
    scores = {
        ("all", 0.001): [0.5, 0.6],
        ("all", 0.002): [0.9, 0.8],
        ("none", 0.001): [0.4, 0.2],
        ("none", 0.002): [0.1, 0.3],
        ("mlp", 0.002): [0.7, 0.7],
    }
    plan, frame, chosen = choose(*make(scores))
    kept = {"all-0.002-0", "all-0.002-1", "none-0.001-0", "none-0.001-1", "mlp-0.002-0"}
    assert set(frame["run_id"]) == kept | {"mlp-0.002-1"}
    assert all("lr" not in run["factors"] for run in plan["runs"])
    assert str(chosen["none-0.001-0"]) == "0.001 of 0.001: 0.300, 0.002: 0.200"
    assert str(chosen["mlp-0.002-0"]) == "0.002"
    assert frame.attrs == {"source": "test"}


def test_a_tie_goes_to_the_smaller_level() -> None:
    _, frame, _ = choose(*make({("all", 0.004): [0.5], ("all", 0.001): [0.5]}))
    assert list(frame["run_id"]) == ["all-0.001-0"]


def test_a_level_without_a_finished_run_cannot_win() -> None:
    _, frame, _ = choose(*make({("all", 0.001): [float("nan")], ("all", 0.002): [0.1]}))
    assert list(frame["run_id"]) == ["all-0.002-0"]


def test_before_anything_is_finished_the_baselines_level_stands() -> None:
    plan, frame = make({("all", 0.001): [0.5], ("all", 0.002): [0.1]})
    made, _, _ = choose(plan, frame.iloc[:0])
    assert [run["run_id"] for run in made["runs"]] == ["all-0.002-0", "aa"]


@pytest.mark.parametrize("scores", [{("all", 0.002): [0.5]}])
def test_a_plan_that_tunes_nothing_comes_back_as_it_is(scores) -> None:
    plan, frame = make(scores, tune=False)
    made, same, chosen = choose(plan, frame)
    assert made == plan
    assert same is frame
    assert chosen == {}
