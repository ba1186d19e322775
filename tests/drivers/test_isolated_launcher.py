"""hydra/launcher=isolated inside: one JobReturn a point, composed first, trained in isolation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from experiments import compose as compose_module
from experiments.compose import compose
from experiments.errors import UserError
from experiments.identity import run_id
from experiments.store import RunFolder
from sweeps import hydra_launcher
from sweeps.hydra_launcher import IsolatedLauncher, RunFailed, compose_points
from sweeps.launcher import Slot


def launch(points: list[list[str]], **settings: object) -> Sequence[JobReturn]:
    launcher = IsolatedLauncher(**{"jobs": 2, "devices": "none", **settings})
    config = OmegaConf.create({"hydra": {"job": {"name": "run"}}})
    launcher.setup(hydra_context=None, task_function=None, config=config)
    return launcher.launch(points, 0)


def folder_of(point: list[str]) -> RunFolder:
    config = compose(point)
    return RunFolder.of(config["paths"]["runs"], study="symmetry", run_id=run_id(config))


def test_one_return_a_point_in_order_whatever_becomes_of_the_others(
    point, monkeypatch, capsys
) -> None:
    finished, broken = point("seed=1"), point("model.intermediate_size=-1")
    again = point("seed=1", "residual=first4")  # the same computation in another spelling
    other = point("residual=none", "seed=2")
    folder_of(other).prepare(compose_points([other])[0])

    real_drive, composed = hydra_launcher.drive, []

    def drive(*arguments, **keywords):
        monkeypatch.setattr(hydra_launcher, "compose", lambda overrides: composed.append(overrides))
        return real_drive(*arguments, **keywords)

    monkeypatch.setattr(hydra_launcher, "drive", drive)
    points = [finished, broken, again, other]
    returns = launch(points)
    assert composed == []  # by then every point was
    assert [r.status for r in returns] == [
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.COMPLETED,
        JobStatus.COMPLETED,
    ]
    assert [r.overrides for r in returns] == points
    for job, at in ((0, finished), (2, finished), (3, other)):
        assert returns[job].return_value == folder_of(at).result()["metrics"]
    assert len(folder_of(finished).attempts()) == 1
    with pytest.raises(RunFailed, match="RuntimeError: Trying to create tensor with negative"):
        _ = returns[1].return_value
    shown = capsys.readouterr().out
    assert "not finished" in shown
    assert "multirun symmetry, 3 runs: 2 finished, 1 failed" in shown

    # Failed runs are left alone until they are asked for, finished ones always.
    monkeypatch.undo()
    for retry, attempts in ((False, 1), (True, 1)):
        launch(points, retry_failed=retry)
        assert len(folder_of(finished).attempts()) == 1
        broken_folder = folder_of(broken)
        assert len(broken_folder.attempts()) == attempts
    assert [row["event"] for row in _rows(broken_folder)].count("start") == 2


def _rows(folder: RunFolder) -> list[dict]:
    from experiments.store import read_lines

    return read_lines(folder.attempts_file)


def test_points_that_differ_in_their_seed_are_composed_once_and_equal_hydras(
    point, monkeypatch
) -> None:
    points = [point(f"seed={s}", f"residual={r}") for r in ("all", "none") for s in range(3)]
    calls = []
    for module in (hydra_launcher, compose_module):
        monkeypatch.setattr(
            module,
            "compose",
            lambda overrides: (calls.append(overrides), compose(overrides))[1],
        )
    specs = compose_points(points)
    assert len(calls) == 2 + 1  # an arm each, and the experiment's baseline for the names
    assert [s["config"]["variant"] for s in specs][2:4] == ["digits=1", "residual=none,digits=1"]
    for spec, overrides in zip(specs, points, strict=True):
        assert spec["run_id"] == run_id(compose(overrides))
        assert spec["config"] | {"variant": ""} == compose(overrides)


def test_settings_become_slots(point, monkeypatch) -> None:
    asked = []

    def drive(plan, runs, *, slots, **_):
        asked.append((slots, {run["config"]["runtime"]["device"] for run in plan["runs"]}))
        raise KeyboardInterrupt

    monkeypatch.setattr(hydra_launcher, "drive", drive)
    auto = [override for override in point() if override != "runtime.device=cpu"]
    for settings in (
        {"jobs": None, "devices": "0,1", "runs_per_device": 2, "threads": 3},
        {"jobs": 3, "devices": [4, 5], "runs_per_device": 2, "threads": 1},
        {"jobs": 2, "devices": "none", "threads": 2},
    ):
        with pytest.raises(KeyboardInterrupt):
            launch([auto], **settings)
    with pytest.raises(KeyboardInterrupt):
        launch([point()], jobs=1, devices="0,1")
    assert asked == [
        ([Slot(3, "0"), Slot(3, "1"), Slot(3, "0"), Slot(3, "1")], {"auto"}),
        ([Slot(1, "4"), Slot(1, "5"), Slot(1, "4")], {"auto"}),
        ([Slot(2), Slot(2)], {"cpu"}),
        ([Slot(1)], {"cpu"}),  # runtime.device=cpu, whatever devices there are
    ]


def test_mistakes_are_met_before_anything_is_trained(point, tmp_path: Path) -> None:
    for points, settings, said in (
        ([point("seed=1"), point("model.num_heads=3")], {}, "cannot be split"),
        ([point(), point(f"paths.runs={tmp_path}/other")], {}, "paths.runs differs"),
        ([point("tracking=online")], {}, "There is no API key for W&B"),
        ([point()], {"jobs": 0}, "jobs=0 is too few"),
    ):
        with pytest.raises(UserError, match=said):
            launch(points, **settings)
    assert not (tmp_path / "runs").exists()


def test_the_settings_are_the_launchers_config() -> None:
    fields = {field.name for field in dataclasses.fields(hydra_launcher.IsolatedConf)}
    documented = {f for f in fields if f"{f}:" in str(hydra_launcher.IsolatedConf.__doc__)}
    assert fields - documented == {"_target_", "runs_per_device"}
