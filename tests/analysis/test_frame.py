"""Runs into a data frame: what is read, what is left out and why."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.frame import collect, histories, history, load_plan, plan_frame
from experiments.errors import UserError

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_one_row_a_finished_run_with_flat_columns(study):
    study.arm(exact=[0.9, 0.8], steps=[1000, None])
    frame = collect("runs", root=study.root)
    assert list(frame.columns[:6]) == ["run_id", "study", "variant", "stage", "seed", "status"]
    assert list(frame["metrics.exact_match"]) == [0.9, 0.8]
    assert list(frame["factors.residual"]) == ["all", "all"]
    assert list(frame["config.trainer.max_steps"]) == [6000, 6000]
    assert list(frame["provenance.numerics.device"]) == ["cpu", "cpu"]
    assert np.isnan(frame["metrics.steps_to_convergence"][1])
    assert frame["metrics.probe_r2/layer2@end"].dtype == float
    assert frame.attrs["left_out"] == {}


def test_a_metric_that_is_null_everywhere_is_still_a_number_column(study):
    study.arm(exact=[0.1, 0.2], steps=[None, None])
    frame = collect(root=study.root)
    assert frame["metrics.steps_to_convergence"].dtype == float


def test_lists_in_a_config_can_be_grouped_by(study):
    study.arm(exact=[0.9])
    frame = collect(root=study.root)
    assert frame["config.model.residual"][0] == ((0, "mlp"), (1, "mlp"))
    assert len(frame.groupby("config.model.residual")) == 1


def test_unfinished_and_damaged_folders_are_named_and_left_out(study):
    good, unfinished, truncated, infinite, moved = study.arm(exact=[0.9] * 5)
    (unfinished / "DONE").unlink()
    (truncated / "result.json").write_text('{"run_id"', encoding="utf-8")
    result = json.loads((infinite / "result.json").read_text(encoding="utf-8"))
    result["metrics"]["exact_match"] = float("nan")
    (infinite / "result.json").write_text(json.dumps(result), encoding="utf-8")
    moved.rename(moved.with_name("renamed"))
    frame = collect(root=study.root)
    left_out = {name.split("/")[1]: why for name, why in frame.attrs["left_out"].items()}
    assert list(frame["run_id"]) == [good.name]
    assert left_out[unfinished.name] == "unfinished"
    assert left_out[truncated.name].startswith("damaged")
    assert "NaN" in left_out[infinite.name]
    assert f"is of run {moved.name}" in left_out["renamed"]


def test_plans_beside_the_runs_are_not_taken_for_runs(study):
    study.arm(exact=[0.9])
    study.write_plan()
    assert collect(root=study.root).attrs["left_out"] == {}


def test_an_empty_folder_gives_an_empty_frame(tmp_path):
    frame = collect(root=tmp_path)
    assert len(frame) == 0
    assert "run_id" in frame.columns


def test_other_sources_are_refused_with_those_that_exist(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'wandb-offline'"):
        collect("wandb-ofline", root=tmp_path)
    with pytest.raises(UserError, match="need source='wandb'"):
        collect("runs", root=tmp_path, group="arm")
    with pytest.raises(UserError, match="needs a project"):
        collect("wandb")
    with pytest.raises(UserError, match="no folder of runs"):
        collect(root=tmp_path / "nowhere")


def test_a_plan_frame_has_exactly_the_plans_runs_and_counts_the_others(study):
    study.arm(exact=[0.5, 0.6])
    study.runs.clear()
    study.root /= "again"
    study.arm(exact=[0.7, 0.8, 0.9])
    study.root = study.root.parent
    kept, gone, _ = study.runs
    for run in study.runs[:2]:
        source = study.root / "again" / "symmetry" / run["run_id"]
        target = study.root / "symmetry" / f"b{run['run_id'][1:]}"
        source.rename(target)
        run["run_id"] = target.name
        result = json.loads((target / "result.json").read_text(encoding="utf-8"))
        result["run_id"] = target.name
        (target / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (study.root / "symmetry" / gone["run_id"] / "DONE").unlink()
    study.runs.pop()
    frame = plan_frame(study.plan, study.root)
    assert list(frame["run_id"]) == [kept["run_id"]]
    assert list(frame["role"]) == ["cell"]
    assert frame.attrs["missing"] == {f"symmetry/{gone['run_id']}": "unfinished"}
    assert frame.attrs["left_out"] == 2


def test_a_shared_run_carries_the_labels_of_the_plan_that_reads_it(study):
    study.arm(exact=[0.9])
    study.runs[0]["variant"] = "renamed"
    study.runs[0]["factors"] = {**study.runs[0]["factors"], "norm": "pre"}
    frame = plan_frame(study.plan, study.root)
    assert list(frame["variant"]) == ["renamed"]
    assert list(frame["factors.norm"]) == ["pre"]


def test_load_plan_says_what_is_wrong(study, tmp_path):
    path = study.write_plan()
    assert load_plan(path)["sweep"] == "symmetry"
    with pytest.raises(UserError, match="Did you mean"):
        load_plan(path.with_name("symmetry-quik.json"))
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="no plan"):
        load_plan(tmp_path / "other.json")


def test_history_is_one_row_a_logged_step_and_ignores_half_a_line(study):
    (folder,) = study.arm(exact=[1.0])
    whole = history(folder)
    with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 99')
    assert list(history(folder)["step"]) == list(whole["step"])
    assert len(whole) == 9
    assert len(history(folder / "nowhere")) == 0


@pytest.mark.parametrize("spoilt", [b"{", b"12", b"{}", b"\xff\xfe", b""])
def test_a_run_with_a_spoilt_line_in_its_history_is_named_and_left_out(study, spoilt):
    good, bad = study.arm(exact=[0.5, 0.9])
    lines = (bad / "history.jsonl").read_bytes().split(b"\n")
    (bad / "history.jsonl").write_bytes(b"\n".join([lines[0], spoilt, *lines[2:]]))
    frame = collect(root=study.root)
    assert [run_id for run_id, _ in histories(frame)] == [good.name]
    ((name, why),) = frame.attrs["left_out"].items()
    assert name.endswith(f"/{bad.name}")
    assert why.startswith("damaged: history.jsonl, line 2: ")


def test_a_thousand_published_runs_are_collected_in_less_than_three_seconds(tmp_path):
    """Of this process's time: how long others make it wait says nothing about collecting."""
    published = min(RESULTS.glob("symmetry/*/result.json"))
    text, run_id = published.read_text(encoding="utf-8"), published.parent.name
    for number in range(1000):
        folder = tmp_path / "symmetry" / f"{number:016x}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(text.replace(run_id, folder.name), encoding="utf-8")
        (folder / "DONE").touch()
    began = time.process_time()
    frame = collect(root=tmp_path)
    assert time.process_time() - began < 3
    assert len(frame) == frame["run_id"].nunique() == 1000
    assert len(frame.columns) > 300


def test_the_package_offers_its_functions_lazily():
    assert analysis.collect is collect
    assert not hasattr(analysis, "colect")
