"""Dashboards are data made from the declarations, and the real package takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.dashboard import declarations, specification, sweeps
from experiments import wandb_dashboard

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
