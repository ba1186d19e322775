"""A plan through submitit: its local executor end to end, and what a Slurm queue is handed."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from experiments.store import RunFolder, State
from sweeps import slurm
from sweeps.__main__ import main, parser
from sweeps.drive import forgive_failed
from sweeps.reconcile import look
from sweeps.slurm import Options

ARRAYS = itertools.count(1000, 10)
LOCAL = Options(cluster="local", minutes=10)


def follow(plan, runs: Path, options: Options = LOCAL):
    return slurm.drive(plan, runs, options=options, console=Console(quiet=True))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(slurm, "LAG_SECONDS", 0.2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))


def test_jobs_train_the_plan_parents_first_and_a_failure_is_one_runs(planned, tmp_path) -> None:
    plan = planned("runtime.keep_weights=1", seeds=1)
    child, parent, bad = plan["runs"]
    child["parents"] = [{"run_id": parent["run_id"], "step": 60}]
    bad["config"]["model"]["intermediate_size"] = -1
    progress = follow(plan, tmp_path)
    assert progress.exit_code == 1
    states = [progress.states[run["run_id"]] for run in plan["runs"]]
    assert states == [State.finished, State.finished, State.failed]
    first, second = progress.folder(parent), progress.folder(child)
    assert first.done_file.stat().st_mtime <= second.attempts_file.stat().st_mtime
    assert "negative dimension" in progress.folder(bad).attempts()[-1]["reason"]
    submitted = len(list((tmp_path / "slurm").iterdir()))
    # Nothing is done twice, and a failed run is left to `make retry`.
    assert follow(plan, tmp_path).exit_code == 1
    assert len(list((tmp_path / "slurm").iterdir())) == submitted
    assert [len(folder.attempts()) for folder in (first, second)] == [1, 1]


def task_of(folder: Path) -> int | None:
    """The process in which submitit's local executor calls the job."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"submitit.core._submit" in words and any(str(folder).encode() in w for w in words):
            return int(process.name)
    return None


