"""The report's data: what is said of a plan and its runs, before any markup."""

from __future__ import annotations

import base64
import gzip
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.plans import find_plans
from analysis.report import write_report
from analysis.report.arms import GREY, arms_of
from analysis.report.curves import curves_of
from analysis.report.data import report_data, study_data
from analysis.report.page import compact, embedded, render
from analysis.report.runs import configs, flatten
from analysis.report.scale import linear, logarithmic
from experiments.errors import UserError


def data_of(study):
    return study_data(study.write_plan(), study.root)


# ---- plans --------------------------------------------------------------------------------------


def test_a_plan_of_runs_comes_before_the_published_one_of_the_same_name(tmp_path):
    for root, names in {"runs": ["a-quick"], "results": ["a-quick", "b-quick"]}.items():
        (tmp_path / root / "plans").mkdir(parents=True)
        for name in names:
            (tmp_path / root / "plans" / f"{name}.json").touch()
    runs, results = tmp_path / "runs", tmp_path / "results"
    assert find_plans(runs, results) == [
        (runs / "plans" / "a-quick.json", runs),
        (results / "plans" / "b-quick.json", results),
    ]


def test_without_any_plan_the_user_is_told_what_to_type(tmp_path):
    with pytest.raises(UserError, match="make sweep"):
        write_report(tmp_path / "runs", tmp_path / "results", tmp_path / "reports")


def test_a_plan_that_cannot_be_reported_says_why_and_leaves_the_others(full_toy, tmp_path):
    full_toy.write_plan()
    (full_toy.root / "plans" / "broken-quick.json").write_text("{", encoding="utf-8")
    report = write_report(full_toy.root, tmp_path / "none", tmp_path)
    assert report.exit_code == 1
    assert "broken-quick.json" in report.problems[0]
    page = report.path.read_text(encoding="utf-8")
    assert "This plan cannot be reported" in page
    assert "It holds that both ways is better." in page


# ---- arms ---------------------------------------------------------------------------------------


def test_an_arm_is_named_by_its_variant_and_task_or_by_what_differs_from_the_baseline(toy):
    toy.arm([0.5], variant="base", task="spans", lr=0.1)
    toy.arm([0.5], variant="ltr", task="spans", lr=0.1)
    toy.arm([0.5], variant="ltr", task="tags", lr=0.2)
    toy.arm([0.5], role="aa", variant="base", task="spans", lr=0.1)
    toy.arm([0.5], role="parent", stage="pretrain", variant="ltr")
    toy.arm([0.5], role="parent", stage="pretrain", variant="base")
    arms = arms_of({"runs": toy.runs})
    assert [arm.name for arm in arms] == [
        "base, spans",
        "ltr, spans",
        "ltr, tags, lr 0.2",
        "A/A: base, spans",
        "ltr (pretrain)",
        "base (pretrain)",
    ]
    # A variant keeps its colour; a dash tells its tasks apart.
    assert [arm.colour for arm in arms] == [0, 1, 1, GREY, 1, 0]
    assert arms[1].dash != arms[2].dash
    assert [arm.group for arm in arms] == ["spans", "spans", "tags", "spans", *["pretrain"] * 2]


def test_more_arms_than_colours_differ_by_their_dash(toy):
    for i in range(15):
        toy.arm([0.5], size=i)
    looks = [(arm.colour, arm.dash) for arm in arms_of({"runs": toy.runs})]
    assert len(set(looks)) == 15


# ---- claims and effects -------------------------------------------------------------------------


def test_a_card_says_what_was_estimated_and_which_arms_were_compared(full_toy):
    data = data_of(full_toy)
    (card,) = data["claims"]
    assert card["verdict"] == "agrees"
    assert card["ours"].startswith("+0.200 [")
    assert card["seeds"] == "3+3"
    assert [(t["sign"], data["arms"][t["arm"]].name) for t in card["terms"]] == [
        ("", "base, spans"),
        ("−", "ltr, spans"),
    ]
    bar = card["bar"]
    assert bar["band"][0] < bar["zero"] < bar["band"][1] < bar["ends"][0] < bar["at"]
    assert bar["at"] == pytest.approx(np.mean(bar["ends"]), abs=0.01)
    assert card["resolve"] == ""  # it is resolved


def test_a_claim_that_is_not_comparable_says_why_and_is_not_judged(full_toy):
    full_toy.claim(
        "size helps", {"variant": "base"}, {"variant": "ltr"}, not_comparable="too small"
    )
    card = data_of(full_toy)["claims"][1]
    assert (card["verdict"], card["reason"]) == ("not comparable", "too small")
    assert card["bar"]["at"] is not None  # our estimate is shown all the same


