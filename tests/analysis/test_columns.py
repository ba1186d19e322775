"""What a cell says of the seeds that it lacks."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.columns import Cell, of_planned, p_exact


@pytest.mark.parametrize(
    ("statuses", "planned", "n", "told"),
    [
        (["completed"] * 3, 3, 3, "x"),
        (["completed"] * 3, 3, 2, "x (2/3)"),
        (["completed"] * 3, 3, 0, "x"),  # they are of a kind that has no such metric
        (["diverged"] + ["completed"] * 2, 3, 0, "x (0/3)"),
        (["completed"] * 2, 3, 0, "x (0/3)"),
        ([], 3, 0, "x (0/3)"),
    ],
)
def test_a_count_follows_where_seeds_are_missing(statuses, planned, n, told) -> None:
    arm = SimpleNamespace(runs=pd.DataFrame({"status": statuses}), num_planned=planned)
    cell = of_planned(Cell("x", {}), arm, n)
    assert (cell.text, cell.values["n"]) == (told, n)


@pytest.mark.parametrize(
    ("p", "told"), [(None, "–"), (1.0, "1.000"), (2 / 3432, "0.001"), (2 / 12870, "<0.001")]
)
def test_an_exact_p_is_never_said_to_be_0(p, told) -> None:
    assert p_exact(SimpleNamespace(p_exact=p)).text == told
