"""The notebooks, executed on the committed results: what they show, not only that they run."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest

from analysis import execute as execution
from analysis.execute import NOTEBOOKS, NotebookError, execute
from analysis.figures import figures_of, image
from analysis.frame import load_plan, plan_frame
from analysis.lacking import without_results
from analysis.render import markdown
from analysis.table import build_table
from analysis.tuning import with_choices
from experiments.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted(path.stem for path in NOTEBOOKS.glob("*.py"))
PUBLISHED = sorted((ROOT / "results" / "plans").glob("*.json"))
SOURCE = "wandb-offline"


def outputs(notebook, kind: str) -> list[str]:
    """What the cells displayed of one MIME type."""
    found = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [out["data"][kind] for out in found if kind in out.get("data", {})]


def printed(notebook) -> str:
    found = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return "".join(out["text"] for out in found if out["output_type"] == "stream")


def shown(plan_file: Path, root: Path, source: str):
    """The tables and images that a plan's notebook has to show."""
    plan = load_plan(plan_file)
    plan, frame = with_choices(plan, plan_frame(plan, root, source=source))
    tables = [markdown(build_table(name, plan, frame)) for name in plan["tables"]]
    return tables, [image(name, plan, frame) for name in figures_of(plan)]


@pytest.mark.parametrize("plan_file", PUBLISHED, ids=lambda path: path.stem)
def test_on_the_committed_results_it_shows_the_tables_and_figures_of_make_tables(
    plan_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))  # no kernel is installed there
    cells = []
    target = execute(
        load_plan(plan_file)["study"],
        tmp_path / "out.ipynb",
        {"PLAN": str(plan_file), "ROOT": "results", "SOURCE": SOURCE},
        on_cell=lambda done, total: cells.append((done, total)),
    )
    notebook = nbformat.read(target, as_version=4)
    tables, images = shown(plan_file, Path("results"), SOURCE)
    assert outputs(notebook, "text/markdown") == tables
    assert [base64.b64decode(png) for png in outputs(notebook, "image/png")] == images
    assert f"source: {SOURCE} (results)" in printed(notebook)
    assert all(f"Source: {SOURCE} (results)" in t for t in tables if "plan " in t)
    text = printed(notebook)
    assert "verdict: " in text
    by_hand, in_table = re.findall(r"(?:difference|in the table) (\S+), p", text)
    assert by_hand == in_table
    assert cells == [(i + 1, len(cells)) for i in range(len(cells))]


def test_the_claim_worked_out_by_hand_is_the_tables(bert, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan_file = bert.write_plan()
    given = {"PLAN": str(plan_file), "ROOT": str(bert.root), "SOURCE": "runs"}
    notebook = nbformat.read(execute("bert", tmp_path / "out.ipynb", given), as_version=4)
    tables, images = shown(plan_file, bert.root, "runs")
    assert outputs(notebook, "text/markdown") == tables
    assert [base64.b64decode(png) for png in outputs(notebook, "image/png")] == images
    text = printed(notebook)
    assert "published: +10.1 points of F1" in text
    assert "difference 0.290000" in text
    assert "verdict: agrees" in text
    assert "There are no results yet" not in text


def run_here(name: str, plan_file: Path, root: Path, source: str = "runs") -> None:
    """Cell by cell in this process: no kernel is needed to see what it prints."""
    namespace: dict[str, object] = {}
    for i, cell in enumerate(jupytext.read(NOTEBOOKS / f"{name}.py").cells):
        if cell.cell_type == "code":
            exec(compile(cell.source, f"cell {i}", "exec"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace |= {"PLAN": str(plan_file), "ROOT": str(root), "SOURCE": source}


def test_the_positions_claim_worked_out_by_hand_is_the_tables(positions, capsys, monkeypatch):
    drawn = []

    def image(name, plan, frame):
        drawn.append(name)
        return b"\x89PNG\r\n\x1a\n"

    monkeypatch.setattr("analysis.figures.image", image)  # drawn in the test below
    run_here("positions", positions.write_plan(), positions.root)
    text = capsys.readouterr().out
    assert "published: +17.14 of perplexity" in text
    assert "difference 1.240000" in text
    assert "in the table 1.240000" in text
    assert "verdict: agrees" in text
    assert drawn == list(figures_of(positions.plan))
    assert "There are no results yet" not in text


@pytest.mark.parametrize("name", STUDIES)
def test_without_results_it_says_so_and_still_ends(name, request, tmp_path, capsys):
    study = request.getfixturevalue({"symmetry": "full_study"}.get(name, name))
    (tmp_path / "empty").mkdir()
    run_here(name, study.write_plan(), tmp_path / "empty")
    text = capsys.readouterr().out
    assert "There are no results yet: the planned runs are unfinished." in text
    assert f"Type one of: make sweep SWEEP={name}" in text


def test_runs_that_were_not_mirrored_are_told_with_what_shows_them(full_study, capsys):
    run_here("symmetry", full_study.write_plan(), full_study.root, source=SOURCE)
    text = capsys.readouterr().out
    assert "There are no results yet: the planned runs are not mirrored." in text
    assert "make tables SOURCE=runs reads the run folders" in text
    assert "make sync" in text
    assert "make sweep" not in text


def test_runs_that_the_server_lacks_are_told_with_what_uploads_them():
    frame = pd.DataFrame()
    frame.attrs["missing"] = {"symmetry/1": "not in us/lab"}
    told = without_results({"sweep": "symmetry", "profile": "quick"}, frame)
    assert "the planned runs are not in us/lab." in told
    assert "make sync uploads what the server lacks; make tables SOURCE=runs" in told


@pytest.mark.parametrize("study", STUDIES)
def test_a_notebook_declares_its_source_first_and_is_kept_without_outputs(study):
    text = (NOTEBOOKS / f"{study}.py").read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.source.startswith('SOURCE = "wandb-offline"')
    assert "execution_count" not in text
    again = jupytext.reads(jupytext.writes(notebook, fmt="py:percent"), fmt="py:percent")
    assert [cell.source for cell in again.cells] == [cell.source for cell in notebook.cells]


def write_notebook(folder: Path, monkeypatch, *cells: str) -> None:
    text = "\n\n".join(f"# %%\n{cell}" for cell in cells)
    (folder / "tiny.py").write_text(text + "\n", encoding="utf-8")
    monkeypatch.setattr(execution, "NOTEBOOKS", folder)


def test_a_failing_cell_is_named_and_what_ran_before_it_is_kept(tmp_path, monkeypatch):
    write_notebook(tmp_path, monkeypatch, "X = 1", "import sys; print(sys.executable, X)", "1 / 0")
    target = tmp_path / "out.ipynb"
    with pytest.raises(NotebookError, match=r"tiny.py, code cell 4 of 4: ZeroDivisionError"):
        execute("tiny", target, {"X": 2})
    notebook = nbformat.read(target, as_version=4)
    assert printed(notebook) == f"{sys.executable} 2\n"


def test_a_parameter_that_the_first_cell_does_not_set_is_refused(tmp_path, monkeypatch):
    write_notebook(tmp_path, monkeypatch, "SOURCE = 'runs'")
    with pytest.raises(UserError, match=r"no parameter SORCE.*Did you mean 'SOURCE'"):
        execute("tiny", tmp_path / "out.ipynb", {"SORCE": "wandb"})


def test_a_study_without_a_notebook_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'symmetry'"):
        execute("symetry", tmp_path / "out.ipynb", {})
