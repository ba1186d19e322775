"""How long: seconds a run, from what was measured, and the time that is left."""

from __future__ import annotations

import statistics
import time
from typing import Any

from experiments.store import RunFolder, State, read_lines
from sweeps.reconcile import Progress


class Seconds:
    """Expected seconds of each run: the mean of its arm's finished runs, else of its stage's, else
    the declaration's guess."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.measured: dict[str, list[float]] = {}
        self.by_stage: dict[str, list[float]] = {}
        self.seen: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read the results that have come in since the last time."""
        for run in self.progress.plan["runs"]:
            run_id = run["run_id"]
            if self.progress.states[run_id] == State.finished and run_id not in self.seen:
                self.seen.add(run_id)
                seconds = self.progress.folder(run).result()["cost"]["seconds"]
                self.measured.setdefault(run["arm"], []).append(seconds)
                self.by_stage.setdefault(run["stage"], []).append(seconds)

    def of(self, run: dict[str, Any]) -> float:
        if run["arm"] in self.measured:
            return statistics.fmean(self.measured[run["arm"]])
        if run["stage"] in self.by_stage:
            return statistics.fmean(self.by_stage[run["stage"]])
        guess = self.progress.plan["seconds_per_run"]
        return guess[run["stage"]] if isinstance(guess, dict) else guess

    def left(self) -> float:
        """Wall seconds until every run that can be trained is finished."""
        self.refresh()
        now, total = time.monotonic(), 0.0
        for run in self.progress.plan["runs"]:
            run_id = run["run_id"]
            state = self.progress.states[run_id]
            if state in (State.waiting, State.interrupted, State.running):
                spent = now - self.progress.started.get(run_id, now)
                total += max(0.0, self.of(run) - spent)
        return total / self.progress.num_slots


def last_row(folder: RunFolder) -> dict[str, Any]:
    """The newest value of each logged quantity of a run, {} before its first row."""
    newest: dict[str, Any] = {}
    for row in read_lines(folder.history_file)[-10:]:
        newest |= row
    return newest


def clock(seconds: float) -> str:
    """1:05 for 65 seconds, 2:00:00 for two hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
