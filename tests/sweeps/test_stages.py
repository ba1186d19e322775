"""A sweep of two stages: pre-training once, fine-tuning many, with real workers."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from analysis.declaration import load_table
from experiments.reproduce import reproduce
from experiments.store import RunFolder, State
from experiments.weights import load_weights, weights_file
from sweeps.launcher import Slot
from sweeps.plan import Plan, make_plan
from sweeps.reconcile import look, reconcile
from sweeps.view import failures
from tests.sweeps.conftest import Recorder, declare

SMALL = [
    "model.num_layers=1",
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "data.train_size=40",
    "data.validation_size=10",
    "data.test_size=20",
    "trainer.epochs=1",
    "runtime.device=cpu",
    "tracking=disabled",
    "pretraining.overrides=['trainer.max_steps=8','data.batch_size=4','data.num_documents=400',"
    "'+data.validation_sequences=8']",
]
ARMS = [["arm=bert"], ["arm=ltr"], ["arm=ltr_bilstm"], ["arm=ltr_rtl", "data.task=spans"]]


def staged(**changes: object) -> Plan:
    settings = {"study": "bert", "experiment": "bert", "overrides": SMALL, "arms": ARMS, "seeds": 1}
    return make_plan(declare(**settings | changes), common=[], claims=[])


def names(plan: Plan, role: str) -> list[str]:
    return sorted(run["variant"] for run in plan["runs"] if run["role"] == role)


def test_a_pretraining_is_planned_once_however_many_arms_start_from_it() -> None:
    plan = staged()
    # The further seed of the A/A row has a parent of its own.
    assert names(plan, "parent") == ["bert", "bert", "ltr", "rtl"]
    assert names(plan, "cell") == ["bert", "ltr", "ltr_bilstm", "ltr_rtl"]
    assert names(plan, "aa") == ["bert"]
    order = [run["run_id"] for run in plan["runs"]]
    for run in plan["runs"]:
        assert all(order.index(p["run_id"]) < order.index(run["run_id"]) for p in run["parents"])


def test_seeds_count_pretrainings_and_each_may_be_finetuned_several_times() -> None:
    plan = staged(arms=[["arm=bert"]], seeds=2, finetune_seeds=3)
    roles = Counter(run["role"] for run in plan["runs"])
    assert roles == {"parent": 4, "cell": 6, "aa": 6}
    cells = [run for run in plan["runs"] if run["role"] == "cell"]
    seeds = {(run["config"]["pretraining"]["seed"], run["seed"]) for run in cells}
    assert seeds == {(0, 0), (0, 1000), (0, 2000), (1, 1), (1, 1001), (1, 2001)}
    assert len({run["parents"][0]["run_id"] for run in cells}) == 2
    assert len({run["arm"] for run in cells}) == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Plan, Path]:
    runs = tmp_path_factory.mktemp("stages")
    plan = staged()
    recorder = Recorder()
    progress = reconcile(plan, runs, slots=[Slot(), Slot()], view=recorder)
    assert progress.exit_code == 0, failures(progress)
    return plan, runs


def folder_named(plan: Plan, runs: Path, variant: str, role: str = "cell") -> RunFolder:
    run_id = next(r["run_id"] for r in plan["runs"] if (r["variant"], r["role"]) == (variant, role))
    return RunFolder.of(runs, study="bert", run_id=run_id)


def test_results_tell_parents_and_scores(trained) -> None:
    plan, runs = trained
    result = folder_named(plan, runs, "ltr_rtl").result()
    assert result["parents"] == [
        {"run_id": folder_named(plan, runs, name, "parent").path.name, "step": 8}
        for name in ("ltr", "rtl")
    ]
    assert {"score", "f1", "exact_match"} <= result["metrics"].keys()
    assert result["factors"]["task"] == "spans"
    parent = folder_named(plan, runs, "ltr", "parent").result()
    assert {"token_loss", "token_accuracy"} <= parent["metrics"].keys()


@pytest.mark.parametrize("table", ["bert_text_table5", "bert_size_table6"])
def test_tables_ask_of_a_pretraining_what_it_reports(trained, table: str) -> None:
    result = folder_named(*trained, "bert", "parent").result()
    reported = {f"{part}.{name}" for part in ("metrics", "cost") for name in result[part]}
    options = [column.options for column in load_table(table).columns]
    asked = {o["metric"] for o in options if o.get("where") == {"stage": "pretrain"}}
    assert asked
    assert asked <= reported


def test_weights_are_kept_at_halved_steps(trained) -> None:
    plan, runs = trained
    folder = folder_named(plan, runs, "bert", "parent")
    kept = sorted(int(path.stem) for path in (folder.path / "weights").iterdir())
    assert kept == [1, 2, 4, 8]
    first, last = (load_weights(folder.path, step) for step in (1, 8))
    assert first.keys() == last.keys()
    assert not first["model.tokens.weight"].equal(last["model.tokens.weight"])


def test_a_finetuned_run_is_reproduced_from_its_parents(trained, capsys) -> None:
    plan, runs = trained
    run_id = folder_named(plan, runs, "ltr_rtl").path.name
    assert reproduce(run_id, runs, tolerance=0.01, progress=False) == 0
    assert "equal: metrics, weights and curve are the same" in capsys.readouterr().out


def test_a_finished_parent_without_weights_blocks_new_children_alone(trained, tmp_path) -> None:
    plan, runs = trained
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    weights_file(folder_named(plan, copy, "ltr", "parent").path, 8).unlink()
    child = folder_named(plan, copy, "ltr_bilstm")
    shutil.rmtree(child.path)
    states = look(plan, copy)
    assert states[child.path.name] == State.blocked
    assert states[folder_named(plan, copy, "ltr").path.name] == State.finished
    progress = reconcile(plan, copy, slots=[Slot()], view=Recorder())
    assert progress.exit_code == 1
    assert any("finished, but without its weights" in line for line in failures(progress))
