"""Shared by the tests: a tiny run, and the folder it is prepared in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = [
    "experiment=symmetry",
    "data.digits=1",
    "data.batch_size=8",
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "trainer.max_steps=60",
    "trainer.evaluate_every=10",
    "trainer.measure_at=[15,30]",
    "trainer.stop_at=1.0",
    "optimizer.warmup_steps=5",
    "runtime.log_every=5",
    "runtime.device=cpu",
    "runtime.checkpoint_seconds=null",
    "tracking=disabled",
]


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Any]:
    """tiny(*overrides, runs="a") -> a prepared RunFolder of a run that takes about a second."""
    from experiments.compose import compose
    from experiments.run import folder_of
    from experiments.spec import make_spec

    def prepare(*overrides: str, runs: str = "runs") -> Any:
        spec = make_spec(compose([*TINY, f"paths.runs={tmp_path / runs}", *overrides]))
        folder = folder_of(spec)
        folder.prepare(spec)
        return folder

    return prepare
