"""Tables from declarations, their renderings, and the command that writes them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from analysis import table as table_module
from analysis.__main__ import main
from analysis.frame import plan_frame
from analysis.outputs import write_tables
from analysis.render import escape_latex, html, latex, markdown, print_table, to_csv
from analysis.table import build_table, load_table
from experiments.errors import UserError


def built(study, name="symmetry_cells", plan=None):
    plan = plan or study.plan
    return build_table(name, plan, plan_frame(plan, study.root))


def texts(table):
    headers = [column.header for column in table.columns]
    return [dict(zip(headers, [c.text for c in row], strict=True)) for row in table.rows]


def test_cells_table_shows_each_arm_with_intervals_and_censoring(full_study):
    rows = texts(built(full_study))
    assert len(rows) == 8  # seven arms and the A/A row
    assert rows[0]["Exact match"] == "0.994 [0.990, 0.998]"
    assert rows[0]["Converged"] == "5/5 [0.57, 1.00]"
    assert rows[0]["Median steps"] == "2,500"
    assert rows[0]["Probe R²"] == "0.70"
    assert rows[1]["Exact match"].endswith("1.000]")  # cut at what exact match can be
    assert rows[2]["Median steps"] == ">6,000"
    assert rows[2]["Invariance"] == "7.0e−16"
    assert rows[4]["Layers"] == "1"


def test_cells_table_compares_the_baseline_with_itself(full_study):
    row = texts(built(full_study))[-1]
    assert row["Mask"] == "A/A: causal"
    assert row["Converged"] == "5/5 against 5/5"
    assert row["Exact match"].startswith("−0.001 [−0.007")
    assert row["Median steps"].startswith("×1.00 [0.85")


def test_seeds_that_are_missing_are_told(full_study):
    for run in full_study.runs[:2]:
        (full_study.root / "symmetry" / run["run_id"] / "DONE").unlink()
    table = built(full_study)
    assert texts(table)[0]["Converged"].startswith("3/3")
    assert texts(table)[0]["Converged"].endswith("of 5")
    assert "2 planned runs are not in this table: 2 unfinished." in table.notes
    assert "38 of 40 planned runs" in table.source


def test_a_sweep_without_any_finished_run_still_has_tables(full_study, tmp_path):
    plan = full_study.plan
    frame = plan_frame(plan, tmp_path / "empty")
    for name in plan["tables"]:
        for render in (markdown, html, latex, to_csv):
            assert render(build_table(name, plan, frame))


def test_a_further_factor_that_varies_gets_its_own_column(study):
    study.arm(exact=[0.9, 0.8])
    study.arm(exact=[0.1, 0.2], factors={"digits": 3})
    plan = {**study.plan, "claims": []}
    rows = texts(built(study, plan=plan))
    assert [row["Digits"] for row in rows] == ["2", "3"]


def test_claims_table_has_verdicts_and_an_unjudged_row_against_itself(full_study):
    table = built(full_study, "symmetry_claims")
    rows = texts(table)
    assert [row["Verdict"] for row in rows[-2:]] == ["not judged", "not judged"]
    assert rows[1]["Published"] == "> 0"
    assert rows[1]["Ours"] == "+0.692 [+0.664, +0.720]"
    assert rows[1]["Seeds"] == "5+5"
    assert rows[1]["δ"] == "±0.05"
    assert any("too_many_residuals" in note for note in table.notes)


def test_a_claim_changed_after_the_plan_is_shown_as_changed(full_study):
    plan = full_study.plan
    plan["claims"][0]["delta"] = 0.001
    table = built(full_study, "symmetry_claims", plan)
    assert any(
        "order_without_positions was changed after the data (delta)" in n for n in table.notes
    )
    assert texts(table)[0]["δ"] == "±0.001"  # the plan's is the one that is judged


@pytest.fixture
def broken_study(full_study):
    full_study.arm("reverse", exact=[0.9, 0.3], steps=[None] * 2, invariance=0.2)
    return full_study


def test_a_violated_fact_stands_out_in_every_rendering(broken_study):
    table = built(broken_study)
    assert len(table.violations) == 3
    alerts = [cell.text for row in table.rows for cell in row if cell.alert]
    assert len(alerts) == 2
    assert "**VIOLATED 0.20**" in markdown(table)
    assert r"\textcolor{red}{\textbf{0.20}}" in latex(table)
    assert '<td class="number alert">0.20</td>' in html(table)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["violated"] for row in rows if row["violated"]] == ["exact_match invariance"]


def test_html_is_one_file_that_needs_nothing_from_outside(full_study):
    page = html(built(full_study))
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert "&gt;6,000" in page


def test_latex_escapes_what_tex_would_read():
    assert escape_latex("50% of a_b & {c} <δ> \\x²") == (
        r"50\% of a\_b \& \{c\} $<$$\delta$$>$ \textbackslash{}x$^2$"
    )


@pytest.mark.parametrize("name", ["symmetry_cells", "symmetry_claims"])
def test_latex_rows_have_as_many_cells_as_columns_and_only_ascii(full_study, name):
    table = built(full_study, name)
    text = latex(table)
    assert text.isascii()
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table.columns) - 1}
    for word in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(word) == 1


def test_markdown_rows_have_as_many_cells_as_columns(full_study):
    table = built(full_study, "symmetry_claims")
    rows = [line for line in markdown(table).splitlines() if line.startswith("|")]
    assert {row.count(" | ") for row in rows} == {len(table.columns) - 1}


def test_csv_holds_plain_numbers_in_full(full_study):
    rows = list(csv.DictReader(io.StringIO(to_csv(built(full_study)))))
    assert float(rows[0]["exact_match"]) == pytest.approx(0.994)
    assert rows[2]["median_steps"] == ""
    assert float(rows[2]["median_steps_censored_at"]) == 6000
    claims = list(csv.DictReader(io.StringIO(to_csv(built(full_study, "symmetry_claims")))))
    assert claims[1]["claim"] == "mask_is_needed"
    assert claims[1]["verdict"] == "agrees"


def test_adding_a_table_is_adding_a_yaml(full_study, tmp_path, monkeypatch):
    declared = {
        "title": "Cost",
        "rows": "arms",
        "columns": [
            {"kind": "factor", "factor": "residual", "header": "Residual"},
            {"kind": "typical", "metric": "cost.steps", "header": "Steps", "style": ","},
        ],
    }
    (tmp_path / "cost.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    monkeypatch.setattr(table_module.load_table, "__defaults__", (tmp_path,))
    assert texts(built(full_study, "cost"))[0]["Steps"] == "2,600"


def test_the_best_can_be_that_of_the_rows_that_are_compared(full_study, tmp_path, monkeypatch):
    best = {"metric": "metrics.exact_match", "best": "max", "best_within": ["position", "depth"]}
    declared = {
        "title": "Best",
        "rows": "arms",
        "columns": [
            {"kind": "factor", "factor": "attention_mask", "header": "Mask"},
            {"kind": "factor", "factor": "residual", "header": "Residual"},
            {"kind": "factor", "factor": "position", "header": "Position"},
            {"kind": "factor", "factor": "num_layers", "header": "Layers", "key": "depth"},
            {"kind": "mean", "header": "Exact match", **best},
        ],
    }
    (tmp_path / "best.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    monkeypatch.setattr(table_module.load_table, "__defaults__", (tmp_path,))
    table = built(full_study, "best")
    bold = [[cell.text for cell in row[:4]] for row in table.rows if row[4].best]
    # The only arm of one layer is compared with none.
    assert bold == [["causal", "all", "none", "2"], ["causal", "all", "learned", "2"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "seeds"}, "rows must be one of: arms, variants, claims, published"),
        ({"colums": []}, "Did you mean 'columns'"),
        ({"columns": []}, "'columns' is missing"),
        ({"by": "task"}, "'by' belongs to rows: variants"),
        ({"rows": "published"}, "'published' is missing"),
        ({"columns": [{"kind": "mean", "metric": "y"}]}, "lacks its header"),
        ({"columns": [{"kind": "tuned", "header": "x", "best": "most"}]}, "one of: max, min"),
        (
            {"columns": [{"kind": "tuned", "header": "x", "best": "max", "best_within": ["tsak"]}]},
            "best_within names a column 'tsak'",
        ),
        ({"columns": [{"kind": "maen", "header": "x"}]}, "Did you mean 'mean'"),
        ({"columns": [{"kind": "mean", "header": "x", "metrics": "y"}]}, "wrong options"),
    ],
)
def test_a_mistake_in_a_declaration_is_named(tmp_path, change, message):
    columns = [{"kind": "tuned", "header": "x"}]
    declared = {"title": "x", "rows": "arms", "columns": columns} | change
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_table("broken", tmp_path)


def test_an_unknown_table_is_named():
    with pytest.raises(UserError, match="Did you mean 'symmetry_cells'"):
        load_table("symmetry_cell")


def test_write_tables_writes_every_format_and_figures(full_study, tmp_path):
    outcome = write_tables(full_study.write_plan(), full_study.root, tmp_path / "reports")
    names = {str(path.relative_to(tmp_path / "reports")) for path in outcome.files}
    assert names == {
        *(
            f"tables/symmetry_{t}.{s}"
            for t in ("cells", "claims")
            for s in ("md", "tex", "html", "csv")
        ),
        *(
            f"figures/symmetry_{f}.{s}"
            for f in ("learning_curves", "heat_map")
            for s in ("png", "svg")
        ),
    }
    assert all(path.stat().st_size for path in outcome.files)
    assert (outcome.violations, outcome.exit_code) == ([], 0)


def test_equal_runs_give_equal_bytes(full_study, tmp_path):
    plan = full_study.write_plan()
    once, twice = (write_tables(plan, full_study.root, tmp_path / d).files for d in "ab")
    for a, b in zip(once, twice, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_the_command_prints_tables_and_exits_with_1_on_a_violation(broken_study, tmp_path, capsys):
    arguments = ["--runs", str(broken_study.root), "--reports", str(tmp_path)]
    arguments += ["--no-figures", "--no-notebooks"]
    assert main(["tables", "--plan", str(broken_study.write_plan()), *arguments]) == 1
    printed = capsys.readouterr().out
    assert "VIOLATED: reverse-none-all" in printed
    assert "0.994 [0.990, 0.998]" in printed
    assert "42 of 42 planned runs" in printed


def test_the_command_exits_with_2_on_a_users_mistake(tmp_path, capsys):
    assert main(["tables", "--plan", str(tmp_path / "nowhere.json")]) == 2
    assert "there is no plan" in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_terminal_of_any_width_breaks_no_word_and_names_what_it_leaves_out(full_study, width):
    for name in ("symmetry_cells", "symmetry_claims"):
        table = built(full_study, name)
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        print_table(table, console)
        printed = console.file.getvalue()
        assert max(map(len, printed.splitlines())) <= width
        _, _, left_out = printed.partition("In the written table only:")
        for column in table.columns:
            shown = all(word in printed for word in column.header.split())
            assert shown or column.header in left_out
        assert "…" not in printed


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from analysis.__main__ import main\n"
        "try: main(['tables', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'matplotlib', 'rich', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
