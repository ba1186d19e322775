"""A run that "trains" as the test says, and a client that does not wait for minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.store import RunFolder
from tests.drivers.loopback.server import LoopbackServer
from tests.tracking.conftest import REPO, make_run, write_json

PROJECT = "lab"
# What stands in experiments/wandb_online.py for minutes. Whole seconds: W&B's service takes a
# fraction for nothing, and then its default.
HURRY = {
    "WANDB_INIT_TIMEOUT": "4",
    "WANDB_FINISH_TIMEOUT": "4",
    "WANDB_HTTP_TIMEOUT": "4",
    "WANDB_X_GRAPHQL_RETRY_MAX": "2",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "1",
    "WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB_X_FILE_STREAM_RETRY_WAIT_MAX_SECONDS": "1",
    "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
    "WANDB_X_FILE_TRANSFER_RETRY_MAX": "1",
}


class Training:
    """A run folder that is filled as a worker would: rows, checkpoints, DONE."""

    def __init__(self, runs: Path, *, seed: int = 0, rows: int = 50) -> None:
        self.path = make_run(runs, seed=seed, rows=rows)
        self.run_id = self.path.name
        self.folder = RunFolder(self.path)
        self.lines = (self.path / "history.jsonl").read_text(encoding="utf-8").splitlines(True)
        self.result = self.folder.result()
        spec = {**self.folder.spec(), "factors": self.result["factors"]}
        keys = ("parents", "study", "variant", "stage", "seed")
        self.result["config"] |= {key: self.result[key] for key in keys}
        spec["config"] = self.result["config"]
        write_json(self.path / "run.json", spec)
        for name in ("history.jsonl", "result.json", "DONE"):
            (self.path / name).unlink()
        self.written = 0

    def log(self, up_to: int) -> None:
        """Log the rows up to a step; whatever a kill would leave."""
        while self.written < len(self.lines):
            if json.loads(self.lines[self.written])["step"] > up_to:
                return
            with self.folder.history_file.open("a", encoding="utf-8") as file:
                file.write(self.lines[self.written])
            self.written += 1

    def checkpoint(self, step: int) -> None:
        self.log(step)
        self.folder.checkpoints.mkdir(exist_ok=True)
        write_json(self.folder.checkpoints / f"{step}-1.json", {"step": step})

    def killed_back_to(self, step: int) -> None:
        """What an attempt that goes on from the checkpoint at `step` does to the curve."""
        kept = [line for line in self.lines if json.loads(line)["step"] <= step]
        self.folder.history_file.write_text("".join(kept), encoding="utf-8")
        self.written = len(kept)

    def finish(self) -> None:
        self.log(1 << 60)
        self.folder.finish(self.result)

    @property
    def steps(self) -> list[int]:
        return sorted({json.loads(line)["step"] for line in self.lines})


def sync(*arguments: str, runs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make sync`, as a process."""
    command = [sys.executable, "-m", "experiments.sync", "--runs", str(runs)]
    return subprocess.run(
        [*command, "--project", PROJECT, *arguments],
        cwd=REPO,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_holds(server: LoopbackServer, training: Training) -> None:
    """The server holds the run as its folder does: nothing lost, nothing doubled, nothing else."""
    database, name = server.database, training.run_id
    assert database.steps(name) == training.steps
    assert (database.overwritten, database.errors, database.unknown) == ([], [], [])
    run: dict[str, Any] = database.runs[name]
    assert run["state"] == "finished"
    assert database.config(name)["seed"] == training.result["seed"]
    summary = json.loads(run["summaryMetrics"])
    assert summary["status"] == training.result["status"]
    assert summary["exact_match"] == training.result["metrics"]["exact_match"]
