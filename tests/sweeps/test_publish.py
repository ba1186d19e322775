"""What is published regenerates the README's tables, without training."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UserError
from sweeps.launcher import Slot
from sweeps.plan import freeze, load_plan
from sweeps.publish import publish, with_tables
from sweeps.reconcile import reconcile

ROOT = Path(__file__).resolve().parents[2]


def test_the_readmes_tables_are_those_of_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    plan_file = ROOT / "results" / "plans" / "symmetry-quick.json"
    assert "| causal | none | all | 2 | 5/5" in text
    from_results = with_tables(text, plan_file, Path("results"))
    assert text == from_results


def test_every_published_run_is_in_its_plan_and_finished() -> None:
    plan = load_plan(ROOT / "results" / "plans" / "symmetry-quick.json")
    published = {path.parent.name for path in ROOT.glob("results/symmetry/*/DONE")}
    assert published == {run["run_id"] for run in plan["runs"]}


def test_publishing_keeps_what_tables_need(planned, tmp_path, recorder) -> None:
    plan = freeze(planned(seeds=1), tmp_path / "runs/plans/tiny-quick.json")
    path, results = tmp_path / "runs/plans/tiny-quick.json", tmp_path / "results"
    with pytest.raises(UserError, match="3 of 3 planned runs are not finished"):
        publish(path, tmp_path / "runs", results)
    reconcile(plan, tmp_path / "runs", slots=[Slot()], view=recorder)
    assert publish(path, tmp_path / "runs", results) == 3
    block = "x\n<!-- table: symmetry_cells -->\nold\n<!-- end -->\ny"
    here, there = (with_tables(block, path, root) for root in (tmp_path / "runs", results))
    assert here.replace(str(tmp_path / "runs"), str(results)) == there
    assert "| causal | none | all | 2 | 0/1" in there
