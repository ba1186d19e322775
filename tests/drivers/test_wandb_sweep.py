"""W&B sweep files hold the plan's runs, and a real `wandb agent` trains them."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from experiments.compose import compose
from experiments.identity import run_id
from sweeps.__main__ import main
from sweeps.declaration import expand, load
from sweeps.plan import make_plan
from sweeps.wandb_sweep import _scalar, grids, wandb_sweeps, write
from tests.conftest import TINY
from tests.drivers.loopback.server import LoopbackServer
from tests.sweeps.conftest import declare


def points(grid: dict[str, list]) -> list[list[str]]:
    product = itertools.product(*grid.values())
    return [sorted(f"{k}={v}" for k, v in zip(grid, point, strict=True)) for point in product]


LEVELS = st.lists(st.sampled_from("123"), min_size=1, max_size=3, unique=True)
GRIDS = st.lists(st.dictionaries(st.sampled_from("abc"), LEVELS, max_size=3), max_size=4)


@given(GRIDS)
def test_the_grids_hold_every_arm_once(declared) -> None:
    arms = expand(declared)
    held = [point for grid in grids(arms) for point in points(grid)]
    assert sorted(held) == sorted({tuple(sorted(a)): sorted(a) for a in arms}.values())


def test_a_full_grid_stays_one() -> None:
    full = {"a": ["1", "2"], "b": ["x", "y", "z"], "c": ["0"]}
    assert grids(expand([full])) == [full]


def test_levels_are_typed_as_they_would_be_by_hand() -> None:
    texts = ["3", "0.5", "1e-3", "null", "none", "true", "[1, 2]", "007", "first3"]
    assert [str(_scalar(text)) for text in texts] == texts
    assert [_scalar(text) for text in texts[:2]] == [3, 0.5]


def test_the_files_hold_the_plans_runs(tmp_path: Path) -> None:
    declared = load("symmetry", "quick", seeds=2)
    common = [f"paths.runs={tmp_path}"]
    planned = make_plan(declared, common=common, claims=[])
    files = write(wandb_sweeps(declared, common=common), tmp_path / "symmetry-quick.json")
    assert [path.name for path in files][-1] == f"symmetry-quick-wandb-{len(files)}.yaml"
    ids = []
    for path in files:
        sweep = yaml.safe_load(path.read_text(encoding="utf-8"))
        fixed = sweep["command"][4:-1]
        assert sweep["command"][:4] == ["${env}", "python", "-m", "experiments.run"]
        for point in points({k: p["values"] for k, p in sweep["parameters"].items()}):
            config = compose([*fixed, *point])
            assert (config["sweep"], config["tags"]) == ("symmetry", ["symmetry", "quick"])
            ids.append(run_id(config))
    assert set(ids) == {run["run_id"] for run in planned["runs"]}


def test_the_command_writes_them_and_says_what_to_type(tmp_path: Path, capsys) -> None:
    assert main(["wandb", "symmetry", "--seeds", "1", "--runs", str(tmp_path)]) == 0
    files = sorted((tmp_path / "plans").glob("*.yaml"))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wandb sweep")]
    assert said == [f"wandb sweep --project transformer-ablations {file}" for file in files]
    # What `make tables` needs of these runs, whoever trains them.
    assert (tmp_path / "plans" / "symmetry-quick.json").exists()


@pytest.fixture
def wandb(lab):
    """wandb("sweep", file) runs W&B's own program against a server on the loopback."""
    with LoopbackServer() as server:
        home = lab.path / "home"
        home.mkdir()
        environment = lab.environment(**server.environment(home))
        environment["WANDB_AGENT_REPORT_INTERVAL"] = "1"
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

        def program(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "wandb", *arguments],
                cwd=lab.path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout + done.stderr

        program.database = server.database
        yield program


def test_an_agents_runs_are_ours(lab, wandb) -> None:
    declared = declare(arms=[["residual=all"], ["residual=none"]], seeds=1)
    sweep = wandb_sweeps(declared, common=["paths.runs=runs"])[0]
    sweep["command"][-1:] = ["tracking=offline", "${args_no_hyphens}"]
    file = write([sweep], lab.path / "tiny.json")[0]
    # One of the two is there before the agent comes.
    before = lab.run("residual=none", "seed=0")
    assert before.returncode == 0, before.stderr

    wandb("sweep", "--project", "lab", str(file))
    wandb("agent", "loopback/lab/sw0")
    database = wandb.database
    assert sorted(database.runs) == ["sw0r1", "sw0r2"]
    assert (database.unknown, database.errors) == ([], [])
    folders = {folder.result()["factors"]["residual"]: folder for folder in lab.folders()}
    assert len(folders) == 2
    for name, run in database.runs.items():
        assert (run["sweepName"], run["state"]) == ("sw0", "finished")
        config = database.config(name)
        folder = folders[config["factors"]["residual"]]
        result = folder.result()
        assert len(folder.attempts()) == 1
        # Ours stands in the config, whole: the agent's parameters have not displaced it.
        assert config["run_id"] == folder.path.name != name
        assert config["residual"] == result["config"]["residual"]
        assert (run["group"], run["jobType"]) == (folder.spec()["arm"], "train")
        summary = json.loads(run["summaryMetrics"])
        assert {key: summary.get(key) for key in result["metrics"]} == result["metrics"]
        steps = [row["_step"] for row in database.history(name)]
        assert steps == sorted({row["step"] for row in folder.history()})
        assert any(folder.path.glob("wandb/*/run-*.wandb"))  # and the offline mirror is there too
    assert {path.name for path in lab.path.iterdir()} == {"runs", "home", file.name}


def test_a_server_that_refuses_is_said_and_the_result_kept(lab) -> None:
    where = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "x" * 40}
    agent = {"WANDB_SWEEP_ID": "sw0", "WANDB_RUN_ID": "sw0r1", "WANDB_INIT_TIMEOUT": "3"}
    done = lab.start("experiments.run", *TINY[:-1], **where, **agent)
    _, err = done.communicate(timeout=120)
    assert done.returncode == 1
    (folder,) = lab.folders()
    assert folder.is_done()
    said = err.splitlines()[-1]
    assert said.startswith(f"error: Run {folder.path.name} is finished, but W&B did not take it (")
