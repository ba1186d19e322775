"""No worker process outlives the test that started it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_orphans() -> Iterator[None]:
    yield
    from tests.experiments import processes

    processes.kill_all()
