"""The mirror process: beside the sweep, finishing what it was given, harming nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from experiments import wandb_client
from experiments.mirror import Mirror, mirror_now, unmirrored
from experiments.offline_reader import read_run
from tests.tracking.conftest import (
    has_ended,
    logged_rows,
    make_run,
    start_python,
    wait_for,
    without_own,
)


def partial_folders(run_dir: Path) -> list[Path]:
    return list(run_dir.glob(".wandb-*"))


def test_submitted_runs_are_mirrored_and_told_in_one_line(tmp_path: Path) -> None:
    folders = [make_run(tmp_path, seed=seed, rows=10) for seed in range(3)]
    mirror_now(folders[0], project="lab")
    said: list[str] = []
    with Mirror(project="lab", sweep="more", say=said.append) as mirror:
        for folder in [*folders, folders[1]]:
            mirror.submit(folder)
    report = mirror.close()
    assert (report.mirrored, report.already, report.failed) == (folders[1:], folders[:1], {})
    assert said == ["W&B: 2 runs mirrored, 1 already there."]
    for folder in folders:
        assert [without_own(row) for row in read_run(folder).history] == logged_rows(folder)
    assert "sweep:more" in read_run(folders[1]).tags
    assert unmirrored(tmp_path) == []


def test_nothing_starts_before_the_first_submission() -> None:
    said: list[str] = []
    with Mirror(project="lab", say=said.append) as mirror:
        assert mirror.pid is None
    assert (mirror.pid, said) == (None, [])


def test_a_run_that_cannot_be_mirrored_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    bad, good = make_run(tmp_path, seed=1), make_run(tmp_path, seed=2, rows=5)
    (bad / "result.json").write_text("{", encoding="utf-8")
    with Mirror(project="lab", say=lambda line: None) as mirror:
        mirror.submit(bad)
        mirror.submit(good)
    report = mirror.close()
    assert report.mirrored == [good]
    assert "JSONDecodeError" in report.failed[bad]
    assert str(report).startswith(f"W&B: 1 run mirrored, 1 not mirrored ({bad.name}: ")
    assert str(report).endswith("`make sync` tries again.")
    assert unmirrored(tmp_path) == [bad]


def test_a_killed_mirror_process_is_told_and_raises_nothing(tmp_path: Path) -> None:
    first, second = (make_run(tmp_path, seed=seed) for seed in range(2))
    with Mirror(project="lab", say=lambda line: None) as mirror:
        mirror.submit(first)
        assert mirror.pid
        os.kill(mirror.pid, signal.SIGKILL)
        wait_for(lambda: has_ended(mirror.pid or 0))
        mirror.submit(second)
    failed = mirror.close().failed
    assert list(failed) == [first, second]
    assert all("ended with SIGKILL" in why for why in failed.values())


def test_a_mirror_process_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    run_dir = make_run(tmp_path)
    with Mirror(project="lab", say=lambda line: None) as mirror:
        mirror.submit(run_dir)
    assert "did not start" in mirror.close().failed[run_dir]


def test_closing_does_not_wait_longer_than_asked_for_a_mirror_that_hangs(tmp_path: Path) -> None:
    # More folders than the pipe holds, none of them read: submitting must not wait either.
    folders = [tmp_path / ("x" * 200) / str(number) for number in range(1000)]
    mirror = Mirror(project="lab")
    mirror.submit(folders[0])
    assert mirror.pid
    os.kill(mirror.pid, signal.SIGSTOP)
    begin = time.monotonic()
    for folder in folders[1:]:
        mirror.submit(folder)
    report = mirror.close(timeout=0.2)
    assert time.monotonic() - begin < 10
    assert len(report.failed) == 1000
    assert "was not done after" in report.failed[folders[-1]]
    assert has_ended(mirror.pid)


SLOWLY = """
import itertools, pathlib, sys, time
from experiments import wandb_client
from experiments.store import RunFolder
def rows():
    for step in range(10_000):
        if step == 2000:
            print("in the middle", flush=True)
            time.sleep(600)
        yield {"step": step, "train/loss": 1 / (1 + step)}
run = pathlib.Path(sys.argv[1])
result = RunFolder(run).result()
wandb_client.write_offline_run(run, result, rows(), project="lab", tags=[], group="arm")
"""


def test_a_mirror_killed_in_the_middle_leaves_nothing_that_counts(run_dir: Path) -> None:
    program = start_python(SLOWLY, run_dir)
    assert program.stdout
    assert program.stdout.readline() == "in the middle\n"
    assert list(run_dir.glob(".wandb-*/wandb/offline-run-*/run-*.wandb"))
    program.kill()
    program.wait()
    program.stdout.close()
    assert not (run_dir / "wandb").exists()
    assert unmirrored(run_dir.parents[1]) == [run_dir]
    assert mirror_now(run_dir, project="lab")
    assert partial_folders(run_dir) == []
    run = read_run(run_dir)
    assert [without_own(row) for row in run.history] == logged_rows(run_dir)


ORPHANING = """
import os, pathlib, signal, sys
from experiments.mirror import Mirror
mirror = Mirror(project="lab")
for run in sys.argv[1:]:
    mirror.submit(pathlib.Path(run))
print(mirror.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_when_the_sweep_is_killed_the_mirror_finishes_its_queue_and_exits(tmp_path: Path) -> None:
    folders = [make_run(tmp_path, seed=seed, rows=20) for seed in range(3)]
    program = start_python(ORPHANING, *folders)
    assert program.stdout
    pid = int(program.stdout.readline())
    assert program.wait() == -signal.SIGKILL
    program.stdout.close()
    wait_for(lambda: has_ended(pid))
    assert unmirrored(tmp_path) == []
    assert not any(partial_folders(folder) for folder in folders)


def test_two_mirrors_of_one_run_write_it_once(run_dir: Path) -> None:
    mirrors = [Mirror(project="lab") for _ in range(2)]
    for mirror in mirrors:
        mirror.submit(run_dir)
    reports = [mirror.close() for mirror in mirrors]
    assert [report.failed for report in reports] == [{}, {}]
    assert len(list(run_dir.glob("wandb/offline-run-*"))) == 1
    assert partial_folders(run_dir) == []


def test_unmirrored_lists_finished_runs_alone(tmp_path: Path) -> None:
    finished, mirrored, unfinished = (make_run(tmp_path, seed=seed, rows=1) for seed in range(3))
    (unfinished / "DONE").unlink()
    mirror_now(mirrored, project="lab")
    assert unmirrored(tmp_path) == [finished]
    assert wandb_client.is_mirrored(mirrored)
