"""Context extension: a trained model takes another schedule and is scored beyond its length, from
training to result, with real workers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.compose import compose
from experiments.errors import UserError
from experiments.identity import run_id
from experiments.lineage import parent_configs
from experiments.reproduce import reproduce
from experiments.store import read_lines
from experiments.worker import build_run
from sweeps.launcher import Slot
from sweeps.plan import Plan, make_plan
from sweeps.reconcile import reconcile
from sweeps.view import failures
from tests.sweeps.conftest import Recorder, declare

SMALL = [
    "model.num_layers=1",
    "model.hidden_size=16",
    "model.num_heads=2",
    "model.intermediate_size=16",
    "data.corpus=books",
    "data.length=16",
    "data.batch_size=4",
    "data.held_out=0.2",
    "data.evaluation_bytes=512",
    "runtime.device=cpu",
    "tracking=disabled",
]
# What the parent is trained with; a child has these, too, or something of its own instead.
STEPS = ["trainer.max_steps=6", "trainer.evaluate_every=3"]
EXTENSION = "experiment=positions_extension"


def overrides(data: Path) -> list[str]:
    common = [*SMALL, f"paths.data={data}"]
    passed_on = [o for o in (*SMALL, *STEPS) if o.startswith(("data.", "trainer."))]
    return [*common, *STEPS, f"pretraining.overrides={passed_on}"]


@pytest.fixture(scope="module")
def books(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "books").mkdir()
    generator = np.random.default_rng(0)
    for number in range(30):
        content = generator.integers(97, 123, 1000, dtype=np.uint8).tobytes()
        (folder / "books" / f"{number}.txt").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def trained(books, tmp_path_factory) -> tuple[Plan, Path]:
    runs = tmp_path_factory.mktemp("runs")
    zero_shot = [EXTENSION, "trainer.max_steps=0", "data.evaluate_to=4"]
    declared = declare(
        study="positions",
        experiment="positions",
        overrides=overrides(books),
        arms=[
            [],
            *([*zero_shot, f"extension={method}"] for method in ("none", "linear", "yarn")),
            [*zero_shot, "extension=none", "data.evaluate_to=1"],
            [EXTENSION, "extension=linear", "data.evaluate_to=4", "trainer.max_steps=3"],
        ],
        aa=[],
        seeds=1,
    )
    plan = make_plan(declared, common=[f"paths.runs={runs}"], claims=[])
    progress = reconcile(plan, runs, slots=[Slot(), Slot()], view=Recorder())
    assert progress.exit_code == 0, failures(progress)
    return plan, runs


def results(trained: tuple[Plan, Path]) -> dict[str, dict]:
    plan, runs = trained
    files = {
        run["variant"]: runs / "positions" / run["run_id"] / "result.json" for run in plan["runs"]
    }
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def test_the_parent_is_the_training_run_of_the_same_sweep(trained) -> None:
    plan, _ = trained
    assert len(plan["runs"]) == 6
    assert {run["role"] for run in plan["runs"]} == {"cell"}
    children = [run for run in plan["runs"] if run["stage"] == "finetune"]
    (baseline,) = (run for run in plan["runs"] if run["variant"] == "baseline")
    assert {child["parents"][0]["run_id"] for child in children} == {baseline["run_id"]}


def test_training_reports_every_length(trained) -> None:
    metrics = results(trained)["baseline"]["metrics"]
    for name in ("x1", "x2", "x4", "x8"):
        assert {f"loss_{name}", f"last_eighth_{name}", f"sliding_{name}"} <= metrics.keys()


def test_an_extension_is_told_by_method_factor_and_steps(trained) -> None:
    levels = [r["factors"] for r in results(trained).values() if r["stage"] == "finetune"]
    assert {"method": "yarn", "factor": 4.0, "steps": 0} in levels
    assert {"method": "linear", "factor": 4.0, "steps": 3} in levels


def test_nothing_changed_and_no_steps_reproduces_the_parent_exactly(trained) -> None:
    found = results(trained)
    parent = found["baseline"]["metrics"]
    for factor, lengths in ((1.0, ["x1"]), (4.0, ["x1", "x2", "x4"])):
        child = found[f"method=none,factor={factor},steps=0"]
        for name in lengths:
            for metric in (f"loss_{name}", f"last_eighth_{name}"):
                assert child["metrics"][metric] == parent[metric]
        assert (
            child["provenance"]["weights_sha256"]
            == (found["baseline"]["provenance"]["weights_sha256"])
        )


def test_a_schedule_changes_the_losses_and_not_the_weights(trained) -> None:
    found = results(trained)
    losses = {
        method: found[f"method={method},factor=4.0,steps=0"]["metrics"]["loss_x4"]
        for method in ("none", "linear", "yarn")
    }
    assert len(set(losses.values())) == 3
    digests = {
        result["provenance"]["weights_sha256"]
        for result in found.values()
        if result["factors"].get("steps") == 0
    }
    assert digests == {found["baseline"]["provenance"]["weights_sha256"]}


def test_a_run_without_steps_has_one_row_and_costs_nothing(trained) -> None:
    _, runs = trained
    result = results(trained)["method=yarn,factor=4.0,steps=0"]
    assert result["cost"]["steps"] == result["cost"]["flops"] == 0
    assert result["status"] == "completed"
    (row,) = read_lines(runs / "positions" / result["run_id"] / "history.jsonl")
    assert row["step"] == 0
    assert row["validation/loss"] == result["metrics"]["validation_loss@end"]


def test_steps_at_the_extended_length_move_the_weights(trained) -> None:
    found = results(trained)
    tuned = found["method=linear,factor=4.0,steps=3"]
    assert tuned["cost"]["steps"] == 3
    assert tuned["cost"]["flops"] > found["baseline"]["cost"]["flops"] / 2
    assert (
        tuned["provenance"]["weights_sha256"] != (found["baseline"]["provenance"]["weights_sha256"])
    )


def test_an_extension_without_steps_is_reproduced(trained, capsys) -> None:
    _, runs = trained
    run = results(trained)["method=yarn,factor=4.0,steps=0"]["run_id"]
    assert reproduce(run, runs, tolerance=0.01, progress=False) == 0
    assert "equal: metrics, weights and curve are the same" in capsys.readouterr().out


# Without training


def test_a_parent_keeps_its_own_position_and_shares_the_rest() -> None:
    config = compose([EXTENSION, "extension=yarn", "data.evaluate_to=8", "model.hidden_size=32"])
    (parent,) = parent_configs(config)
    assert run_id(parent) == run_id(compose(["experiment=positions", "model.hidden_size=32"]))
    assert (config["position"]["schedule"], config["position"]["factor"]) == ("yarn", 8.0)
    assert config["position"]["original_length"] == config["data"]["length"] == 64
    assert config["data"]["train_multiple"] == 8.0


def test_what_no_parent_shares_cannot_be_its_own() -> None:
    with pytest.raises(UserError, match=r"pretraining\.own=positions .* Did you mean 'position'"):
        compose([EXTENSION, "pretraining.own=[positions]"])


def test_only_a_run_with_a_parent_may_have_no_steps() -> None:
    assert compose([EXTENSION])["trainer"]["max_steps"] == 0
    with pytest.raises(UserError, match=r"trainer\.max_steps=0 is too small"):
        compose([EXTENSION, "parents=[]"])
    with pytest.raises(UserError, match=r"trainer\.max_steps=0 is too small"):
        compose(["experiment=positions", "trainer.max_steps=0"])


@pytest.mark.parametrize("method", ["llama3", "longrope"])
def test_schedules_of_a_class_of_their_own_extend_a_rotary_parent(method: str, books: Path) -> None:
    recipe = [EXTENSION, f"position=rope_{method}", f"extension={method}", "data.evaluate_to=4"]
    config = compose([*recipe, *overrides(books)])
    position = config["position"]
    assert (position["name"], position["factor"], position["original_length"]) == (method, 4.0, 16)
    (parent,) = parent_configs(config)
    assert parent["position"]["name"] == "rope"
    build = {key: value for key, value in config.items() if key != "parents"} | {"parents": []}
    trained, _ = build_run(parent)
    extended, _ = build_run(build)
    extended.start_from([trained.model.state_dict()])
    slowest, before = (m.model.position.frequencies(64)[0][-1] for m in (extended, trained))
    assert slowest.item() == pytest.approx(before.item() / 4, rel=1e-12)  # interpolated s times
