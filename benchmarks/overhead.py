"""Seconds a run beyond training: our sweep, plain `hydra -m`, and a fresh process for each run.

All three train the same trivial runs (two steps), one at a time, so that what is counted is
start-up, composition and bookkeeping. The two others are measured on fewer runs: they are slow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tiny import TINY, Silent, tiny_plan
from sweeps.launcher import Slot
from sweeps.reconcile import reconcile

ROOT = Path(__file__).resolve().parent.parent
STEPS = "trainer.max_steps=2"


def ours(runs: int, folder: Path) -> tuple[float, float]:
    """(seconds a run, of which composing and planning)."""
    began = time.monotonic()
    plan = tiny_plan(STEPS, num_runs=runs)
    planned = time.monotonic()
    progress = reconcile(plan, folder, slots=[Slot()], view=Silent())
    assert progress.exit_code == 0
    return (time.monotonic() - began) / runs, (planned - began) / runs


def hydra_basic(runs: int, folder: Path) -> float:
    """Hydra's own basic launcher, all runs in one process."""
    command = [sys.executable, "-m", "experiments.run", "-m", "experiment=symmetry", *TINY, STEPS]
    command += [f"paths.runs={folder}", f"seed=range(0,{runs})", "hydra/launcher=basic"]
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - began) / runs


def fresh_processes(runs: int, folder: Path) -> float:
    """One new process for each run, as a shell loop does it."""
    command = [sys.executable, "-m", "experiments.run", "experiment=symmetry", *TINY, STEPS]
    began = time.monotonic()
    for seed in range(runs):
        subprocess.run(
            [*command, f"paths.runs={folder}", f"seed={seed}"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return (time.monotonic() - began) / runs


def training_only(folder: Path) -> float:
    """Seconds that the runs themselves spent from their first to their last line of work."""
    results = [json.loads(p.read_text("utf-8")) for p in folder.glob("symmetry/*/result.json")]
    return sum(result["cost"]["seconds"] for result in results) / len(results)


def main(*, runs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        total, planning = ours(runs, folder / "ours")
        training = training_only(folder / "ours")
        basic = hydra_basic(max(10, runs // 10), folder / "basic")
        fresh = fresh_processes(max(3, runs // 40), folder / "fresh")
    print(f"seconds a run, {runs} trivial runs one at a time, of which {training:.2f} training")
    print(f"  this sweep         {total:6.2f}  (overhead {total - training:.2f})")
    print(f"  hydra -m, basic    {basic:6.2f}  {basic / total:5.1f} times ours")
    print(f"  fresh processes    {fresh:6.2f}  {fresh / total:5.1f} times ours")
    print(f"  composing and planning, within ours: {planning * 1000:.1f} ms a run")