def test_an_open_claim_tells_the_seeds_that_would_resolve_it(toy):
    a, b = [0.5, 0.7, 0.6], [0.5, 0.6, 0.4]  # both have a standard deviation of 0.1
    toy.arm(a, variant="base")
    toy.arm(b, variant="ltr")
    toy.claim("it helps", {"variant": "base"}, {"variant": "ltr"})
    (card,) = data_of(toy)["claims"]
    assert card["verdict"] == "not resolved"
    told = int("".join(c for c in card["resolve"] if c.isdigit()))
    # delta is half of that standard deviation
    assert power(told + 1) >= 0.8 > power(told - 2)


def power(n: int, *, effect: float = 0.5) -> float:
    """Of the two-sided t-test at 0.05 with n seeds a cell, by the noncentral t distribution."""
    critical = stats.t.isf(0.025, 2 * n - 2)
    return float(stats.nct.sf(critical, 2 * n - 2, effect * (n / 2) ** 0.5))


def test_effects_have_a_row_a_claim_and_the_baseline_against_itself(full_toy):
    (panel,) = data_of(full_toy)["forest"]
    assert [row["verdict"] for row in panel["rows"]] == ["agrees", "not judged"]
    assert panel["rows"][1]["ours"].startswith("+0.003 [")


def test_arm_effects_show_every_seed_of_every_arm_but_no_parent(full_toy):
    data = data_of(full_toy)
    panels = data["arm_effects"]
    names = {p["group"]: [data["arms"][row["arm"]].name for row in p["rows"]] for p in panels}
    assert names == {
        "spans": ["base, spans", "ltr, spans", "A/A: base, spans"],
        "tags": ["base, tags", "ltr, tags"],
    }
    assert [dot["at"] for dot in panels[0]["rows"][0]["seeds"]] == [80.0, 82.0, 81.0]


def test_an_axis_has_round_ticks_and_places_in_percent():
    scale = linear([0.0, 1.0], within=(0.0, 1.0))
    assert [(t.at, t.text) for t in scale.ticks][:2] == [(0.0, "0.0"), (20.0, "0.2")]
    assert scale.at(0.25) == 25.0
    assert scale.at(7.0) == 100.0  # held within the plot
    steps = logarithmic(np.log([90.0, 2100.0]))
    assert [t.text for t in steps.ticks] == ["100", "200", "500", "1,000", "2,000"]


# ---- curves -------------------------------------------------------------------------------------


def test_curves_are_what_the_histories_hold_thinned_with_both_ends_kept(toy):
    rows = [{"step": s, "train/loss": 1 / (s + 1)} for s in range(1000)]
    rows[500] |= {"validation/score": 0.5, "validation/odd": None}
    rows[999] |= {"validation/score": 0.75, "train/once": 1.0}
    (folder,) = toy.arm([0.75], variant="base", curve=rows)
    curves = curves_of({"a": folder}, first=["validation/score"])
    assert curves["metrics"] == ["validation/score", "train/loss"]  # one point is no curve
    place, values = curves["runs"]["a"]["validation/score"]
    assert (curves["steps"][place], values) == ([500, 999], [0.5, 0.75])
    place, values = curves["runs"]["a"]["train/loss"]
    assert len(values) == curves["most"] == 200
    assert (curves["steps"][place][0], curves["steps"][place][-1]) == (0, 999)
    assert values[0] == 1.0


def test_parents_have_curves_of_their_own_metrics(full_toy):
    curves = data_of(full_toy)["curves"]
    assert curves["metrics"][0] == "validation/exact_match"
    assert "train/token_loss" in curves["metrics"]
    assert list(curves["runs"]["toy0000"]) == ["train/token_loss"]


# ---- runs ---------------------------------------------------------------------------------------


def test_missing_runs_are_counted_and_named_with_their_reason(toy):
    toy.arm([0.5, None], variant="base")
    (damaged,) = toy.arm([0.5], variant="ltr")
    (damaged / "result.json").write_text("{", encoding="utf-8")
    data = data_of(toy)
    assert data["counts"]["missing"] == {"unfinished": 1, "damaged": 1}
    assert [(run["id"], run["status"]) for run in data["runs"]] == [
        ("toy0000", "completed"),
        ("toy0001", "unfinished"),
        ("toy0002", "damaged"),
    ]
    assert data["configs"]["toy0001"]["seed"] == "1"  # the plan knows its config


