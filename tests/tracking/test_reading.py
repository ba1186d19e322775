"""Runs read back from a server are complete, and the results in them are those that were sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import wandb_reading
from experiments.errors import UserError
from experiments.mirror import mirror_now
from experiments.offline_reader import read_run
from experiments.wandb_reading import read_online_runs
from experiments.wandb_record import config_of, result_of, summary_of
from tests.drivers.loopback.server import LoopbackServer
from tests.tracking.conftest import make_run, read_json

ROWS = 1300  # more than a page of a scan, and than W&B's sample of 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    """A server that holds three runs of two arms, of which the last was never finished."""
    with LoopbackServer() as server, pytest.MonkeyPatch.context() as patch:
        for key, value in server.environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(key, value)
        for seed in range(3):
            put(server, f"r{seed}", arm=f"arm{seed % 2}", finished=seed < 2)
        yield server


def put(server: LoopbackServer, name: str, *, arm: str, finished: bool) -> None:
    run, _ = server.database.upserted(
        {
            "name": name,
            "entity": "loopback",
            "project": "lab",
            "groupName": arm,
            "jobType": "train",
            "tags": ["sweep:depth"] if finished else [],
            "config": json.dumps({k: {"value": v} for k, v in config_of(result(name)).items()}),
        }
    )
    run["history"] = {n: json.dumps({"_step": 10 * n, "train/loss": n / 7}) for n in range(ROWS)}
    if finished:
        run |= {"state": "finished", "summaryMetrics": json.dumps(summary_of(result(name)))}


def result(name: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "run_id": name,
        "parents": [],
        "study": "symmetry",
        "variant": "causal",
        "stage": "train",
        "seed": 0,
        "factors": {},
        "config": {"model": {"dropout": 0.0, "empty": {}, "betas": [0.9, 1.0]}, "seed": 0},
        "status": "converged",
        "metrics": {"exact_match": 1.0, "steps_to_convergence": None},
        "cost": {"steps": 10, "seconds": 2.0},
        "provenance": {"host": "node7"},
    }


def test_every_run_comes_with_its_complete_history(server: LoopbackServer) -> None:
    runs = list(read_online_runs("loopback/lab"))
    assert [run.id for run in runs] == ["r0", "r1", "r2"]
    for run in runs:
        assert [row["_step"] for row in run.history] == list(range(0, 10 * ROWS, 10))
        assert [row["train/loss"] for row in run.history] == [n / 7 for n in range(ROWS)]
    first = runs[0]
    assert (first.state, first.group, first.job_type) == ("finished", "arm0", "train")
    assert (first.tags, first.project, first.entity) == (["sweep:depth"], "lab", "loopback")
    assert first.result() == result("r0")
    with pytest.raises(ValueError, match=r"no result of run loopback/lab/r2 \(running"):
        runs[2].result()
    assert (server.database.unknown, server.database.errors) == ([], [])


def test_groups_and_filters_choose_runs(server: LoopbackServer) -> None:
    def names(**options: Any) -> list[str]:
        return [run.id for run in read_online_runs("lab", history=False, **options)]

    assert names(group="arm0") == ["r0", "r2"]
    assert names(filters={"tags": "sweep:depth"}) == ["r0", "r1"]
    assert names(filters={"tags": "sweep:depth"}, group="arm0") == ["r0"]


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_that_asks_for_patience_gets_it(
    server: LoopbackServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_reading, "TIMEOUT", 1)
    monkeypatch.setattr(wandb_reading, "FIRST_PAUSE", 0.05)
    fault = server.fail(status, where="graphql", times=2)
    assert len(list(read_online_runs("lab", group="arm0"))[1].history) == ROWS
    assert fault.left == 0


def test_a_wrong_key_is_told_at_once(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "w" * 40)
    with pytest.raises(UserError, match="invalid key"):
        list(read_online_runs("lab"))


def as_a_server_gives_it(value: Any) -> Any:
    """Whole floats become ints, and empty mappings are left out."""
    if isinstance(value, dict):
        return {k: as_a_server_gives_it(v) for k, v in value.items() if v != {}}
    if isinstance(value, list):
        return [as_a_server_gives_it(item) for item in value]
    return int(value) if type(value) is float and value.is_integer() else value


def test_what_a_server_forgets_is_restored(tmp_path: Path) -> None:
    told = read_json(make_run(tmp_path) / "result.json")
    told["config"]["betas"] = [0.9, 1.0]
    told["config"]["nothing"] = {"at": {"all": {}}}
    config = as_a_server_gives_it(config_of(told))
    restored = result_of(config, as_a_server_gives_it(summary_of(told)))
    assert json.dumps(restored, sort_keys=True) == json.dumps(told, sort_keys=True)


def test_reading_leaves_the_offline_mirror_as_it_was(
    server: LoopbackServer, tmp_path: Path
) -> None:
    before = dict(os.environ)
    list(read_online_runs("lab", history=False))
    folder = make_run(tmp_path, seed=7)
    assert mirror_now(folder, project="lab")
    list(read_online_runs("lab", history=False))
    assert read_run(folder).result() == read_json(folder / "result.json")
    assert dict(os.environ) == before
    assert sorted(server.database.runs) == ["r0", "r1", "r2"]
