"""Dashboards are data made from the declarations, and the real package takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.claims import load_claims
from analysis.dashboard import declarations, specification, sweeps
from analysis.frame import load_plan
from analysis.sources import read_lines, read_result
from experiments import wandb_dashboard
from experiments.wandb_record import summary_of

RESULTS = Path(__file__).parents[2] / "results"
PUBLISHED = sorted((RESULTS / "plans").glob("*.json"))

DECLARED = {"study": "colours", "tables": ["t"]}
TABLE = {
    "title": "What each colour learns",
    "columns": [
        {"kind": "factor", "factor": "colour"},
        {"kind": "mean", "metric": "metrics.hue"},
        {"kind": "typical", "metric": "cost.flops"},
        {"kind": "typical", "metric": "metrics.probe/layer{num_layers}@end"},
    ],
}
CLAIMS = [{"sentence": "Red helps.", "source": "[1]", "metric": "hue"}]


def test_metrics_come_from_the_declarations() -> None:
    spec = specification("paint", DECLARED, {"t": TABLE}, CLAIMS)
    curves, bars = spec["sections"].values()
    assert [panel["metric"] for panel in curves] == [
        "train/loss",
        "validation/loss",
        "validation/hue",
    ]
    assert [panel["metric"] for panel in bars] == ["hue", "cost.flops"]
    assert spec["table"] == {"title": TABLE["title"], "columns": ["hue", "cost.flops"]}
    assert (spec["tag"], spec["group_by"], spec["claims"]) == ("sweep:paint", "group", CLAIMS)
    assert json.loads(json.dumps(spec)) == spec


def test_every_sweeps_dashboard_has_a_name_of_its_own() -> None:
    names = [specification(sweep, *declarations(sweep), [])["name"] for sweep in sweeps()]
    assert names == [f"{sweep}: ablations" for sweep in sweeps()]


def test_a_claim_beyond_the_trained_length_has_no_curve_of_its_own() -> None:
    table = {"title": "t", "columns": [{"kind": "mean", "metric": "metrics.hue_x8"}]}
    claims = [{"sentence": "Red extends.", "source": "[1]", "metric": "hue_x8"}]
    curves, _ = specification("paint", DECLARED, {"t": table}, claims)["sections"].values()
    assert [panel["metric"] for panel in curves] == [
        "train/loss",
        "validation/loss",
        "validation/hue",
    ]


@pytest.mark.parametrize("plan_file", PUBLISHED, ids=lambda path: path.stem)
def test_published_runs_feed_every_panel(plan_file: Path) -> None:
    plan = load_plan(plan_file)
    declared, tables = declarations(plan["sweep"])
    spec = specification(plan["sweep"], declared, tables, load_claims(declared["claims"]))
    logged: set[str] = set()
    summarised: set[str] = set()
    for run in plan["runs"]:
        folder = RESULTS / plan["study"] / run["run_id"]
        for row in read_lines(folder / "history.jsonl"):
            logged |= row.keys()
        told = summary_of(read_result(folder))
        flat = told | {f"cost.{name}": value for name, value in told["cost"].items()}
        summarised |= {name for name, value in flat.items() if type(value) in (int, float)}
    panels = [panel for panels in spec["sections"].values() for panel in panels]
    fed = {"curve": logged, "bar": summarised}
    assert [panel for panel in panels if panel["metric"] not in fed[panel["kind"]]] == []
    assert set(spec["table"]["columns"]) <= summarised


def test_the_symmetry_dashboard_shows_convergence() -> None:
    bars = specification("symmetry", *declarations("symmetry"), [])["sections"].popitem()[1]
    assert {"cost.steps", "steps_to_convergence"} <= {panel["metric"] for panel in bars}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the package's own models
@pytest.mark.parametrize("sweep", sweeps())
def test_wandb_workspaces_takes_every_sweeps_specification(sweep: str) -> None:
    spec = specification(sweep, *declarations(sweep), CLAIMS)
    where = {"entity": "us", "project": "lab"}
    view = wandb_dashboard.workspace(spec, **where)._to_model().model_dump_json(by_alias=True)
    page = wandb_dashboard.report(spec, **where)._to_model().model_dump_json(by_alias=True)
    for panels in spec["sections"].values():
        for panel in panels:
            assert panel["metric"] in view
            assert panel["metric"] in page
    for text in (view, page):
        assert f"sweep:{sweep}" in text
        assert "stddev" in text
    assert "Red helps." in page


def test_not_logged_in_says_what_would_be_made_and_where_else_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "")
    assert main(["dashboard", "--sweep", "symmetry", "--reports", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for words in ("exact_match", "wandb login", "make report", "wandb leet", "symmetry: ablations"):
        assert words in said
    assert not (tmp_path / "dashboards.json").exists()
