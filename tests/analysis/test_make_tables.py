"""`make tables`: which plans it finds, where it reads their runs, and what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.declaration import load_table
from analysis.frame import plan_frame
from analysis.plans import PlanFile, find_plans, one_a_sweep
from analysis.regenerate import notebook_source
from analysis.table import build_table
from experiments.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = sorted((ROOT / "results" / "plans").glob("*.json"))


@pytest.fixture
def roots(tmp_path):
    for root, names in {
        "runs": ["symmetry-quick", "symmetry-cpu"],
        "results": ["symmetry-quick", "bert-quick"],
    }.items():
        (tmp_path / root / "plans").mkdir(parents=True)
        for name in names:
            (tmp_path / root / "plans" / f"{name}.json").touch()
    return tmp_path / "runs", tmp_path / "results"


def test_a_plan_made_here_wins_over_the_published_one(roots):
    runs, results = roots
    found = find_plans(runs, results)
    assert [(plan.path.stem, plan.root) for plan in found] == [
        ("bert-quick", results),
        ("symmetry-cpu", runs),
        ("symmetry-quick", runs),
    ]


def test_one_sweep_or_one_profile_can_be_asked_for(roots):
    assert [p.path.stem for p in find_plans(*roots, profile="quick")] == [
        "bert-quick",
        "symmetry-quick",
    ]
    (plan,) = find_plans(*roots, sweep="symmetry", profile="cpu")
    assert (plan.sweep, plan.profile) == ("symmetry", "cpu")


def test_without_a_profile_each_sweep_has_its_smallest(roots):
    (roots[1] / "plans" / "bert_size-cpu.json").touch()
    chosen = one_a_sweep(find_plans(*roots))
    assert [plan.path.stem for plan in chosen] == ["bert-quick", "bert_size-cpu", "symmetry-quick"]


def test_every_published_sweep_is_meant_and_what_is_left_out_is_named(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    taken = []
    monkeypatch.setattr(
        "analysis.regenerate.regenerate", lambda plans, *_, **__: taken.extend(plans)
    )
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "symmetry-cpu.json").touch()
    main(["tables", "--runs", str(tmp_path)])
    assert [plan.path.name for plan in taken] == [path.name for path in PUBLISHED]
    assert "symmetry-cpu.json: type make tables PROFILE=cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tracking", "mirrored", "source"),
    [
        ("offline", False, "wandb-offline"),
        ("online", False, "wandb"),
        ("online", True, "wandb-offline"),  # published
        ("disabled", False, "runs"),
    ],
)
def test_a_notebook_reads_where_the_plans_runs_are_tracked(full_study, tracking, mirrored, source):
    for run in full_study.plan["runs"]:
        run.setdefault("config", {})["tracking"] = tracking
        if mirrored:
            folder = full_study.root / "symmetry" / run["run_id"] / "wandb" / "offline-run-1"
            folder.mkdir(parents=True)
            (folder / f"run-{run['run_id']}.wandb").touch()
    assert notebook_source(PlanFile(full_study.write_plan(), full_study.root)) == source


def test_no_plan_at_all_and_an_unknown_one_are_users_mistakes(roots, tmp_path):
    with pytest.raises(UserError, match="make sweep to make one"):
        find_plans(tmp_path / "a", tmp_path / "b")
    with pytest.raises(UserError, match="Did you mean 'bert-quick'"):
        find_plans(*roots, sweep="brt", profile="quick")


def test_a_sweeps_name_may_hold_a_hyphen():
    assert PlanFile(Path("a-b-quick.json"), Path("runs")).sweep == "a-b"


@pytest.mark.parametrize("plan_file", PUBLISHED, ids=lambda path: path.stem)
def test_every_published_plan_has_its_tables_from_a_fresh_clone(
    plan_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    sweep, _, profile = plan_file.stem.rpartition("-")
    arguments = ["--sweep", sweep, "--profile", profile, "--runs", str(tmp_path / "none")]
    arguments += ["--reports", str(tmp_path), "--no-notebooks"]
    assert main(["tables", *arguments]) == 0
    assert "from the runs in results/" in capsys.readouterr().out
    for name in json.loads(plan_file.read_text(encoding="utf-8"))["tables"]:
        for suffix in ("md", "tex", "html", "csv"):
            assert (tmp_path / "tables" / f"{name}.{suffix}").stat().st_size


def test_runs_of_ones_own_are_read_where_they_are(full_study, tmp_path, capsys):
    full_study.write_plan()
    arguments = ["--runs", str(full_study.root), "--reports", str(tmp_path), "--no-notebooks"]
    assert main(["tables", "--sweep", "symmetry", "--no-figures", *arguments]) == 0
    printed = capsys.readouterr().out
    assert f"from the runs in {full_study.root}/" in printed
    assert f"Source: runs ({full_study.root})" in printed


def test_a_notebook_that_fails_fails_the_command(full_study, tmp_path, monkeypatch, capsys):
    from analysis import execute

    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path)
    text = "# %%\nPLAN = ROOT = SOURCE = 0\n\n# %%\n1 / 0\n"
    (tmp_path / "symmetry.py").write_text(text, encoding="utf-8")
    arguments = ["--runs", str(full_study.root), "--reports", str(tmp_path), "--no-figures"]
    assert main(["tables", "--plan", str(full_study.write_plan()), *arguments]) == 1
    assert "symmetry.py, code cell 3 of 3: ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_tables_means_every_sweep_unless_one_is_named():
    def command(*words: str) -> str:
        done = subprocess.run(
            ["make", "-n", "-o", ".venv/.ready", "tables", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return " ".join(done.stdout.replace("\\\n", " ").split())

    assert "--sweep" not in command()
    assert "--profile" not in command()
    assert "--profile cpu" in command("PROFILE=cpu")
    assert "--sweep bert" in command("SWEEP=bert")
    assert "--source runs" in command("SOURCE=runs")


def test_the_example_of_the_documentation_is_a_table(bert, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "spans.yaml").write_text(example, encoding="utf-8")
    monkeypatch.setattr(load_table, "__defaults__", (tmp_path,))
    table = build_table("spans", bert.plan, plan_frame(bert.plan, bert.root))
    (ltr,) = [row for row in table.rows if row[0].text == "ltr"]
    assert [cell.text.split(" ")[0] for cell in ltr] == ["ltr", "0.500", "−0.300", "77.8"]
