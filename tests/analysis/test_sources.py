"""One frame from three sources: run folders, offline W&B files, and a W&B server."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis import cache, collect, histories, plan_frame
from analysis.frame import wandb_project
from experiments import wandb_client, wandb_reading
from experiments.mirror import mirror_now
from tests.drivers.loopback.server import LoopbackServer
from tests.tracking.conftest import make_run, read_json, write_json

ROWS = 600  # more than W&B's sample of a history
PROJECT = "loopback/lab"


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("cache")
        patch.setattr(cache, "folder", lambda: place)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished and mirrored runs, with every kind of value that a result may hold."""
    root = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        folder = make_run(root, seed=seed, rows=ROWS if seed == 0 else 20, arm=f"arm{seed % 2}")
        result = read_json(folder / "result.json")
        result["parents"] = [{"run_id": "ab" * 8, "step": 1000}] if seed else []
        result["config"] |= {
            "objective": None if seed else "mlm",
            "flag": bool(seed % 2),
            "betas": [0.9, 1.0, [1, 2.0]],
            "parents": result["parents"],
            "study": "symmetry",
            "whole": 3.0,
            "mixed": 2 if seed else 2.5,
            "name with spaces/and.dots": "ü",
        }
        if seed == 1:
            result["metrics"]["only_here"] = 7.0
            result["metrics"]["steps_to_convergence"] = 300
        write_json(folder / "result.json", result)
        mirror_now(folder, project="lab")
    return root


