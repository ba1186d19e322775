"""A plan brought to its end on this machine, shown live and mirrored to W&B as it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from experiments.store import RunFolder, State
from sweeps.launcher import Slot, folder_of
from sweeps.plan import Plan
from sweeps.reconcile import Progress, look, reconcile
from sweeps.view import view_for

OnFinished = Callable[[RunFolder], None]


def drive(
    plan: Plan, runs: Path, *, slots: list[Slot], console: Console, time_limit: float | None = None
) -> Progress:
    """Reconcile the plan with isolated workers in these slots."""
    with mirroring(plan, runs) as on_finished, view_for(console) as view:
        return reconcile(
            plan, runs, slots=slots, view=view, on_finished=on_finished, time_limit=time_limit
        )


@contextlib.contextmanager
def mirroring(plan: Plan, runs: Path) -> Iterator[OnFinished]:
    """What is to be done with each finished run: mirror it offline, unless tracking is disabled.

    Online, the mirror follows every run of the plan from the start; UserError for a key that W&B
    refuses.
    """
    kind = {run["run_id"]: run["config"]["tracking"] for run in plan["runs"]}
    tracked = [run for run in plan["runs"] if run["config"]["tracking"] != "disabled"]
    if not tracked:
        yield lambda folder: None
        return
    from experiments.mirror import Mirror, check_tracking
    from experiments.wandb_client import is_mirrored

    config = tracked[0]["config"]
    online = config["tracking"] == "online"
    check_tracking(config)

    def submit(folder: RunFolder) -> None:
        if kind[folder.path.name] == "offline" and not is_mirrored(folder.path):
            mirror.submit(folder.path)

    with Mirror(sweep=config["sweep"], online=online, **config["wandb"]) as mirror:
        for run in tracked if online else []:
            mirror.submit(folder_of(runs, run).path)
        yield submit


def forgive_failed(plan: Plan, runs: Path) -> int:
    """Let the plan's failed runs be trained again; how many there were."""
    states = look(plan, runs)
    failed = [run for run in plan["runs"] if states[run["run_id"]] == State.failed]
    for run in failed:
        folder_of(runs, run).forgive()
    return len(failed)
