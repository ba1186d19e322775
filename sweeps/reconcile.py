"""Reconciling: train what a plan still lacks, and leave alone what it has.

Finished runs are kept, interrupted ones go on, failed ones wait for `make retry`, and a run whose
parent failed is blocked. Several sweeps may do this at once: a run is held by whoever trains it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from experiments.store import RunFolder, State
from experiments.weights import weights_file
from sweeps.launcher import Launcher, Slot, ctrl_c, folder_of
from sweeps.plan import Plan, spec_of

# How long a run that another process holds is left alone before it is looked at again.
ELSEWHERE_SECONDS = 2.0


class View(Protocol):
    """What a reconciliation shows of itself."""

    def update(self, progress: Progress) -> None: ...

    def ended(self, run: dict[str, Any], state: State, progress: Progress) -> None: ...


@dataclass
class Progress:
    """Where every planned run stands, and since when the running ones run."""

    plan: Plan
    runs: Path
    num_slots: int
    states: dict[str, State]
    started: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    interrupted: bool = False

    def counts(self) -> Counter[State]:
        return Counter(self.states.values())

    def folder(self, run: dict[str, Any]) -> RunFolder:
        return folder_of(self.runs, run)

    @property
    def exit_code(self) -> int:
        """0 when every planned run is finished, 130 when stopped, 1 otherwise."""
        if all(state == State.finished for state in self.states.values()):
            return 0
        return 130 if self.interrupted else 1


def look(plan: Plan, runs: Path) -> dict[str, State]:
    """The state of every planned run, `blocked` included."""
    states = {run["run_id"]: folder_of(runs, run).state() for run in plan["runs"]}
    for run in plan["runs"]:
        if blocked_by(run, states, runs):
            states[run["run_id"]] = State.blocked
    return states


def blocked_by(run: dict[str, Any], states: dict[str, State], runs: Path) -> str:
    """Why a run cannot start however long it waits for its parents; "" if it can.

    A plan lists parents before their children, so that a block is passed on in one pass.
    """
    if states[run["run_id"]] not in (State.waiting, State.interrupted, State.blocked):
        return ""
    for parent in run["parents"]:
        state = states.get(parent["run_id"])
        folder = RunFolder.of(runs, study=run["study"], run_id=parent["run_id"])
        if state in (State.failed, State.blocked):
            return f"its parent {parent['run_id']} is {state}"
        if state == State.finished and not weights_file(folder.path, parent["step"]).exists():
            return f"its parent {parent['run_id']} is finished, but without its weights"
    return ""


def is_ready(run: dict[str, Any], states: dict[str, State]) -> bool:
    """Whether the run is to be trained and all its parents are finished."""
    if states[run["run_id"]] not in (State.waiting, State.interrupted):
        return False
    return all(states.get(p["run_id"], State.finished) == State.finished for p in run["parents"])


def reconcile(
    plan: Plan,
    runs: Path,
    *,
    slots: list[Slot],
    view: View,
    on_finished: Callable[[RunFolder], None] = lambda folder: None,
    time_limit: float | None = None,
) -> Progress:
    """Train what the plan lacks; returns where everything stands at the end."""
    progress = Progress(plan, runs, len(slots), look(plan, runs))
    by_id = {run["run_id"]: run for run in plan["runs"]}
    elsewhere: dict[str, float] = {}
    for run_id, state in progress.states.items():
        if state == State.finished:
            on_finished(progress.folder(by_id[run_id]))
        elif state == State.running:
            elsewhere[run_id] = 0.0
    with ctrl_c() as stopped, Launcher(slots, time_limit=time_limit) as launcher:
        while True:
            if stopped() and not progress.interrupted:
                progress.interrupted = True
                for worker in launcher.workers:
                    worker.ask_to_stop()
            _look_elsewhere(progress, by_id, elsewhere, on_finished)
            view.update(progress)  # before the first start, which waits for the heavy imports
            if not progress.interrupted:
                _start_ready(progress, launcher, elsewhere)
            if not launcher.workers and (progress.interrupted or not elsewhere):
                break
            for worker, left_in in launcher.wait(0.25):
                run_id = worker.folder.path.name
                progress.started.pop(run_id, None)
                if left_in is None:  # another process was quicker
                    progress.states[run_id] = State.running
                    elsewhere[run_id] = time.monotonic()
                    continue
                progress.states[run_id] = left_in
                if left_in == State.finished:
                    on_finished(worker.folder)
                view.ended(by_id[run_id], left_in, progress)
    progress.states = look(plan, runs)
    view.update(progress)
    return progress


def _start_ready(progress: Progress, launcher: Launcher, elsewhere: dict[str, float]) -> None:
    for run in progress.plan["runs"]:
        if not launcher.free:
            return
        run_id = run["run_id"]
        if blocked_by(run, progress.states, progress.runs):
            progress.states[run_id] = State.blocked
        elif is_ready(run, progress.states):
            folder = progress.folder(run)
            progress.states[run_id] = folder.state()
            if not is_ready(run, progress.states):  # another process was quicker
                elsewhere[run_id] = 0.0
                continue
            folder.prepare(_spec_for(run, launcher.free[0]))
            launcher.start(folder)
            progress.states[run_id] = State.running
            progress.started[run_id] = time.monotonic()


def _spec_for(run: dict[str, Any], slot: Slot) -> dict[str, Any]:
    """The run's spec with the slot's threads and device: no part of its identity."""
    spec = spec_of(run)
    runtime = {**spec["config"]["runtime"], "threads": slot.threads}
    if slot.device is not None:
        runtime["device"] = "cuda"
    return {**spec, "config": {**spec["config"], "runtime": runtime}}


def _look_elsewhere(
    progress: Progress,
    by_id: dict[str, dict[str, Any]],
    elsewhere: dict[str, float],
    on_finished: Callable[[RunFolder], None],
) -> None:
    """Look again at the runs that another process holds."""
    for run_id, looked in list(elsewhere.items()):
        if time.monotonic() - looked < ELSEWHERE_SECONDS:
            continue
        folder = progress.folder(by_id[run_id])
        state = folder.state()
        elsewhere[run_id] = time.monotonic()
        if state != State.running:
            del elsewhere[run_id]
            progress.states[run_id] = state
            if state == State.finished:
                on_finished(folder)
