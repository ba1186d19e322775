"""Commands of the house as real processes, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.store import RunFolder
from tests.conftest import TINY
from tests.sweeps import conftest as sweeps_conftest

ROOT = Path(__file__).resolve().parents[2]

planned = sweeps_conftest.planned


@dataclass
class Lab:
    """A working folder and what is typed in it."""

    path: Path

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.path,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(module, *arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """python -m experiments.run with the overrides of a tiny run."""
        return self.type("experiments.run", *TINY, *arguments)

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
        # No GPU: what these runs are compared with was trained on the cores.
        ours = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return {**kept, **ours, **changes}

    def folders(self) -> list[RunFolder]:
        """The run folders of the study, oldest first."""
        found = (self.path / "runs" / "symmetry").glob("*/run.json")
        return [RunFolder(path.parent) for path in sorted(found, key=lambda p: p.stat().st_mtime)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def point(tmp_path: Path) -> Callable[..., list[str]]:
    """point("seed=1") -> the overrides of one point of a multirun in tmp_path."""
    return lambda *overrides: [*TINY, f"paths.runs={tmp_path}/runs", *overrides]
