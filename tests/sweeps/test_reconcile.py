"""Reconciling with real worker processes, killed by real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.store import RunFolder, State
from sweeps.launcher import Launcher, Slot, cpu_slots, gpu_slots
from sweeps.reconcile import look, reconcile
from tests.sweeps import saboteurs

SLOTS = [Slot(), Slot()]


def outcomes(plan, runs) -> dict:
    folders = [RunFolder.of(runs, study="symmetry", run_id=r["run_id"]) for r in plan["runs"]]
    results = {folder.path.name: folder.result() for folder in folders}
    return {
        run_id: (
            result["metrics"],
            result["provenance"]["weights_sha256"],
            RunFolder.of(runs, study="symmetry", run_id=run_id).history(),
        )
        for run_id, result in results.items()
    }


def sabotaged(plan, how: str, monkeypatch) -> dict:
    """The plan's first run, whose worker process will come to the end that `how` names."""
    monkeypatch.setattr("sweeps.launcher._child", saboteurs.child)
    run = plan["runs"][0]
    run["config"]["tags"] = [f"sabotage:{how}"]
    return run


def test_the_same_command_again_does_only_what_is_missing(planned, tmp_path, recorder) -> None:
    plan = planned()
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder)
    assert progress.exit_code == 0
    assert sorted(recorder.ends) == sorted((r["run_id"], "finished") for r in plan["runs"])
    recorder.ends.clear()
    finished = []
    again = reconcile(
        planned(seeds=3), tmp_path, slots=SLOTS, view=recorder, on_finished=finished.append
    )
    assert again.exit_code == 0
    # seeds=3 adds one seed to each of two arms, less the A/A seed that was trained already, and
    # the A/A row's own further seeds.
    assert len(recorder.ends) == len(planned(seeds=3)["runs"]) - len(plan["runs"])
    assert len(finished) == len(planned(seeds=3)["runs"])


def test_a_killed_worker_goes_on_and_the_others_do_not_notice(planned, tmp_path, recorder) -> None:
    quiet, rough = tmp_path / "quiet", tmp_path / "rough"
    plan = planned("trainer.max_steps=300", "runtime.checkpoint_steps=20")
    reconcile(plan, quiet, slots=SLOTS, view=recorder)
    recorder.ends.clear()
    victim = RunFolder.of(rough, study="symmetry", run_id=plan["runs"][0]["run_id"])

    def kill_once() -> None:
        while not any(victim.checkpoints.glob("*.json")):
            time.sleep(0.005)
        os.kill(victim.attempts()[-1]["pid"], signal.SIGKILL)

    killer = threading.Thread(target=kill_once)
    killer.start()
    progress = reconcile(plan, rough, slots=SLOTS, view=recorder)
    killer.join()
    assert progress.exit_code == 0
    assert (victim.path.name, "interrupted") in recorder.ends
    attempts = victim.attempts()
    assert attempts[0]["reason"].startswith("killed by SIGKILL")
    assert attempts[1]["step"] > 0
    assert outcomes(plan, rough) == outcomes(plan, quiet)


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        ("Raises", "failed", "RuntimeError: broken on purpose"),
        ("Exits", "failed", "sys.exit(3)"),
        ("Segfaults", "failed", "killed by SIGSEGV"),
        ("Hangs", "failed", "ended at its time limit of 3 s"),
    ],
)
def test_a_run_that_ends_itself_is_failed_and_the_others_go_on(
    planned, tmp_path, recorder, monkeypatch, how: str, state: str, reason: str
) -> None:
    monkeypatch.setattr("sweeps.launcher.GRACE_SECONDS", 1.0)
    plan = planned(seeds=1)
    bad = sabotaged(plan, how, monkeypatch)
    limit = 3.0 if how == "Hangs" else None
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder, time_limit=limit)
    assert progress.exit_code == 1
    assert dict(recorder.ends)[bad["run_id"]] == state
    assert [s for i, s in recorder.ends if i != bad["run_id"]] == ["finished"] * 2
    folder = progress.folder(bad)
    assert reason in folder.attempts()[-1]["reason"]
    if how == "Raises":
        assert "broken on purpose" in "\n".join(folder.attempts()[-1]["log"])
    # A failed run is left to `make retry`.
    recorder.ends.clear()
    assert reconcile(plan, tmp_path, slots=SLOTS, view=recorder).exit_code == 1
    assert recorder.ends == []


def test_killed_three_times_without_a_checkpoint_is_failed(
    planned, tmp_path, recorder, monkeypatch
) -> None:
    plan = planned(seeds=1)
    bad = sabotaged(plan, "KillsItself", monkeypatch)
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder)
    assert progress.states[bad["run_id"]] == State.failed
    assert [s for i, s in recorder.ends if i == bad["run_id"]] == ["interrupted"] * 2 + ["failed"]


def test_dying_before_the_start_is_an_attempt_too(planned, tmp_path, recorder, monkeypatch) -> None:
    plan = planned(seeds=1)
    bad = sabotaged(plan, "DiesAtOnce", monkeypatch)
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder)
    assert progress.states[bad["run_id"]] == State.failed
    folder = progress.folder(bad)
    assert [a["reason"] for a in folder.attempts()] == ["killed by SIGKILL (out of memory?)"] * 3
    # And again after a retry, with earlier attempts on record.
    folder.forgive()
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder)
    assert progress.states[bad["run_id"]] == State.failed
    assert len(folder.attempts()) == 3