def test_a_job_that_is_to_end_makes_a_checkpoint_and_goes_on_from_it(planned, tmp_path) -> None:
    steps = ("trainer.max_steps=400", "trainer.stop_at=null", "runtime.checkpoint_steps=20")
    plan = planned(*steps, seeds=1)
    plan["runs"] = plan["runs"][:1]
    folder = RunFolder.of(tmp_path, study="symmetry", run_id=plan["runs"][0]["run_id"])
    signalled = []

    def preempt() -> None:
        while not any(folder.checkpoints.glob("*.json")):
            time.sleep(0.01)
        task = task_of(tmp_path)
        assert task
        signalled.append(task)
        # Slurm sends its warning to every process of the job.
        os.kill(folder.attempts()[-1]["pid"], signal.SIGUSR2)
        os.kill(task, signal.SIGUSR2)

    thread = threading.Thread(target=preempt)
    thread.start()
    progress = follow(plan, tmp_path)
    thread.join()
    assert signalled
    assert progress.exit_code == 0
    first, second = folder.attempts()
    assert (first["state"], first["reason"]) == ("interrupted", "asked to stop")
    assert first["checkpoint"] == second["step"] > 0
    log = "".join(path.read_text("utf-8") for path in (tmp_path / "slurm").rglob("*_log.*"))
    assert "Requeued job" in log


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch):
    """A Slurm whose queue never starts a job: sbatch keeps the script, sacct says PENDING.

    It says of array n what the file queue.n beside the queue says.
    """
    first = next(ARRAYS)  # submitit remembers jobs that have ended, whatever the queue
    programs = {
        "srun": "exit 1",
        "sbatch": f'n=$(ls "$HERE" | wc -l); cp "$1" "$HERE/$n.sh"; '
        f'echo "Submitted batch job $(({first} + n))"',
        "sacct": f'echo "JobID|State"; for n in 0 1 2 3; do for a in 0 1 2 3; do '
        f'echo "$(({first} + n))_$a|$(cat "$HERE.$n" 2>/dev/null || echo PENDING)"; done; done',
    }
    bin_folder, queue = tmp_path / "bin", tmp_path / "queue"
    for folder in (bin_folder, queue):
        folder.mkdir()
    for name, body in programs.items():
        path = bin_folder / name
        path.write_text(f"#!/bin/sh\nHERE={queue}\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    return queue


def interrupt(plan, runs: Path, options: Options):
    """Follow the queue until Ctrl-C."""
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    progress = follow(plan, runs, options)
    timer.join()
    assert progress.exit_code == 130
    return progress


def test_what_the_queue_is_handed(planned, tmp_path, cluster) -> None:
    plan = planned(seeds=1)
    options = Options(
        partition="gpu", minutes=125, gpus=1, memory_gb=8.0, account="lab", threads=3, jobs=2
    )
    progress = interrupt(plan, tmp_path / "runs", options)
    (script,) = cluster.iterdir()
    lines = script.read_text("utf-8").splitlines()
    for line in (
        "#SBATCH --array=0-2%2",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=lab",
        "#SBATCH --time=125",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --cpus-per-task=3",
        "#SBATCH --mem=8GB",
        "#SBATCH --signal=USR2@90",
        "#SBATCH --requeue",
        "#SBATCH --job-name=tiny-quick",
    ):
        assert line in lines
    specs = [progress.folder(run).spec()["config"]["runtime"] for run in plan["runs"]]
    assert {(runtime["threads"], runtime["device"]) for runtime in specs} == {(3, "cuda")}

    # The same command again follows the same jobs.
    interrupt(plan, tmp_path / "runs", options)
    assert len(list(cluster.iterdir())) == 1
    # A job that ends without a trace is a failed run, not one to be submitted for ever.
    breaks = (tmp_path / "queue.0").write_text
    threading.Timer(1.0, breaks, ("NODE_FAIL",), {"encoding": "utf-8"}).start()
    done = follow(plan, tmp_path / "runs", options)
    assert done.exit_code == 1
    assert len(list(cluster.iterdir())) == 1
    reasons = [done.folder(run).attempts()[-1]["reason"] for run in plan["runs"]]
    assert all("ended (NODE_FAIL) before the run began" in reason for reason in reasons)
    assert set(look(plan, tmp_path / "runs").values()) == {State.failed}
    # Forgiven, they are new jobs: the ended ones are not held against them.
    assert forgive_failed(plan, tmp_path / "runs") == 3
    interrupt(plan, tmp_path / "runs", options)
    assert len(list(cluster.iterdir())) == 2


def test_children_are_not_submitted_before_their_parents_are_finished(
    planned, tmp_path, cluster
) -> None:
    plan = planned(seeds=1)
    child, parent, _ = plan["runs"]
    child["parents"] = [{"run_id": parent["run_id"], "step": 60}]
    interrupt(plan, tmp_path / "runs", Options())
    (script,) = cluster.iterdir()
    assert "#SBATCH --array=0-1%2" in script.read_text("utf-8")


def typed(*arguments: str) -> argparse.Namespace:
    return parser().parse_args(["run", "symmetry", "--launcher", "slurm", *arguments])


def test_the_command_line_becomes_options() -> None:
    assert Options.of(typed()) == Options(minutes=60)
    given = typed(
        *("--slurm-time", "1-00:00:30", "--slurm-memory", "8GB", "--slurm-gpus", "1"),
        *("--slurm-partition", "a", "--slurm-account", "b", "--threads", "4", "--jobs", "9"),
    )
    assert Options.of(given) == Options("a", 1441, 1, 8.0, "b", 4, 9)
    times = {"30": 30, "90:00": 90, "2:00:00": 120}
    assert {text: slurm.minutes(text) for text in times} == times


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slurm-time", "soon"], "--slurm-time soon is no time"),
        (["--slurm-time", "2"], "--slurm-time 2 is too short"),
        (["--slurm-memory", "much"], "--slurm-memory much is no size"),
        (["--slurm-gpus", "2"], "a run uses one GPU"),
        (["--jobs", "0"], "--jobs 0 is too few"),
        (["--devices", "0"], "are for runs on this machine"),
        ([], "There is no Slurm here"),
        (["--override", "runtime.device=cuda"], "type --slurm-gpus 1"),
    ],
)
def test_mistakes(arguments, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = ["run", "symmetry", "--seeds", "1", "--runs", str(tmp_path), "--launcher", "slurm"]
    assert main([*command, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_without_submitit_it_is_said_what_to_install(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    command = ["run", "symmetry", "--seeds", "1", "--runs", str(tmp_path), "--launcher", "slurm"]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "type pip install 'submitit>=1.5.4'" in line
