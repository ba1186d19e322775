"""Where a result comes from: code, versions, machine, and what may move its last bits."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import socket
import subprocess
from typing import Any

from experiments.components import ROOT

# What a worker imports; the planner's, the tables' and the mirror's code cannot change a result.
WORKER_PACKAGES = ("experiments", "lightning_modules", "datamodules")
DISTRIBUTIONS = ("torch", "pytorch-lightning", "torchmetrics", "numpy")


@functools.cache
def sources_digest() -> str:
    """A hash over the names and contents of every Python file that a worker may import."""
    hashed = hashlib.sha256()
    for package in WORKER_PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            hashed.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


@functools.cache
def git_state() -> dict[str, Any]:
    """The checkout's commit and whether it differs from it; nulls outside a checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain")
    return {"git_commit": commit, "git_dirty": None if changes is None else bool(changes)}


def provenance(*, device: str, threads: int, compile: bool, workers: int) -> dict[str, Any]:
    """For result.json; bit-for-bit equality is promised within equal `numerics`."""
    versions = {name: importlib.metadata.version(name) for name in DISTRIBUTIONS}
    return {
        **git_state(),
        "sources": sources_digest(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "versions": versions,
        "workers": workers,
        "numerics": {
            "device": device,
            "threads": threads,
            "compile": compile,
            "torch": versions["torch"],
            "machine": platform.machine(),
        },
    }
