"""A plan of 1,000 runs over 200 arms, and the status of as many finished runs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from experiments.store import write_atomic
from sweeps.declaration import Declaration
from sweeps.launcher import folder_of
from sweeps.plan import freeze, make_plan, plan_path

ROOT = Path(__file__).resolve().parent.parent
DECLARED = Declaration(
    sweep="symmetry",
    profile="quick",
    study="symmetry",
    experiment="symmetry",
    claims="",
    tables=[],
    title="a thousand runs",
    seeds=5,
    overrides=[],
    arms=[[f"optimizer.lr={1e-4 * (1 + number)}"] for number in range(200)],
    seconds_per_run=1,
)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        began = time.monotonic()
        plan = freeze(
            make_plan(replace(DECLARED), common=[], claims=[]),
            plan_path(runs, sweep="symmetry", profile="quick"),
        )
        print(f"planning {len(plan['runs'])} runs over 200 arms: {time.monotonic() - began:.1f} s")
        for run in plan["runs"]:
            # Finished as far as a status looks: what a run weighs on the disk, and DONE.
            folder = folder_of(runs, run)
            result = {"status": "converged", "cost": {"seconds": 1.0}, "config": run["config"]}
            write_atomic(folder.result_file, json.dumps(result))
            write_atomic(folder.done_file, "")
        command = [sys.executable, "-m", "sweeps", "status", "symmetry", "--runs", str(runs)]
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        states = Counter(word for word in done.stdout.split() if word == "finished")
        assert states, done.stderr
        print(f"status of {len(plan['runs'])} finished runs: {time.monotonic() - began:.1f} s")
