"""A plan of tiny runs, and a process that reconciles it: what the benchmarks and tests sweep.

python -m benchmarks.tiny PLAN RUNS     reconcile the plan on two slots
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from experiments.store import State
from sweeps.declaration import Declaration
from sweeps.launcher import Slot
from sweeps.plan import Plan, load_plan, make_plan
from sweeps.reconcile import Progress, reconcile

TINY = [
    "data.digits=1",
    "data.batch_size=8",
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "trainer.evaluate_every=20",
    "trainer.measure_at=[]",
    "trainer.stop_at=null",
    "runtime.log_every=10",
    "runtime.device=cpu",
    "runtime.checkpoint_seconds=null",
    "tracking=disabled",
]


def tiny_plan(*overrides: str, num_runs: int) -> Plan:
    """`num_runs` seeds of one arm, half of them in the role of the A/A row's further seeds."""
    declared = Declaration(
        sweep="tiny",
        profile="quick",
        study="symmetry",
        experiment="symmetry",
        claims="",
        tables=[],
        title="tiny",
        seeds=num_runs // 2,
        overrides=TINY,
        arms=[["attention_mask=causal"]],
        seconds_per_run=1,
    )
    return make_plan(declared, common=list(overrides), claims=[])


class Silent:
    """A view that shows nothing."""

    def update(self, progress: Progress) -> None:
        pass

    def ended(self, run: dict[str, Any], state: State, progress: Progress) -> None:
        pass


def main(plan: str, runs: str) -> int:
    return reconcile(
        load_plan(Path(plan)), Path(runs), slots=[Slot(), Slot()], view=Silent()
    ).exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
