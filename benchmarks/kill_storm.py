"""A sweep under a killer: SIGKILL to random workers and to the sweep itself, at random moments,
restarted until everything is done; then compared with an undisturbed sweep, bit for bit."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tiny import Silent, tiny_plan
from experiments.store import RunFolder, State
from sweeps.launcher import Slot, folder_of
from sweeps.plan import Plan
from sweeps.reconcile import look, reconcile

ROOT = Path(__file__).resolve().parent.parent
SWEEP_SHARE = 0.1  # of the kills hit the sweep itself, which then has to be typed again


@dataclass(frozen=True)
class Outcome:
    """What the storm did, and whether every run is what it would have been without it."""

    kills: Counter[str]
    restarts: int
    retries: int
    attempts: int
    runs: int
    differing: list[str]
    seconds: float

    @property
    def equal(self) -> bool:
        return not self.differing

    def __str__(self) -> str:
        verdict = "equal bit for bit" if self.equal else f"DIFFER: {', '.join(self.differing)}"
        return (
            f"kill storm: {sum(self.kills.values())} kills ({self.kills['worker']} workers, "
            f"{self.kills['sweep']} sweeps), {self.restarts} restarts, {self.retries} retries, "
            f"{self.attempts} attempts for {self.runs} runs, {self.seconds:.0f} s: {verdict}"
        )


def storm(*, kills: int, num_runs: int = 20, seed: int = 0, max_steps: int = 400) -> Outcome:
    """Train `num_runs` tiny runs under `kills` kills; the undisturbed sweep runs first."""
    began, chance = time.monotonic(), random.Random(seed)
    plan = tiny_plan(
        f"trainer.max_steps={max_steps}", "runtime.checkpoint_steps=10", num_runs=num_runs
    )
    with tempfile.TemporaryDirectory() as temporary:
        calm, rough = Path(temporary) / "calm", Path(temporary) / "rough"
        reconcile(plan, calm, slots=[Slot(), Slot()], view=Silent())
        (Path(temporary) / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.tiny", f"{temporary}/plan.json", str(rough)]
        counted: Counter[str] = Counter()
        restarts, retries = -1, 0
        sweep: subprocess.Popen[bytes] | None = None
        while set(look(plan, rough).values()) != {State.finished}:
            if sweep is None or sweep.poll() is not None:
                retries += _forgive(plan, rough)
                sweep = subprocess.Popen(command, cwd=ROOT)
                restarts += 1
            time.sleep(chance.expovariate(1 / 0.4))
            if sum(counted.values()) < kills:
                counted += _kill(plan, rough, sweep, chance)
        if sweep is not None:
            sweep.wait()
        return Outcome(
            kills=counted,
            restarts=restarts,
            retries=retries,
            attempts=sum(len(_attempts(folder_of(rough, run))) for run in plan["runs"]),
            runs=len(plan["runs"]),
            differing=_differing(plan, calm, rough),
            seconds=time.monotonic() - began,
        )


def _kill(
    plan: Plan, runs: Path, sweep: subprocess.Popen[bytes], chance: random.Random
) -> Counter[str]:
    """SIGKILL to the sweep or to one worker that is training; nothing when none is."""
    if chance.random() < SWEEP_SHARE:
        sweep.kill()
        sweep.wait()
        return Counter(sweep=1)
    folders = [folder_of(runs, run) for run in plan["runs"]]
    training = [folder for folder in folders if folder.is_locked() and folder.attempts()]
    if not training:
        return Counter()
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(training).attempts()[-1]["pid"], signal.SIGKILL)
    return Counter(worker=1)


def _forgive(plan: Plan, runs: Path) -> int:
    """What `make retry` does to runs that were killed too often without a checkpoint."""
    failed = [folder_of(runs, run) for run in plan["runs"]]
    failed = [folder for folder in failed if folder.state() == State.failed]
    for folder in failed:
        folder.forgive()
    return len(failed)


def _attempts(folder: RunFolder) -> list[str]:
    lines = folder.attempts_file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if '"start"' in line]


def _outcome(folder: RunFolder) -> Any:
    result = folder.result()
    return result["metrics"], result["provenance"]["weights_sha256"], folder.history()


def _differing(plan: Plan, calm: Path, rough: Path) -> list[str]:
    """The runs that are not what they would have been, and folders that should not exist."""
    wanted = {run["run_id"] for run in plan["runs"]}
    differing = [path.name for path in (rough / plan["study"]).iterdir() if path.name not in wanted]
    for run in plan["runs"]:
        if _outcome(folder_of(calm, run)) != _outcome(folder_of(rough, run)):
            differing.append(run["run_id"])
    return differing
