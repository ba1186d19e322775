"""Choosing a learning rate per arm: on validation, or, labelled so, on what is reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.frame import plan_frame
from analysis.table import build_table
from analysis.tuning import choose, notes, tuned_by, with_choices
from experiments.errors import UserError
from tests.analysis.conftest import SyntheticBert


def make(scores: dict[tuple[str, float], list[float]], *, tune: bool = True):
    runs, rows = [], []
    for (residual, lr), values in scores.items():
        for seed, value in enumerate(values):
            run_id = f"{residual}-{lr}-{seed}"
            factors = {"residual": residual, "lr": lr}
            runs.append({"run_id": run_id, "role": "cell", "seed": seed, "factors": factors})
            # The test score says the opposite.
            rows.append(
                {
                    "run_id": run_id,
                    "metrics.validation_exact_match": value,
                    "metrics.exact_match": 1 - value,
                }
            )
    runs.append({"run_id": "aa", "role": "aa", "factors": {"residual": "all", "lr": 0.002}})
    plan = {"sweep": "made", "profile": "up", "title": "made up", "runs": runs}
    if tune:
        plan["tune"] = {"factor": "lr", "by": "validation_exact_match"}
    frame = pd.DataFrame(rows)
    frame.attrs = {"source": "test"}
    return plan, frame


def test_each_arm_keeps_its_best_level_by_mean_validation_score() -> None:
    scores = {
        ("all", 0.001): [0.5, 0.6],
        ("all", 0.002): [0.9, 0.8],
        ("none", 0.001): [0.4, 0.2],
        ("none", 0.002): [0.1, 0.3],
        ("mlp", 0.002): [0.7, 0.7],
    }
    plan, frame, chosen = choose(*make(scores))
    kept = {"all-0.002-0", "all-0.002-1", "none-0.001-0", "none-0.001-1", "mlp-0.002-0"}
    assert set(frame["run_id"]) == kept | {"mlp-0.002-1"}
    assert all("lr" not in run["factors"] for run in plan["runs"])
    assert str(chosen["none-0.001-0"]) == "0.001 of 0.001: 0.300, 0.002: 0.200"
    assert str(chosen["mlp-0.002-0"]) == "0.002"
    assert frame.attrs == {"source": "test"}


def test_a_tie_goes_to_the_smaller_level() -> None:
    _, frame, _ = choose(*make({("all", 0.004): [0.5], ("all", 0.001): [0.5]}))
    assert list(frame["run_id"]) == ["all-0.001-0"]


def test_a_level_without_a_finished_run_cannot_win() -> None:
    _, frame, _ = choose(*make({("all", 0.001): [float("nan")], ("all", 0.002): [0.1]}))
    assert list(frame["run_id"]) == ["all-0.002-0"]


def test_before_anything_is_finished_the_baselines_level_stands() -> None:
    plan, frame = make({("all", 0.001): [0.5], ("all", 0.002): [0.1]})
    made, _, _ = choose(plan, frame.iloc[:0])
    assert [run["run_id"] for run in made["runs"]] == ["all-0.002-0", "aa"]


@pytest.mark.parametrize("scores", [{("all", 0.002): [0.5]}])
def test_a_plan_that_tunes_nothing_comes_back_as_it_is(scores) -> None:
    plan, frame = make(scores, tune=False)
    made, same, chosen = choose(plan, frame)
    assert made == plan
    assert same is frame
    assert chosen == {}


def test_by_the_reported_score_the_other_level_is_chosen_and_the_plan_says_so() -> None:
    plan, frame = make({("all", 0.001): [0.5, 0.6], ("all", 0.002): [0.9, 0.8]})
    on_validation, _, _ = choose(plan, frame)
    other = tuned_by(plan, frame, "exact_match")
    on_test, _, chosen = choose(other, frame)
    kept = [
        [run["run_id"] for run in made["runs"] if run["role"] == "cell"]
        for made in (on_validation, on_test)
    ]
    assert kept == [["all-0.002-0", "all-0.002-1"], ["all-0.001-0", "all-0.001-1"]]
    assert str(chosen["all-0.001-0"]) == "0.001 of 0.001: 0.450, 0.002: 0.150"
    assert other["title"] == "made up; lr chosen by exact_match and not by validation_exact_match"
    assert "the test set took no part" in notes(plan)[0]
    assert "best mean exact_match was chosen: on the very set whose scores" in notes(other)[0]


def test_another_choice_wants_a_plan_that_tunes_and_a_metric_that_its_runs_have() -> None:
    scores = {("all", 0.001): [0.5], ("all", 0.002): [0.9]}
    plan, frame = make(scores)
    with pytest.raises(UserError, match=r"'exact_mach' to choose by\. Did you mean 'exact_match'"):
        tuned_by(plan, frame, "exact_mach")
    assert notes(make(scores, tune=False)[0]) == []
    with pytest.raises(UserError, match="plan made-up tunes nothing"):
        tuned_by(*make(scores, tune=False), "exact_match")
    frame["metrics.validation_loss"] = 1.0
    with pytest.raises(UserError, match="largest validation_loss is not the best"):
        tuned_by(plan, frame, "validation_loss")


def test_the_declared_choice_named_again_is_no_other_choice() -> None:
    plan, frame = make({("all", 0.001): [0.5], ("all", 0.002): [0.9]})
    assert tuned_by(plan, frame, "validation_exact_match") == plan


# (scores, validation scores) of a rate. On validation the smaller is better, on what is reported
# the larger; to the further seeds, those of the A/A row, the larger is better on both.
CELLS = {7e-4: ([0.60, 0.61], [0.70, 0.71]), 1.4e-3: ([0.64, 0.65], [0.50, 0.51])}
FURTHER = {7e-4: ([0.60, 0.61], [0.50, 0.51]), 1.4e-3: ([0.64, 0.65], [0.70, 0.71])}


@pytest.fixture
def grid(tmp_path: Path) -> SyntheticBert:
    """Two arms and the A/A row on two tasks, each at two rates, and a control with one."""
    study = SyntheticBert(tmp_path / "runs")
    arms = [
        ("bert", "cell", 0.0, CELLS),
        ("ltr", "cell", -0.2, CELLS),
        ("bert", "aa", 0.0, FURTHER),
    ]
    for variant, role, gain, rates in arms:
        for lr, scores in rates.items():
            reported, validation = ([score + gain for score in kind] for kind in scores)
            seeds = {"role": role, "first_seed": 5 * (role == "aa")}
            for task in ("spans", "sentiment"):
                study.cell(variant, task, reported, validation=validation, lr=lr, **seeds)
    study.cell("bag_of_words", "spans", [0.3, 0.3], validation=[0.3, 0.3], lr=0.02)
    return study


def grids_plan(study: SyntheticBert) -> Path:
    path = study.write_plan()
    tune = {"factor": "lr", "by": "validation_score"}
    path.write_text(json.dumps({**study.plan, "tune": tune}), encoding="utf-8")
    return path


def written(reports: Path, name: str) -> dict[str, dict[str, str]]:
    text = (reports / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    return {row["variant"]: row for row in csv.DictReader(text.splitlines())}


def tables(study: SyntheticBert, reports: Path, *options: str) -> int:
    arguments = ["--plan", str(grids_plan(study)), "--runs", str(study.root)]
    arguments += ["--reports", str(reports), "--no-figures", "--no-notebooks"]
    return main(["tables", *arguments, *options])


def test_a_table_shows_the_rate_of_each_arm_and_task(grid: SyntheticBert, tmp_path: Path) -> None:
    assert tables(grid, tmp_path) == 0
    rows = written(tmp_path, "bert_table5")
    assert float(rows["bert"]["spans"]) == pytest.approx(0.605)
    assert rows["bert"]["spans_lr"] == "0.0007 of 0.0007: 0.705, 0.0014: 0.505"
    assert rows["ltr"]["sentiment_lr"] == "0.0007 of 0.0007: 0.505, 0.0014: 0.305"
    assert rows["A/A: bert"]["spans_lr"] == "0.0014 of 0.0007: 0.505, 0.0014: 0.705"
    assert (rows["bag_of_words"]["spans_lr"], rows["bag_of_words"]["sentiment_lr"]) == ("0.02", "")
    assert "entailment_lr" not in rows["bert"]  # no such task in this plan
    text = (tmp_path / "tables/bert_table5.md").read_text(encoding="utf-8")
    assert "*Learning rate chosen" in text
    assert "the lr with the best mean validation_score was chosen: on validation examples" in text


def test_the_choice_on_what_is_reported_is_written_beside_it_and_labelled(
    grid: SyntheticBert, tmp_path: Path
) -> None:
    assert tables(grid, tmp_path) == 0
    declared = (tmp_path / "tables/bert_table5.md").read_bytes()
    assert tables(grid, tmp_path, "--tune-by", "score") == 0
    assert (tmp_path / "tables/bert_table5.md").read_bytes() == declared
    rows = written(tmp_path, "bert_table5_by_score")
    assert float(rows["bert"]["spans"]) == pytest.approx(0.645)
    assert rows["bert"]["spans_lr"] == "0.0014 of 0.0007: 0.605, 0.0014: 0.645"
    for name in ("bert_table5", "bert_claims"):
        for suffix in ("md", "html", "tex"):
            path = tmp_path / f"tables/{name}_by_score.{suffix}"
            text = path.read_text(encoding="utf-8").replace(r"\_", "_")
            assert "lr chosen by score and not by validation_score" in text, path.name
            assert "on the very set whose scores are reported" in text, path.name
    assert not (tmp_path / "tables/bert_published_by_score.md").exists()  # it reads no run


def test_a_metric_that_no_run_has_is_a_users_mistake(
    grid: SyntheticBert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables(grid, tmp_path, "--tune-by", "scor") == 2
    assert "Did you mean 'score'" in capsys.readouterr().err


def test_a_plan_that_tunes_nothing_has_neither_rates_nor_a_word_of_a_choice(bert) -> None:
    frame = plan_frame(bert.plan, bert.root)
    table = build_table("bert_table5", *with_choices(bert.plan, frame))
    assert not any(column.kind == "tuned" for column in table.columns)
    assert not any("was chosen" in note for note in table.notes)
