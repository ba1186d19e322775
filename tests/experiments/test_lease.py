"""The lease: a run changes hands among hosts, and a sleeper that wakes can harm nothing.

A host is simulated by its name: processes of different names share no flock.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from experiments import lease, worker
from experiments.lease import Busy, Lease, TakenOver
from experiments.store import RunFolder, State
from tests.experiments import processes
from tests.experiments.processes import BUSY, is_stopped, outcome, start, wait_until

SETTINGS = ["runtime.checkpoint_steps=10", "model.dropout=0.1"]
OWN = ("attempts.jsonl", "log.txt", "1.dead", "1.result")


@pytest.fixture
def here(monkeypatch):
    """This process is on the host 'here', and leases are short."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", processes.LEASE_SECONDS)
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", processes.LEASE_SECONDS / 8)
    monkeypatch.setattr(lease, "this_host", lambda: "here")


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "lease").mkdir()
    return tmp_path


def contents(folder: RunFolder) -> dict:
    """Every file but the log, by name: the file it is, and what it holds."""
    return {
        str(path.relative_to(folder.path)): (path.stat().st_ino, path.read_bytes())
        for path in folder.path.rglob("*")
        # The sleeper's lines in the logs and what bears its number are its own affair.
        if path.is_file() and path.name not in OWN
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple:
    """The outcome of the run that every test here disturbs."""
    from experiments.compose import compose
    from experiments.run import folder_of
    from experiments.spec import make_spec
    from tests.conftest import TINY

    runs = tmp_path_factory.mktemp("undisturbed")
    spec = make_spec(compose([*TINY, f"paths.runs={runs}", *SETTINGS]))
    folder = folder_of(spec)
    folder.prepare(spec)
    worker.execute(folder.path)
    return outcome(folder)


@pytest.mark.parametrize("point", processes.POINTS)
def test_a_sleeper_that_wakes_harms_nothing(tiny, here, undisturbed, point: str) -> None:
    folder = tiny(*SETTINGS)
    sleeper = start(folder, host="there", point=point, skip=int(point == "before a checkpoint"))
    wait_until(lambda: is_stopped(sleeper.pid))
    assert not folder.is_done()
    assert folder.state() == (State.interrupted if _has_won(folder) else State.running)
    assert worker.execute(folder.path) == State.finished
    before = contents(folder)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join()
    assert contents(folder) == before
    assert outcome(folder) == undisturbed
    states = [attempt.get("state") for attempt in folder.attempts()]
    if point in ("when it has won", "before DONE"):
        assert (sleeper.exitcode, states) == (0, ["finished"])
    else:
        assert sleeper.exitcode == BUSY
        assert states.count("finished") == 1
        assert folder.attempts()[-1]["attempt"] == 2
    assert not (folder.path / "checkpoint").exists()


def _has_won(folder: RunFolder) -> bool:
    return any(folder.path.glob("lease/*.finishing"))


@pytest.mark.parametrize("seed", range(2))
def test_stopped_at_any_moment_and_woken_while_the_other_trains(
    tiny, here, undisturbed, seed: int
) -> None:
    folder = tiny(*SETTINGS)
    sleeper = start(folder, host="there")
    wait_until(lambda: bool(folder.history()))
    time.sleep(random.Random(seed).uniform(0, 0.3))
    os.kill(sleeper.pid, signal.SIGSTOP)
    successor = start(folder, host="elsewhere", point="between two steps")
    wait_until(lambda: is_stopped(successor.pid) or not successor.is_alive())
    for process in (sleeper, successor):
        if process.is_alive():
            os.kill(process.pid, signal.SIGCONT)
            process.join()
    assert outcome(folder) == undisturbed
    attempts = folder.attempts()
    if len(attempts) == 1:  # the moment came after it had won
        assert (sleeper.exitcode, successor.exitcode) == (0, 0)
    else:
        assert (sleeper.exitcode, successor.exitcode) == (BUSY, 0)
        assert attempts[0]["reason"] == "another host took over"
    assert [row["state"] for row in attempts] == ["interrupted", "finished"][-len(attempts) :]


def test_it_stops_at_the_first_step_after_it_was_taken_over(tiny, here) -> None:
    folder = tiny()
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        if len(asked) == 7:
            lease.bury(folder.path / "lease" / "1")
        return False

    with pytest.raises(TakenOver, match="another host took over"):
        worker.execute(folder.path, should_stop=should_stop)
    assert len(asked) == 7
    assert folder.attempts()[-1]["state"] == "interrupted"
    assert folder.attempts()[-1]["reason"] == "another host took over"


def test_a_host_that_dies_is_succeeded_by_one_of_two(tiny, here, undisturbed) -> None:
    folder = tiny(*SETTINGS)
    dead = start(folder, host="there", point="between two steps", number=signal.SIGKILL)
    dead.join()
    contenders = [start(folder, host=host) for host in ("one", "two")]
    for contender in contenders:
        contender.join()
    # The slower of the two finds it taken, or already finished.
    assert sorted(c.exitcode for c in contenders) in ([0, 0], [0, BUSY])
    assert [row["attempt"] for row in folder.attempts()] == [1, 2]
    assert outcome(folder) == undisturbed


def test_a_live_attempt_of_another_host_is_left_alone(tiny, here) -> None:
    folder = tiny(*SETTINGS, "trainer.max_steps=100000")
    other = start(folder, host="there")
    wait_until(lambda: bool(folder.history()))
    began = time.monotonic()
    while time.monotonic() - began < 2 * lease.LEASE_SECONDS:
        assert folder.state() == State.running
        time.sleep(0.05)
    with pytest.raises(Busy, match="is being trained on there"):
        worker.execute(folder.path)
    other.kill()
    other.join()
    wait_until(lambda: folder.state() == State.interrupted)
    began = time.monotonic()
    assert worker.execute(folder.path, should_stop=lambda: True) == State.interrupted
    assert time.monotonic() - began < 5  # not watched a second time


def test_of_many_contenders_one_wins_each_time(tmp_path) -> None:
    """Processes that take the run and drop dead, over and over: no number is taken twice."""
    script = """
        import os, sys, pathlib, time
        from experiments import lease
        lease.LEASE_SECONDS, lease.HEARTBEAT_SECONDS = 0.04, 1000
        run, host = pathlib.Path(sys.argv[1]), os.environ["EXPERIMENTS_HOST"]
        (run / "here" / host).touch()
        while len(os.listdir(run / "here")) < 4:  # imports take one far longer than another
            time.sleep(0.001)
        def winners():
            return [name.split()[1] for name in os.listdir(run / "won")]
        while len(winners()) < 25 or len(set(winners())) < 2:
            try:
                number = lease.next_number(run, noted=lambda: 0, should_stop=lambda: False)
                held = lease.Lease(run, number, noted=lambda: 0)
            except lease.Busy:
                continue
            os.close(os.open(run / "won" / f"{number} {host}", os.O_CREAT | os.O_EXCL))
    """
    for folder in ("won", "here", "lease"):
        (tmp_path / folder).mkdir()
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
            env={**os.environ, "EXPERIMENTS_HOST": f"host{number}"},
            stdout=subprocess.DEVNULL,
        )
        for number in range(4)
    ]
    assert [contender.wait(60) for contender in contenders] == [0] * 4
    numbers = [int(name.split()[0]) for name in os.listdir(tmp_path / "won")]
    assert len(numbers) == len(set(numbers))
    # A number nobody won is that of one who was taken for dead before it could begin.
    for number in set(range(1, max(numbers))) - set(numbers):
        assert (tmp_path / "lease" / f"{number}.dead").exists()
    assert len(numbers) >= 25
    assert len({name.split()[1] for name in os.listdir(tmp_path / "won")}) > 1


