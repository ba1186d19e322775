"""Ten random kill -9, of workers and of the sweep itself; `make bench` does a hundred."""

from __future__ import annotations

from benchmarks.kill_storm import storm


def test_a_sweep_under_a_killer_ends_as_the_undisturbed_one() -> None:
    outcome = storm(kills=10, num_runs=6, seed=3, max_steps=250)
    assert sum(outcome.kills.values()) == 10
    assert outcome.attempts >= outcome.runs
    assert outcome.equal, str(outcome)
