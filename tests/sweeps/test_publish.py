"""What is published regenerates the documents' tables, without training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from analysis import cache, collect, histories
from experiments.errors import UserError
from experiments.wandb_client import read_offline_run
from sweeps.launcher import Slot
from sweeps.plan import freeze, load_plan
from sweeps.publish import BLOCK, publish, with_tables
from sweeps.reconcile import reconcile

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")


DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    if BLOCK.search(path.read_text(encoding="utf-8"))
]


def regenerated(text: str, *, source: str = "runs") -> str:
    """The document with the tables of every published plan that has one in it."""
    names = {block[2] for block in BLOCK.finditer(text)}
    plans = [
        path
        for path in sorted(ROOT.glob("results/plans/*.json"))
        if names & set(load_plan(path)["tables"])
    ]
    tables = {name for path in plans for name in load_plan(path)["tables"]}
    assert names
    assert names <= tables
    for path in plans:
        text = with_tables(text, path, Path("results"), source=source)
    return text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_documents_tables_are_those_of_results(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert "Source: runs (results)" in text
    assert regenerated(text) == text


def test_they_are_those_of_the_published_wandb_files_too() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    from_wandb = regenerated(text, source="wandb-offline")
    assert text.replace("Source: runs (", "Source: wandb-offline (") == from_wandb


def test_the_published_frame_and_curves_are_the_same_from_either_source() -> None:
    here, there = (collect(source, root=ROOT / "results") for source in ("runs", "wandb-offline"))
    assert len(here) == len(list(ROOT.glob("results/*/*/DONE")))
    assert there.attrs["left_out"] == {}
    assert_frame_equal(here, there, check_exact=True)
    curves = dict(histories(there))
    for run_id, curve in histories(here):
        assert len(curve) > 0
        assert_frame_equal(curve, curves[run_id], check_exact=True)


def test_a_study_is_published_in_a_few_megabytes() -> None:
    files = [path for path in ROOT.glob("results/symmetry/**/*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3e6


def test_all_that_is_published_is_a_few_megabytes() -> None:
    files = [path for path in ROOT.glob("results/**/*") if path.is_file()]
    assert 1e6 < sum(path.stat().st_size for path in files) < 12e6


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
    assert_frame_equal(collect(root=results), collect("wandb-offline", root=results))
    (file, *_) = files = sorted(results.rglob("*.wandb"))
    run = read_offline_run(file)
    assert {"sweep:tiny", "symmetry"} < set(run.tags)
    assert run.group in {planned_run["arm"] for planned_run in plan["runs"]}
    published = [file for file in results.rglob("*") if file.is_file()]
    assert not [file for file in published if str(tmp_path).encode() in file.read_bytes()]

    # Again: nothing is written anew but what has changed.
    contents = {path: path.read_bytes() for path in files}
    folder = tmp_path / "runs" / "symmetry" / file.parents[2].name
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    result["metrics"]["exact_match"] = 0.125
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    publish(path, tmp_path / "runs", results)
    kept = {path for path in files if path.exists() and path.read_bytes() == contents[path]}
    assert kept == set(files) - {file}
    metrics = collect("wandb-offline", root=results).set_index("run_id")["metrics.exact_match"]
    assert metrics[folder.name] == 0.125