def test_a_run_with_a_damaged_curve_takes_nothing_else_away(full_toy, tmp_path):
    full_toy.write_plan()
    whole = write_report(full_toy.root, tmp_path / "none", tmp_path)
    (history, *_) = sorted(full_toy.root.glob("*/toy0001/history.jsonl"))
    history.write_text("{\n" + history.read_text(encoding="utf-8"), encoding="utf-8")
    report = write_report(full_toy.root, tmp_path / "none", tmp_path)
    assert whole.problems == []
    (problem,) = report.problems
    assert "/toy0001 is damaged: history.jsonl, line 1" in problem
    (data,) = report_data(find_plans(full_toy.root, tmp_path / "none"))["studies"]
    assert data["counts"]["missing"] == {"damaged": 1}
    assert len(data["curves"]["runs"]) == len(full_toy.runs) - 1
    assert problem in data["tables"][0].notes


def test_a_config_is_what_all_share_and_what_each_has_besides(full_toy):
    common, own = configs({"runs": full_toy.runs})
    for run in full_toy.runs:
        assert common | own[run["run_id"]] == flatten(run["config"])
    assert common == {"trainer.max_steps": "100"}


def test_provenance_counts_the_runs_behind_each_fact(full_toy):
    facts = {fact["name"]: fact["values"] for fact in data_of(full_toy)["provenance"]}
    assert facts["git_commit"] == [("abc", 17)]
    assert "weights_sha256" not in facts  # a run's own


def test_a_plan_with_nothing_finished_says_what_to_type(toy, tmp_path):
    toy.arm([None, None], variant="base")
    toy.arm([None, None], variant="ltr")
    toy.claim("it helps", {"variant": "base"}, {"variant": "ltr"})
    toy.write_plan()
    report = write_report(toy.root, tmp_path / "none", tmp_path)
    page = report.path.read_text(encoding="utf-8")
    assert "4 of 4 planned runs are not in this report" in page
    assert "make sweep SWEEP=toy PROFILE=quick" in page
    assert report.exit_code == 0


def test_a_violated_fact_is_a_problem_of_the_report(toy, tmp_path):
    toy.arm([0.5], metrics={"invariance": 0.3}, attention_mask="bidirectional", position="none")
    toy.write_plan()
    report = write_report(toy.root, tmp_path / "none", tmp_path)
    assert report.exit_code == 1
    assert "permuting the prompt moves the logits" in report.problems[0]
    assert "1 exact fact violated" in report.path.read_text(encoding="utf-8")


# ---- the page -----------------------------------------------------------------------------------


def test_what_the_data_say_cannot_end_the_script_that_holds_them():
    text = embedded({"name": "</script><!--"})
    assert "<" not in text
    assert json.loads(gzip.decompress(base64.b64decode(text))) == {"name": "</script><!--"}


def test_numbers_are_short_and_aligned():
    values = (None, 0.0, 0.99604, 1.0, 30.097, 505.0, 1500.0, 2.2e-15, -0.0636, 2.23e12)
    assert [compact(value) for value in values] == [
        *("–", "0.000", "0.996", "1.000", "30.1", "505", "1,500", "2.20e−15", "−0.064", "2.23e12")
    ]


def test_the_same_runs_give_the_same_bytes(full_toy):
    pages = [render({"studies": [data_of(full_toy)]}) for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_sweep_ends_with_the_report_and_tells_what_is_wrong_in_it(full_toy, tmp_path, capsys):
    from sweeps import commands

    full_toy.write_plan()
    (full_toy.root / "plans" / "broken-quick.json").write_text("{", encoding="utf-8")
    commands.report(Namespace(reports=tmp_path / "out"), full_toy.root)
    assert (tmp_path / "out" / "index.html").is_file()
    told = capsys.readouterr().out
    assert "broken-quick.json" in told
    assert "is not JSON" in told


def test_the_command_writes_the_page_and_reports_a_mistake(full_toy, tmp_path, capsys):
    from analysis.__main__ import main

    full_toy.write_plan()
    where = ["--results", str(tmp_path / "none"), "--reports", str(tmp_path / "out")]
    assert main(["report", "--runs", str(full_toy.root), *where]) == 0
    assert Path(tmp_path / "out" / "index.html").is_file()
    assert "1 study" in capsys.readouterr().out
    assert main(["report", "--runs", str(tmp_path / "nowhere"), *where]) == 2
    assert "make sweep" in capsys.readouterr().err
