"""The run store: one folder a run, which is the record of it. Written so that any moment may be a
kill: whole files appear by rename, logs grow by lines, and only a folder with DONE is finished.

    runs/<study>/<run id>/
        run.json        what the worker executes: id, arm, typed config, digest of the sources
        config.yaml     the same config, for people
        attempts.jsonl  each start and each end: host, time, reason, last log lines
        history.jsonl   the logged curve
        checkpoint/     the newest resumable state and the one before; deleted at the end
        weights/        <step>.safetensors where another stage needs them: experiments/weights.py
        lease/          who may train it: experiments/lease.py
        result.json     written once, at the end
        DONE            put there last: only a folder with DONE is finished

To carry, list and tidy such folders:  python -m experiments.store --help
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from experiments import lease
from experiments.files import DiskFull, append_line, read_lines, write_atomic
from experiments.lease import Busy

# Interrupted this often in a row without a new durable checkpoint, a run counts as failed.
MAX_FRUITLESS_ATTEMPTS = 3
# Kept on the disk while a run is unfinished: room to note that there was no room.
RESERVE_BYTES = 16384


class State(StrEnum):
    """Where a run stands. `blocked` is known to the plan alone: a parent failed."""

    waiting = "waiting"
    running = "running"
    finished = "finished"
    failed = "failed"
    interrupted = "interrupted"
    blocked = "blocked"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class RunFolder:
    """One run's folder. Cheap to make: nothing is read or written before it is asked for."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.spec_file = self.path / "run.json"
        self.history_file = self.path / "history.jsonl"
        self.attempts_file = self.path / "attempts.jsonl"
        self.result_file = self.path / "result.json"
        self.done_file = self.path / "DONE"
        self.log_file = self.path / "log.txt"
        self.online_file = self.path / "online.json"  # what W&B's server was seen to hold
        self.checkpoints = self.path / "checkpoint"
        self.reserve_file = self.path / ".reserve"

    @classmethod
    def of(cls, runs: Path | str, *, study: str, run_id: str) -> RunFolder:
        return cls(Path(runs) / study / run_id)

    # What is to be run

    def prepare(self, spec: dict[str, Any]) -> None:
        """Write what the worker executes. A finished or running run keeps what it has."""
        if self.state() in (State.finished, State.running):
            return
        import yaml

        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.spec_file, json.dumps(spec, indent=1, allow_nan=False))
        write_atomic(self.path / "config.yaml", yaml.safe_dump(spec["config"], sort_keys=False))

    def spec(self) -> dict[str, Any]:
        return json.loads(self.spec_file.read_text(encoding="utf-8"))

    # Where it stands

    def is_done(self) -> bool:
        return self.done_file.exists()

    def result(self) -> dict[str, Any]:
        return json.loads(self.result_file.read_text(encoding="utf-8"))

    def state(self) -> State:
        if self.is_done():
            return State.finished
        if self.is_locked() or lease.is_held_elsewhere(self.path):
            return State.running
        attempts = self.attempts()
        if not attempts:
            return State.waiting
        if attempts[-1].get("state") == State.failed or self._is_fruitless(attempts):
            return State.failed
        return State.interrupted

    @staticmethod
    def _is_fruitless(attempts: list[dict[str, Any]]) -> bool:
        last = attempts[-MAX_FRUITLESS_ATTEMPTS:]
        durable = {attempt.get("checkpoint", attempt["step"]) for attempt in last}
        started = {attempt["step"] for attempt in last}
        return len(last) == MAX_FRUITLESS_ATTEMPTS and durable == started and len(started) == 1

    def attempts(self) -> list[dict[str, Any]]:
        """One dict an attempt: its start, updated with its end where that is known."""
        attempts: dict[int, dict[str, Any]] = {}
        for row in read_lines(self.attempts_file):
            if row["event"] == "forgiven":
                attempts.clear()
            else:
                attempts.setdefault(row["attempt"], {}).update(row)
        # By number: a sleeper that woke may have noted its own late.
        return [attempts[number] for number in sorted(attempts) if "step" in attempts[number]]

    # What happens to it

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run among the processes of this host; raises Busy when another has it.

        The kernel frees it at any death. Among hosts, its lease decides: experiments/attempt.py.
        """
        path = lease.lock_file(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"{self.path} is being trained by another process") from error
            yield

    def is_locked(self) -> bool:
        try:
            with lease.lock_file(self.path).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def start_attempt(self, *, step: int, number: int | None = None) -> int:
        """Note a start from a checkpoint at `step`; returns the attempt's number."""
        number = number or 1 + self.last_attempt()
        row = {"event": "start", "attempt": number, "started": now(), "step": step}
        row |= {"host": socket.gethostname(), "pid": os.getpid()}
        if not self.reserve_file.exists():
            with contextlib.suppress(DiskFull):
                write_atomic(self.reserve_file, bytes(RESERVE_BYTES))
        self._note(row)
        return number

    def end_attempt(self, number: int, *, state: State, reason: str, checkpoint: int = 0) -> None:
        """Note how an attempt ended, with the end of its log where it did not finish."""
        row = {"event": "end", "attempt": number, "ended": now(), "state": state, "reason": reason}
        row["checkpoint"] = checkpoint
        if state != State.finished:
            row["log"] = self.log_tail()
        self._note(row)

    def forgive(self) -> None:
        """Let a failed run be trained again, from its last checkpoint."""
        self._note({"event": "forgiven", "attempt": self.last_attempt()})

    def last_attempt(self) -> int:
        return max((row["attempt"] for row in read_lines(self.attempts_file)), default=0)

    def _note(self, row: dict[str, Any]) -> None:
        try:
            append_line(self.attempts_file, row, durable=True)
        except DiskFull:
            if not self.reserve_file.exists():
                raise
            self.reserve_file.unlink()
            append_line(self.attempts_file, row, durable=True)

    def log_tail(self, lines: int = 15) -> list[str]:
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:]

    def history(self) -> list[dict[str, Any]]:
        return read_lines(self.history_file)

    def finish(self, result: dict[str, Any]) -> None:
        """The result, then DONE, then away with the checkpoints: of a run that nobody trains."""
        write_atomic(self.result_file, json.dumps(result, indent=1, allow_nan=False) + "\n")
        write_atomic(self.done_file, now() + "\n")
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def wipe(self) -> None:
        """Forget everything but the attempts, so that the run is trained from its start."""
        # The mirror first: without DONE it would be taken for that of the run trained next.
        shutil.rmtree(self.path / "wandb", ignore_errors=True)
        shutil.rmtree(self.path / "weights", ignore_errors=True)
        for path in (self.done_file, self.result_file, self.history_file, self.online_file):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.forgive()


if __name__ == "__main__":
    from experiments.archive import main

    sys.exit(main(sys.argv[1:]))
