"""Finished run folders for the mirror's tests, and waiting for processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import wandb_client

REPO = Path(__file__).parents[2]


def make_run(runs: Path, *, seed: int = 0, rows: int = 50, arm: str | None = "causal-all") -> Path:
    """A finished run folder; every fifth row also holds a validation, in a line of its own."""
    run_id = f"{seed:016x}"
    folder = runs / "symmetry" / run_id
    folder.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    for step in range(0, 10 * rows, 10):
        lines.append({"step": step, "train/loss": 1 / (3 + step + seed), "train/accuracy": 1.0})
        if step % 50 == 0:
            lines.append({"step": step, "validation/exact_match": step / 7, "note": None})
    result = {
        "schema": 1,
        "run_id": run_id,
        "parents": [],
        "study": "symmetry",
        "variant": "causal-none-all",
        "stage": "train",
        "seed": seed,
        "factors": {"attention_mask": "causal", "num_layers": 2, "residual": "all"},
        "config": {
            "model": {"hidden_size": 64, "residual": [["0", "mlp"]], "dropout": 0.0, "empty": {}},
            "trainer": {"max_steps": 10 * rows, "lr": 1e-300, "warmup": None, "big": 2**62 + 1},
            "seed": seed,
        },
        "status": "converged",
        "metrics": {
            "exact_match": 1.0,
            "steps_to_convergence": None,
            "probe_r2/layer2@end": 0.1 + 0.2,
            "test_size": 2**53 + 1,
        },
        "cost": {"seconds": 1.5, "steps": 10 * rows, "flops": None},
        "provenance": {"host": "node7", "numerics": {"threads": 1}},
    }
    write_json(folder / "result.json", result)
    if arm:
        labels = {"experiment": "symmetry", "sweep": "depth", "tags": ["mine"]}
        write_json(folder / "run.json", {"run_id": run_id, "arm": arm, "labels": labels})
    history = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "history.jsonl").write_text(history, encoding="utf-8")
    (folder / "DONE").touch()
    return folder


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def logged_rows(run_dir: Path) -> list[dict[str, Any]]:
    """What W&B should hold: the lines of history.jsonl, those of one step made one row."""
    rows: dict[int, dict[str, Any]] = {}
    for line in (run_dir / "history.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows.setdefault(row["step"], {}).update(row)
    return [{"_step": row.pop("step"), **row} for row in rows.values()]


def without_own(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the columns that W&B adds itself."""
    return {key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")}


def start_python(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Run a program that prints to us, in a process that imports from this repository."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"still waiting after {seconds} s"
        time.sleep(0.05)


def has_ended(pid: int) -> bool:
    """Whether the process is gone; a dead one that nobody has waited for counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


@pytest.fixture(scope="session", autouse=True)
def _end_wandb_service():
    yield
    wandb_client.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs")
