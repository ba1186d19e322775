"""Hydra's multirun as it is typed: what is trained, what is said, what the exit code is."""

from __future__ import annotations

import os
import signal
import time

import pytest

from experiments.store import State
from tests.conftest import TINY

SEEDS = "seed=range(0,2)"


def test_a_multirun_trains_isolates_mirrors_and_does_nothing_twice(lab) -> None:
    command = ["-m", SEEDS, "model.intermediate_size=32,-1", "residual=all,first4"]
    tracked = ["tracking=offline", "hydra.launcher.jobs=2"]
    done = lab.run(*command, *tracked)
    assert done.returncode == 1, done.stderr
    assert "multirun symmetry, 4 runs: 2 finished, 2 failed" in done.stdout
    failures = done.stdout[done.stdout.index("not finished") :]
    # A row for each point: two spellings of one residual set times two seeds.
    assert failures.count("Trying to create tensor with negative dimension -1") == 4
    assert "retry_failed=true" in failures
    finished = [folder for folder in lab.folders() if folder.is_done()]
    assert len(finished) == 2
    assert all(any(folder.path.glob("wandb/*/run-*.wandb")) for folder in finished)
    assert {path.name for path in lab.path.iterdir()} == {"runs"}

    again = lab.run("-m", SEEDS, "residual=all,first4")
    assert again.returncode == 0, again.stderr
    assert "multirun symmetry, 2 runs: 2 finished" in again.stdout
    assert [len(folder.attempts()) for folder in finished] == [1, 1]


def test_another_launcher_has_the_stores_guarantees_too(lab) -> None:
    command = ["-m", "hydra/launcher=basic", SEEDS]
    done = lab.run(*command, "model.intermediate_size=-1,32", "residual=all,first4")
    assert done.returncode == 1, done.stderr
    assert done.stderr.rstrip().splitlines()[-1].endswith(": failed")
    # Each point in its turn, whatever the ones before it came to; equal points are one run.
    finished = [folder for folder in lab.folders() if folder.is_done()]
    assert [len(folder.attempts()) for folder in finished] == [1, 1]
    assert done.stdout.count(": finished before") == 2
    again = lab.run(*command)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(": finished before; this is its stored result") == 2


@pytest.mark.parametrize("launcher", ["isolated", "basic"])
def test_ctrl_c_ends_the_multirun_and_the_same_command_goes_on(lab, launcher: str) -> None:
    long = ["trainer.max_steps=300", "trainer.stop_at=null", "runtime.checkpoint_steps=10"]
    command = [*TINY, *long, "-m", SEEDS, f"hydra/launcher={launcher}"]
    process = lab.start("experiments.run", *command)
    deadline = time.monotonic() + 120
    while not any(any(folder.checkpoints.glob("*.json")) for folder in lab.folders()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "to go on, type: python -m experiments.run experiment=symmetry" in err
    stopped = [folder for folder in lab.folders() if folder.attempts()]
    assert {folder.state() for folder in stopped} == {State.interrupted}
    assert len(stopped) == (1 if launcher == "basic" else len(stopped))

    assert lab.type("experiments.run", *command).returncode == 0
    assert {folder.state() for folder in lab.folders()} == {State.finished}
    assert stopped[0].attempts()[1]["step"] > 0


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("modle.hidden_size=1,2", "modle.hidden_size is not a key of the configuration. Did you"),
        ("position=none,lerned", "position=lerned is not known: expected one of alibi, fire"),
        ("trainer.max_steps=10,many", "trainer.max_steps: Value 'many'"),
        ("hydra.launcher.job=1", "Key 'job' not in 'IsolatedConf'"),
        ("hydra/launcher=isolatd", "Available options in 'hydra/launcher': basic isolated"),
        ("seed=range(0", "no viable alternative"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(lab, mistake: str, said: str) -> None:
    done = lab.run("-m", SEEDS, mistake)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (lab.path / "runs" / "symmetry").exists()
