"""A finished run becomes one W&B run that holds everything, whoever reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import mirror, wandb_record
from experiments.offline_reader import read_run
from tests.tracking.conftest import (
    logged_rows,
    make_run,
    read_json,
    start_python,
    without_own,
    write_json,
)


def test_our_reader_finds_what_the_run_folder_holds(run_dir: Path) -> None:
    assert mirror.mirror_now(run_dir, project="lab", sweep="more", entity="us")
    run = read_run(run_dir)
    assert run.problem is None
    assert run.exit_code == 0
    assert (run.id, run.name) == (f"{0:016x}", "causal-none-all-s0")
    assert (run.project, run.entity) == ("lab", "us")
    assert (run.group, run.job_type) == ("causal-all", "train")
    assert run.tags == ["symmetry", "causal-none-all", "sweep:depth", "sweep:more", "mine"]
    assert [without_own(row) for row in run.history] == logged_rows(run_dir)
    result = read_json(run_dir / "result.json")
    assert run.result() == result
    assert run.config["trainer"]["max_steps"] == 500
    assert run.summary["probe_r2/layer2@end"] == 0.1 + 0.2
    assert read_run(run_dir, history=False).history == []


def test_wandbs_own_reader_finds_the_same(run_dir: Path) -> None:
    mirror.mirror_now(run_dir, project="lab")
    (file,) = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json"]
    records = [json.loads(line) for line in _output([*inspect, str(file)]).splitlines()]
    told = next(record["run"] for record in records if record["type"] == "run")
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    assert [without_own(row) for row in rows] == logged_rows(run_dir)
    assert (told["run_group"], told["job_type"]) == ("causal-all", "train")
    assert (told["run_id"], told["display_name"]) == (f"{0:016x}", "causal-none-all-s0")
    assert told["tags"] == ["symmetry", "causal-none-all", "sweep:depth", "mine"]
    assert told["host"] == "node7"
    result = read_json(run_dir / "result.json")
    summary = json.loads(_output([*inspect, "--summary", str(file)]))
    assert (summary["state"], summary["exit_code"]) == ("finished", 0)
    assert wandb_record.result_of(told["config"]["update"], summary["summary"]) == result


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_step_is_there_exactly_once(run_dir: Path) -> None:
    mirror.mirror_now(run_dir, project="lab")
    assert [row["_step"] for row in read_run(run_dir).history] == list(range(0, 500, 10))


def test_three_runs_in_one_process_stay_three(tmp_path: Path) -> None:
    folders = [make_run(tmp_path, seed=seed, rows=5) for seed in range(3)]
    for folder in folders:
        mirror.mirror_now(folder, project="lab")
    for seed, folder in enumerate(folders):
        run = read_run(folder)
        assert run.result()["seed"] == seed
        assert [without_own(row) for row in run.history] == logged_rows(folder)


def test_runs_in_quick_succession_are_on_the_disk_before_they_count(tmp_path: Path) -> None:
    # W&B's finish() may return before its service has written the file.
    for seed in range(30):
        folder = make_run(tmp_path, seed=seed, rows=3)
        mirror.mirror_now(folder, project="lab")
        assert read_run(folder).problem is None


def test_numbers_that_are_not_finite_arrive(run_dir: Path) -> None:
    lines = '{"step": 1, "a": NaN, "b": Infinity}\n{"step": 2, "a": -Infinity}\n'
    (run_dir / "history.jsonl").write_text(lines, encoding="utf-8")
    mirror.mirror_now(run_dir, project="lab")
    first, second = read_run(run_dir).history
    assert first["a"] != first["a"]
    assert (first["b"], second["a"]) == (float("inf"), float("-inf"))


def test_rows_after_the_runs_last_step_are_left_out(run_dir: Path) -> None:
    with (run_dir / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write('{"step": 501, "train/loss": 9}\n')
    mirror.mirror_now(run_dir, project="lab")
    assert read_run(run_dir).history[-1]["_step"] == 490


def test_a_run_without_history_or_plan_is_mirrored_in_its_variants_group(tmp_path: Path) -> None:
    folder = make_run(tmp_path, arm=None)
    (folder / "history.jsonl").unlink()
    mirror.mirror_now(folder, project="lab", sweep="depth")
    run = read_run(folder)
    assert run.group == "causal-none-all"
    assert run.tags == ["symmetry", "causal-none-all", "sweep:depth"]
    assert run.history == []


def test_a_label_longer_than_wandb_takes_is_cut(run_dir: Path) -> None:
    write_json(run_dir / "run.json", {"arm": "a", "labels": {"tags": ["x" * 100]}})
    mirror.mirror_now(run_dir, project="lab")
    assert read_run(run_dir).tags[-1] == "x" * 64


def test_a_config_that_uses_one_of_our_keys_comes_back_unchanged(run_dir: Path) -> None:
    result = read_json(run_dir / "result.json")
    result["config"] |= {"parents": [["abc", 100]], "seed": 17, "stage": "other"}
    write_json(run_dir / "result.json", result)
    mirror.mirror_now(run_dir, project="lab")
    assert read_run(run_dir).result() == result


def test_a_mirrored_run_is_left_alone(run_dir: Path) -> None:
    assert mirror.mirror_now(run_dir, project="lab")
    (file,) = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    before = (file.stat().st_ino, file.read_bytes())
    assert not mirror.mirror_now(run_dir, project="lab")
    assert list(run_dir.glob("wandb/offline-run-*/run-*.wandb")) == [file]
    assert (file.stat().st_ino, file.read_bytes()) == before


def test_a_run_that_is_not_finished_is_refused(run_dir: Path) -> None:
    (run_dir / "DONE").unlink()
    with pytest.raises(ValueError, match="no DONE"):
        mirror.mirror_now(run_dir, project="lab")
    assert mirror.unmirrored(run_dir.parents[1]) == []


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ('{"step": 9}\n{"step": 8}\n', "goes back from step 9 to 8"),
        ('{"step": 9}\n{"st', "line 2 is not a JSON object"),
    ],
)
def test_a_bad_history_leaves_no_mirror(run_dir: Path, history: str, message: str) -> None:
    (run_dir / "history.jsonl").write_text(history, encoding="utf-8")
    before = sorted(run_dir.iterdir())
    with pytest.raises(ValueError, match=message):
        mirror.mirror_now(run_dir, project="lab")
    assert sorted(run_dir.iterdir()) == before
    assert mirror.unmirrored(run_dir.parents[1]) == [run_dir]


PLAINLY = """
import os, sys, pathlib
from experiments import mirror
os.environ.update(WANDB_API_KEY="k" * 40, WANDB_SWEEP_ID="theirs", WANDB_RUN_GROUP="theirs",
                  WANDB_MODE="online", WANDB_PROJECT="theirs", WANDB_RUN_ID="theirs")
before = dict(os.environ)
mirror.mirror_now(pathlib.Path(sys.argv[1]), project="lab")
assert dict(os.environ) == before
"""


def test_mirroring_touches_neither_home_nor_environment_nor_key(
    run_dir: Path, tmp_path: Path
) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    program = start_python(PLAINLY, run_dir, HOME=str(home), TMPDIR=str(temporary))
    assert program.communicate(timeout=60) == ("", None)
    assert program.returncode == 0
    assert list(home.rglob("*")) == []
    assert list(temporary.rglob("*")) == []
    run = read_run(run_dir)
    assert (run.project, run.id, run.group) == ("lab", f"{0:016x}", "causal-all")
    for file in filter(Path.is_file, run_dir.rglob("*")):
        assert b"k" * 40 not in file.read_bytes()


def test_the_folder_is_the_one_that_wandb_sync_expects(run_dir: Path) -> None:
    mirror.mirror_now(run_dir, project="lab")
    listed = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", str(run_dir / "wandb")],
        capture_output=True,
        text=True,
        env={**os.environ, "WANDB_DIR": str(run_dir), "WANDB_CONFIG_DIR": str(run_dir)},
        timeout=60,
    )
    assert f"run-{0:016x}.wandb" in listed.stdout + listed.stderr