@pytest.fixture(scope="module")
def server(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    """A server that the real client sent the same runs to."""
    with LoopbackServer() as server, pytest.MonkeyPatch.context() as patch:
        for key, value in server.environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(key, value)
        for folder in sorted(runs.glob("symmetry/*")):
            send(folder, patch)
        patch.delenv("WANDB_RUN_ID")
        patch.delenv("WANDB_SWEEP_ID")
        patch.delenv("WANDB_PROJECT")
        yield server
        wandb_client.close()


def send(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """As a sweep agent's run of our own id: the whole run at once, through the real client."""
    result = read_json(folder / "result.json")
    patch.setenv("WANDB_RUN_ID", folder.name)
    patch.setenv("WANDB_SWEEP_ID", "sweep")
    patch.setenv("WANDB_PROJECT", "lab")
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    group = read_json(folder / "run.json")["arm"]
    wandb_client.send_agent_run(result, map(json.loads, lines), tags=["depth"], group=group)


def equal(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert_frame_equal(one, other, check_exact=True, check_column_type=True)
    assert [str(kind) for kind in one.dtypes] == [str(kind) for kind in other.dtypes]
    for name in one:  # 1 == 1.0 == True: frames of objects compare them as equal
        assert list(map(type, one[name])) == list(map(type, other[name])), name


def test_the_same_runs_give_the_same_frame_from_every_source(runs, server) -> None:
    frame = collect("runs", root=runs)
    assert len(frame) == 3
    assert frame["config.betas"][0] == (0.9, 1.0, (1, 2.0))
    assert frame["config.parents"][1] == ((("run_id", "ab" * 8), ("step", 1000)),)
    assert frame["metrics.only_here"].isna().tolist() == [True, False, True]
    equal(frame, collect("wandb-offline", root=runs))
    equal(frame, collect("wandb", root=PROJECT))
    # And once more, from the cache.
    equal(frame, collect("wandb-offline", root=runs))
    equal(frame, collect("wandb", root=PROJECT))
    assert (server.database.unknown, server.database.errors) == ([], [])


def test_the_same_runs_have_the_same_complete_curves(runs, server) -> None:
    curves = dict(histories(collect("runs", root=runs)))
    assert [len(curve) for curve in curves.values()] == [ROWS, 20, 20]
    assert list(curves["0" * 16].columns) == [
        "step",
        "train/accuracy",
        "train/loss",
        "validation/exact_match",
    ]
    for source, root in (("wandb-offline", runs), ("wandb", PROJECT)):
        for _ in ("read", "cached"):
            theirs = dict(histories(collect(source, root=root)))
            assert theirs.keys() == curves.keys()
            for run_id, curve in curves.items():
                equal(curve, theirs[run_id])


def test_filters_and_groups_are_the_servers(runs, server) -> None:
    seeds = collect("wandb", root=PROJECT, group="arm0")["seed"]
    assert list(seeds) == [0, 2]
    filters = {"config.model.value.hidden_size": 65}
    assert len(collect("wandb", root=PROJECT, filters=filters)) == 0
    assert len(collect("wandb", root=PROJECT, study="bert")) == 0


def plan_of(*run_ids: str) -> dict[str, Any]:
    def run(run_id: str) -> dict[str, Any]:
        factors = {"attention_mask": "causal"}
        return {
            "run_id": run_id,
            "study": "symmetry",
            "variant": "as planned",
            "factors": factors,
            "role": "cell",
        }

    return {"study": "symmetry", "runs": [run(run_id) for run_id in run_ids]}


def test_a_table_reads_its_plans_runs_and_counts_the_others_from_every_source(runs, server) -> None:
    plan = plan_of(f"{2:016x}", f"{0:016x}", "f" * 16)
    frame = plan_frame(plan, runs)
    assert list(frame["seed"]) == [2, 0]
    assert list(frame["variant"]) == ["as planned"] * 2
    for source, root in (("runs", runs), ("wandb-offline", runs), ("wandb", PROJECT)):
        theirs = plan_frame(plan, root, source=source)
        equal(frame, theirs)
        assert theirs.attrs["left_out"] == 1
        assert list(theirs.attrs["missing"]) == [f"symmetry/{'f' * 16}"]
        assert theirs.attrs["source"].startswith(source)


@pytest.mark.parametrize(("entity", "project"), [("team", "team/lab"), (None, "lab")])
def test_a_plan_says_which_project_its_runs_mirror_to(entity, project) -> None:
    plan = {"runs": [{"config": {"wandb": {"entity": entity, "project": "lab"}}}]}
    assert wandb_project(plan) == project


def test_damaged_and_unmirrored_runs_are_named_and_left_out(runs, tmp_path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(runs, root)
    cut, bare, waiting = sorted(root.glob("symmetry/*"))
    (file,) = cut.glob("wandb/*/*.wandb")
    file.write_bytes(file.read_bytes()[:-20])
    shutil.rmtree(bare / "wandb")
    shutil.rmtree(waiting / "wandb")
    (waiting / "DONE").unlink()
    frame = collect("wandb-offline", root=root)
    left_out = {name.split("/")[1]: why for name, why in frame.attrs["left_out"].items()}
    assert len(frame) == 0
    assert left_out[cut.name].startswith("damaged: ")
    assert left_out[bare.name].startswith("not mirrored")
    assert left_out[waiting.name] == "unfinished"


def test_an_unfinished_run_on_the_server_is_named_and_read_once_it_is_finished(
    runs, server
) -> None:
    held = server.database.runs[f"{1:016x}"]
    summary, state = held["summaryMetrics"], held["state"]
    held |= {"summaryMetrics": "{}", "state": "running"}
    frame = collect("wandb", root=PROJECT)
    assert list(frame["seed"]) == [0, 2]
    ((name, reason),) = frame.attrs["left_out"].items()
    assert name.endswith(f"{1:016x}")
    assert reason.startswith("unfinished")
    held |= {"summaryMetrics": summary, "state": state}
    assert list(collect("wandb", root=PROJECT)["seed"]) == [0, 1, 2]


def test_a_run_of_a_sweep_agent_is_known_by_its_own_id_and_counts_once(runs, server) -> None:
    ours = server.database.runs.pop(f"{1:016x}")
    frame = collect("runs", root=runs)
    server.database.runs["agents"] = {**ours, "name": "agents", "id": "id-agents"}
    theirs = collect("wandb", root=PROJECT)
    equal(frame, theirs)
    assert theirs.attrs["left_out"] == {}
    assert [len(curve) for _, curve in histories(theirs)] == [ROWS, 20, 20]
    server.database.runs[ours["name"]] = ours
    both = collect("wandb", root=PROJECT)
    equal(frame, both)
    assert both.attrs["left_out"] == {f"symmetry/{ours['name']}": "the same run as agents"}
    del server.database.runs["agents"]


def test_what_was_read_is_not_read_again(runs, server, monkeypatch) -> None:
    frame = collect("wandb-offline", root=runs)
    curves = dict(histories(frame))
    online = collect("wandb", root=PROJECT)
    dict(histories(online))

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(wandb_client, "read_offline_run", refuse)
    monkeypatch.setattr(wandb_reading, "complete_history", refuse)
    equal(frame, collect("wandb-offline", root=runs))
    assert dict(histories(frame)).keys() == curves.keys()
    server.database.operations.clear()
    equal(frame, collect("wandb", root=PROJECT))
    assert dict(histories(online)).keys() == curves.keys()
    # Three lists, and not a question about any one run.
    assert server.database.operations.count("Runs") == 3
    assert "Run" not in server.database.operations


def test_a_file_that_changed_is_read_anew(runs, tmp_path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(runs, root)
    collect("wandb-offline", root=root)
    folder = root / "symmetry" / f"{1:016x}"
    result = read_json(folder / "result.json")
    result["metrics"]["exact_match"] = 0.25
    write_json(folder / "result.json", result)
    shutil.rmtree(folder / "wandb")
    mirror_now(folder, project="lab")
    assert list(collect("wandb-offline", root=root)["metrics.exact_match"]) == [1.0, 0.25, 1.0]


@pytest.mark.parametrize("damage", ["file", "value"])
def test_a_damaged_cache_is_read_past(runs, damage) -> None:
    frame = collect("wandb-offline", root=runs)
    with cache.Cache() as kept:
        path = kept.path
    if damage == "file":
        path.write_bytes(b"no database" * 1000)
    else:
        with sqlite3.connect(path) as connection:
            bodies = connection.execute("SELECT key, body FROM kept").fetchall()
            for key, body in bodies:
                middle = len(body) // 2
                worse = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
                connection.execute("UPDATE kept SET body = ? WHERE key = ?", (worse, key))
    equal(frame, collect("wandb-offline", root=runs))
    with cache.Cache() as kept:
        assert len(kept.names("result:")) >= 3


def test_a_cache_that_cannot_be_written_does_no_harm(runs, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "file" / "below")
    assert len(collect("wandb-offline", root=runs)) == 3