def test_what_waits_for_a_failed_parent_is_blocked(
    planned, tmp_path, recorder, monkeypatch
) -> None:
    plan = planned(seeds=1)
    parent, child, grandchild = plan["runs"]
    sabotaged(plan, "Raises", monkeypatch)
    child["parents"] = [{"run_id": parent["run_id"], "step": 60}]
    grandchild["parents"] = [{"run_id": child["run_id"], "step": 60}]
    progress = reconcile(plan, tmp_path, slots=SLOTS, view=recorder)
    assert [progress.states[run["run_id"]] for run in plan["runs"]] == [
        State.failed,
        State.blocked,
        State.blocked,
    ]
    assert not progress.folder(child).path.exists()


def test_a_child_starts_after_its_parent(planned, tmp_path, recorder) -> None:
    plan = planned("runtime.keep_weights=1", seeds=1)
    child, parent, _ = plan["runs"]
    child["parents"] = [{"run_id": parent["run_id"], "step": 60}]
    assert reconcile(plan, tmp_path, slots=SLOTS, view=recorder).exit_code == 0
    ends = [run_id for run_id, _ in recorder.ends]
    assert ends.index(parent["run_id"]) < ends.index(child["run_id"])


def test_two_sweeps_at_once_share_the_work(planned, tmp_path) -> None:
    from tests.sweeps.conftest import Recorder

    plan = planned(seeds=3)
    views = [Recorder(), Recorder()]
    # signal handlers belong to main threads: the second sweep is a process of its own.
    script = (
        "import json, sys, pathlib\n"
        "from sweeps.launcher import Slot\nfrom sweeps.reconcile import reconcile\n"
        "from tests.sweeps.conftest import Recorder\n"
        "if __name__ == '__main__':\n"
        "    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())\n"
        "    view = Recorder()\n"
        "    p = reconcile(plan, pathlib.Path(sys.argv[2]), slots=[Slot()], view=view)\n"
        "    print(json.dumps([p.exit_code, view.ends]))\n"
    )
    import json

    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "other.py").write_text(script)
    other = subprocess.Popen(
        [sys.executable, str(tmp_path / "other.py"), str(tmp_path / "plan.json"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    mine = reconcile(plan, tmp_path, slots=[Slot()], view=views[0])
    code, ends = json.loads(other.communicate(timeout=120)[0])
    assert (mine.exit_code, code) == (0, 0)
    for run in plan["runs"]:
        assert len(mine.folder(run).attempts()) == 1
    assert views[0].ends
    assert ends


def test_no_worker_outlives_its_sweep(planned, tmp_path) -> None:
    import json

    plan = planned("trainer.max_steps=100000", seeds=1)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "sweep.py").write_text(
        "import json, sys, pathlib\n"
        "from sweeps.launcher import Slot\nfrom sweeps.reconcile import reconcile\n"
        "from tests.sweeps.conftest import Recorder\n"
        "if __name__ == '__main__':\n"
        "    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())\n"
        "    runs = pathlib.Path(sys.argv[2])\n"
        "    reconcile(plan, runs, slots=[Slot(), Slot()], view=Recorder())\n"
    )
    sweep = subprocess.Popen(
        [sys.executable, str(tmp_path / "sweep.py"), str(tmp_path / "plan.json"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    folders = [RunFolder.of(tmp_path, study="symmetry", run_id=r["run_id"]) for r in plan["runs"]]
    deadline = time.monotonic() + 90
    while sum(len(folder.history()) > 3 for folder in folders) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sweep.kill()
    sweep.wait()
    started = [folder for folder in folders if folder.attempts()]
    while any(folder.is_locked() for folder in started):
        assert time.monotonic() < deadline, "a worker outlived its sweep"
        time.sleep(0.05)
    for folder in started:
        assert folder.state() == State.interrupted
        assert folder.attempts()[-1]["checkpoint"] > 0
    assert set(look(plan, tmp_path).values()) == {State.interrupted, State.waiting}


def test_the_preload_runs_no_tensor_operation() -> None:
    """A worker forked from a server that computed anything on two threads would hang."""
    from sweeps.launcher import PRELOADED

    script = f"""
import sys
from torch.utils._python_dispatch import TorchDispatchMode
ran = []
class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        ran.append(str(func))
        return func(*args, **(kwargs or {{}}))
with Watch():
    for name in {PRELOADED!r}:
        __import__(name)
import os
# lift_fresh wraps the constant of a torch.tensor(...) at import; it computes nothing.
print(set(ran) - {{"aten.lift_fresh.default"}}, len(os.listdir("/proc/self/task")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == "set() 1", done.stderr


def test_cores_and_devices_are_dealt_out(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert cpu_slots() == [Slot(threads=1)] * 8
    assert cpu_slots(threads=3) == [Slot(threads=3)] * 2
    slots = gpu_slots(["0", "1", "2", "3"])
    assert [slot.device for slot in slots] == ["0", "1", "2", "3"]
    assert {slot.threads for slot in slots} == {2}
    assert [s.device for s in gpu_slots(["0", "1"], runs_per_device=2)] == ["0", "1", "0", "1"]
    assert Launcher(slots).context.get_start_method() == "spawn"
    assert Launcher(cpu_slots()).context.get_start_method() == "forkserver"
