"""A sweep of tiny runs, planned without a declaration file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.declaration import Declaration
from sweeps.plan import Plan, make_plan
from tests.conftest import TINY


def declare(**changes: object) -> Declaration:
    settings = {
        "sweep": "tiny",
        "profile": "quick",
        "study": "symmetry",
        "experiment": "symmetry",
        "claims": "",
        "tables": ["symmetry_cells"],
        "title": "tiny",
        "seeds": 2,
        "overrides": TINY[1:],
        "arms": [["residual=all"], ["residual=none"]],
        "seconds_per_run": 1,
    }
    return Declaration(**settings | changes)


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """planned(*overrides, seeds=2, arms=[...]) -> a plan whose runs take about a second each."""

    def make(*overrides: str, **changes: object) -> Plan:
        return make_plan(declare(**changes), common=[*overrides], claims=[])

    return make


class Recorder:
    """A view that remembers what it was told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []

    def update(self, progress) -> None:
        pass

    def ended(self, run, state, progress) -> None:
        self.ends.append((run["run_id"], str(state)))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