def test_a_number_that_has_come_and_gone_is_not_taken_again(run, here) -> None:
    first = Lease(run, 1, noted=lambda: 0)
    with pytest.raises(Busy):
        Lease(run, 1, noted=lambda: 0)
    first.end()
    # One that chose number 1 before all this, and slept.
    with pytest.raises(Busy):
        Lease(run, 1, noted=lambda: 0)
    with pytest.raises(Busy):
        Lease(run, 2, noted=lambda: 2)
    (run / "DONE").touch()
    with pytest.raises(Busy):
        Lease(run, 2, noted=lambda: 0)
    assert lease.tokens(run) == {1: "ended"}


def test_a_beat_never_brings_back_a_token_that_was_taken(run, here) -> None:
    held = Lease(run, 1, noted=lambda: 0)
    held.check()
    lease.bury(run / "lease" / "1")
    beat = json.loads((run / "lease" / "1.dead").read_text())["beat"]
    wait_until(lambda: json.loads((run / "lease" / "1.dead").read_text())["beat"] > beat)
    assert not (run / "lease" / "1").exists()
    with pytest.raises(TakenOver):
        held.check()
    with pytest.raises(TakenOver):
        held.finish("{}")
    assert {path.name for path in (run / "lease").iterdir()} == {"1.dead"}
    assert not (run / "result.json").exists()


def test_processes_of_one_host_do_not_wait(run, here, monkeypatch) -> None:
    """The kernel freed the dead one's lock: its lease is void at once."""
    held = Lease(run, 1, noted=lambda: 0)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1e6)
    assert lease.next_number(run, noted=lambda: 0, should_stop=lambda: False) == 2
    assert lease.tokens(run) == {1: "dead"}
    with pytest.raises(TakenOver):
        held.end()


def test_a_host_is_a_kernel_unless_told_otherwise(monkeypatch) -> None:
    lease.this_host.cache_clear()
    name = lease.this_host()
    assert (
        name
        == subprocess.check_output(
            [sys.executable, "-c", "from experiments import lease; print(lease.this_host())"],
            text=True,
        ).strip()
    )
    monkeypatch.setenv("EXPERIMENTS_HOST", "node17")
    lease.this_host.cache_clear()
    assert lease.this_host() == "node17"
    monkeypatch.undo()
    lease.this_host.cache_clear()
