"""What a sweep shows while it runs: one live screen in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.store import State
from sweeps.estimate import Seconds, clock, last_row
from sweeps.reconcile import Progress, blocked_by

COLOURS = {
    State.finished: "green",
    State.running: "cyan",
    State.waiting: "dim",
    State.interrupted: "yellow",
    State.blocked: "magenta",
    State.failed: "red",
}
REFRESH_SECONDS = 1.0


def metric_of(run: dict[str, Any]) -> str:
    return f"validation/{run['config']['trainer']['stop_metric']}"


def failures(progress: Progress) -> list[str]:
    """A sentence for each failed run, with its reason and its log, and for what that blocks."""
    lines = []
    for run in progress.plan["runs"]:
        if progress.states[run["run_id"]] == State.failed:
            folder = progress.folder(run)
            attempts = folder.attempts()
            reason = attempts[-1].get("reason", "killed repeatedly") if attempts else "unknown"
            lines.append(f"{run['variant']} seed {run['seed']}: {reason}  ({folder.log_file})")
    reasons = Counter(
        blocked_by(run, progress.states, progress.runs)
        for run in progress.plan["runs"]
        if progress.states[run["run_id"]] == State.blocked
    )
    lines += [f"{count} runs are blocked: {reason}" for reason, count in reasons.items()]
    return lines


def summary(progress: Progress) -> Text:
    """'35 runs: 20 finished, 2 running, 13 waiting' in colours."""
    text = Text(
        f"{progress.plan['sweep']} {progress.plan['profile']}, {len(progress.states)} runs: "
    )
    counts = progress.counts()
    parts = [(state, counts[state]) for state in State if counts[state]]
    for index, (state, count) in enumerate(parts):
        text.append(", " if index else "").append(f"{count} {state}", COLOURS[state])
    return text


def variants_table(progress: Progress) -> Table:
    """One row a variant: how many of its runs are in each state."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("variant")
    for state in State:
        table.add_column(state, justify="right", style=COLOURS[state])
    rows: dict[str, Counter[State]] = {}
    for run in progress.plan["runs"]:
        name = run["variant"] + (" (A/A)" if run["role"] == "aa" else "")
        rows.setdefault(name, Counter())[progress.states[run["run_id"]]] += 1
    for name, counts in rows.items():
        table.add_row(name, *(str(counts[state] or "") for state in State))
    return table


class LiveView:
    """One screen: variants, the running runs with their current score, and the time left."""

    def __init__(self, console: Console) -> None:
        self.live = Live(console=console, refresh_per_second=4, transient=True)
        self.seconds: Seconds | None = None
        self.updated = 0.0

    def __enter__(self) -> LiveView:
        self.live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.live.__exit__(*exception)

    def update(self, progress: Progress) -> None:
        if time.monotonic() - self.updated >= REFRESH_SECONDS:
            self.updated = time.monotonic()
            self.live.update(self._screen(progress))

    def ended(self, run: dict[str, Any], state: State, progress: Progress) -> None:
        self.updated = 0.0

    def _screen(self, progress: Progress) -> Group:
        self.seconds = self.seconds or Seconds(progress)
        done = progress.counts()[State.finished]
        head = summary(progress)
        head.append(f"   {clock(time.monotonic() - progress.began)} so far, ")
        head.append(f"about {clock(self.seconds.left())} left", "bold")
        bar = Padding(ProgressBar(total=len(progress.states), completed=done, width=60), 0)
        parts: list[Any] = [head, bar, variants_table(progress), self._running(progress)]
        parts += [Text(line, "red") for line in failures(progress)]
        if progress.interrupted:
            parts.append(Text("stopping: the running runs make a checkpoint", "yellow"))
        return Group(*parts)

    def _running(self, progress: Progress) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("running", "seed", "step", "of", "score"):
            table.add_column(name, justify="left" if name == "running" else "right")
        for run in progress.plan["runs"]:
            if run["run_id"] in progress.started:
                row = last_row(progress.folder(run))
                score = row.get(metric_of(run))
                table.add_row(
                    run["variant"],
                    str(run["seed"]),
                    str(row.get("step", 0)),
                    str(run["config"]["trainer"]["max_steps"]),
                    "-" if score is None else f"{score:.3f}",
                )
        return table


class PlainView:
    """A line for each run that ends; for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: Seconds | None = None

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def update(self, progress: Progress) -> None:
        pass

    def ended(self, run: dict[str, Any], state: State, progress: Progress) -> None:
        self.seconds = self.seconds or Seconds(progress)
        counts = progress.counts()
        done = f"[{counts[State.finished]}/{len(progress.states)}]"
        if state == State.finished:
            result = progress.folder(run).result()
            score = result["metrics"].get(run["config"]["trainer"]["stop_metric"])
            said = result["status"] if score is None else f"{result['status']} {score:.3f}"
            said += f" after {result['cost']['steps']} steps, {result['cost']['seconds']:.0f} s"
        else:
            said = f"{state}: {progress.folder(run).attempts()[-1].get('reason', '')}"
        left = clock(self.seconds.left())
        line = f"{done} {run['variant']} seed {run['seed']}: {said}; about {left} left"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def view_for(console: Console) -> LiveView | PlainView:
    return LiveView(console) if console.is_terminal else PlainView(console)
