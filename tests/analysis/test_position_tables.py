"""The positions study's tables and claims, on a synthetic study of every kind of arm."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from analysis.cells import measure, planned, rows_of
from analysis.claims import load_claims
from analysis.declaration import TABLES as FOLDER
from analysis.frame import plan_frame
from analysis.judgement import judge
from analysis.plans import PROFILES
from analysis.published import load_published
from analysis.render import markdown, to_csv
from analysis.report.data import study_data
from analysis.table import build_table, build_without_plan
from experiments.errors import UserError
from sweeps.declaration import load
from tests.analysis.position_runs import EXTENDED, LOSSES, NOISE, judged

ROOT = Path(__file__).resolve().parents[2]
ENCODINGS, METHODS = (
    {path.stem for path in (ROOT / "conf" / kind).glob("*.yaml")}
    for kind in ("position", "extension")
)
CLAIMS = {claim["id"]: claim for claim in load_claims("positions")}


def table(study, name):
    return build_table(f"positions_{name}", study.plan, plan_frame(study.plan, study.root))


def plain(built) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(built))))


# ---- which arms a table shows -------------------------------------------------------------------


def test_lengths_shows_each_encoding_once_whatever_else_the_plan_trains(positions):
    rows = plain(table(positions, "lengths"))
    assert [row["position"] for row in rows] == [*LOSSES, "A/A: rope"]
    for row, losses in zip(rows, LOSSES.values(), strict=False):
        shown = [float(row[f"loss_x{times}"]) for times in (1, 2, 4, 8)]
        assert shown == pytest.approx(losses)
        assert float(row["sliding_x8"]) == pytest.approx(losses[-1] - 0.1)
    assert float(rows[-1]["loss_x8"]) == pytest.approx(0.0, abs=1e-9)


def test_an_optional_column_appears_with_the_first_run_that_has_its_metric(positions):
    # Of the study, none is evaluated at 16 N, so that nothing is said of it.
    assert "16 N" not in markdown(table(positions, "lengths"))
    positions.language({"position": "fire"}, (1.6, 1.6, 1.6, 1.6, 1.5))
    built = table(positions, "lengths")
    assert "16 N" in markdown(built)
    assert float(plain(built)[-2]["loss_x16"]) == pytest.approx(1.5)


def test_extension_has_a_row_a_method_and_factor_with_the_loss_at_its_own_length(positions):
    built = table(positions, "extension")
    rows = plain(built)
    found = {
        (row["method"], float(row["factor"])): (float(row["loss"]), float(row["loss_x1"]))
        for row in rows
    }
    assert found == {key: pytest.approx(losses) for key, losses in EXTENDED.items()}
    assert "| linear | 8 | 0 | 2.980" in markdown(built)
    assert "84 of 84 planned runs" in built.source  # the plan's, not the table's


def test_share_has_the_encodings_that_turn_all_some_or_no_pairs(positions):
    rows = plain(table(positions, "share"))
    names = [(row["position"], row["rotated"], row["rotated_end"], row["base"]) for row in rows]
    assert names == [
        ("none", "", "", ""),
        ("rope", "", "", ""),
        ("rope", "", "", "100.0"),
        ("p_rope", "0.5", "fast", ""),
        ("p_rope", "0.5", "slow", ""),
        ("A/A: rope", "", "", ""),
    ]


def test_tasks_are_apart_from_language_modelling(positions):
    rows = plain(table(positions, "tasks"))
    assert [(row["task"], row["position"]) for row in rows] == [
        ("copy", "rope"),
        ("copy", "alibi"),
        ("copy", "none"),
    ]


def test_a_pattern_means_the_arm_without_further_factors_where_there_is_one(positions):
    rope = planned(positions.plan, {"position": "rope"})
    assert {tuple(r["factors"]) for r in positions.runs if r["run_id"] in rope} == {("position",)}
    filled = planned(positions.plan, {"position": "rope", "base": 100})
    assert len(filled) == 3
    assert not rope & filled
    # Where every arm has a further factor, it has to be named.
    with pytest.raises(UserError, match="name its level of rotated_end"):
        planned(positions.plan, {"position": "p_rope", "rotated": 0.5})


# ---- claims -------------------------------------------------------------------------------------


def test_claims_that_small_models_bear_out_agree_and_others_do_not(positions):
    verdicts = {name: result.verdict for name, result in judged(positions).items()}
    assert verdicts["alibi_beats_rope_at_8n"] == "agrees"
    assert verdicts["t5_beats_rope_at_2n"] == "not resolved"  # 1.73 against 1.69
    assert verdicts["half_the_pairs_suffice"] == "not resolved"  # three seeds are few
    assert verdicts["fast_pairs_carry_position"] == "agrees"
    assert verdicts["ntk_beats_linear_zero_shot_at_4n_of_learned_models"] == "agrees"
    assert verdicts["linear_beats_none_zero_shot_at_4n_of_learned_models"] == "disagrees"
    assert verdicts["the_cost_grows_with_the_factor_of_learned_models"] == "agrees"
    assert verdicts["yarn_beats_linear_zero_shot_at_4n_of_learned_models"] == "not comparable"


def test_extended_contexts_are_compared_within_pairs_of_the_same_trained_model(positions):
    frame = plan_frame(positions.plan, positions.root)
    result = judged(positions)["ntk_beats_linear_zero_shot_at_2n_of_learned_models"]
    linear, ntk = (
        measure(rows_of(frame, planned(positions.plan, term["cell"])), "loss_x2").values
        for term in result.claim["contrast"]
    )
    assert result.paired
    assert result.contrast.p == pytest.approx(stats.ttest_rel(linear, ntk).pvalue)
    assert not judged(positions)["alibi_beats_rope_at_2n"].paired


def test_a_claimed_absence_of_a_cost_agrees_where_the_interval_lies_inside_delta(positions):
    claim = CLAIMS["half_the_pairs_suffice"]
    assert judged(positions, [claim])["half_the_pairs_suffice"].verdict == "not resolved"
    wide = judged(positions, [claim | {"delta": 0.1}])["half_the_pairs_suffice"]
    assert wide.verdict == "agrees"


def test_a_diverged_run_is_right_about_nothing_at_any_length(positions):
    frame = plan_frame(positions.plan, positions.root)
    arm = rows_of(frame, planned(positions.plan, {"position": "rope", "task": "copy"})).copy()
    arm.loc[arm.index[0], ["metrics.exact_match_x1_1", "status"]] = [np.nan, "diverged"]
    assert 0.0 in measure(arm, "exact_match_x1_1").values
    arm.loc[arm.index[0], "metrics.loss_x1"] = np.nan
    assert len(measure(arm, "loss_x1").values) == 0  # a loss has no worst value


@pytest.mark.parametrize("status", ["diverged", "completed"])
def test_a_seed_that_diverged_is_told_and_not_dropped(positions, status):
    """Its loss has no worst value: the two seeds that are left would speak for the arm."""
    whole = judged(positions)["alibi_beats_rope_at_8n"]
    assert whole.verdict == "agrees"
    lost = next(run for run in positions.runs if run["factors"] == {"position": "rope"})
    path = positions.root / "positions" / lost["run_id"] / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    result |= {"status": status, "metrics": dict.fromkeys(result["metrics"])}
    path.write_text(json.dumps(result), encoding="utf-8")
    judgement = judged(positions)["alibi_beats_rope_at_8n"]
    assert judgement.verdict == "not resolved"
    assert judgement.reason == "1 of 3 seeds of a cell diverged: no finite value"
    assert judgement.interval is None
    built = table(positions, "lengths")
    (text,) = (row[1].text for row in built.rows if row[0].text == "rope")
    assert text.endswith("] (2/3)")
    assert [row[1].text for row in built.rows if "/3)" in row[1].text] == [text]
    told = f"Of {len(positions.runs)} finished runs 1 diverged."
    assert (told in built.notes) == (status == "diverged")


def test_where_every_seed_diverged_that_is_the_reason(positions):
    frame = plan_frame(positions.plan, positions.root)
    arm = frame["run_id"].isin(planned(positions.plan, {"position": "rope"}))
    frame.loc[arm, "status"] = "diverged"
    frame.loc[arm, "metrics.loss_x2"] = np.nan
    results = {j.claim["id"]: j for j in judge(positions.plan, frame)}
    reason = results["alibi_beats_rope_at_2n"].reason
    assert reason == "3 of 3 seeds of a cell diverged: no finite value"


def test_a_metric_that_the_baseline_never_has_is_not_compared_with_itself(positions):
    rows = [row["claim"] for row in plain(table(positions, "claims"))]
    assert [name for name in rows if name.startswith("aa_")] == [
        "aa_loss_x2",
        "aa_loss_x8",
        "aa_loss_x1",
        "aa_loss_x4",
    ]


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_claim_has_a_source_and_cells_that_an_experiment_names(claim):
    assert any(word in claim["source"] for word in ("arXiv:", "slides", "bloc97"))
    for term in claim["contrast"]:
        assert set(term["cell"]) in (
            {"position"},
            {"position", "base"},
            {"position", "rotated", "rotated_end"},
            {"position", "task"},
            {"method", "factor", "steps"},
        )
        assert term["cell"].get("position", "none") in ENCODINGS
        assert term["cell"].get("method", "none") in METHODS
    if "not_comparable" in claim:
        assert len(claim["not_comparable"]) > 20


OVERRIDES = {
    **{"position": "position", "task": "data.task", "base": "position.base"},
    **{"rotated": "position.rotated", "rotated_end": "position.rotated_end"},
    **{"method": "extension", "factor": "data.evaluate_to", "steps": "trainer.max_steps"},
}


def test_a_profile_has_the_arms_that_a_claim_compares():
    def arms_of(profile):
        arms = [dict(o.split("=", 1) for o in arm) for arm in load("positions", profile).arms]
        # Without what is set as an encoding or a task wants it, such as sinusoids' scale.
        return [{name: arm[key] for name, key in OVERRIDES.items() if key in arm} for arm in arms]

    profiles = [arms_of(profile) for profile in PROFILES]
    for name, claim in CLAIMS.items():
        cells = [term["cell"] for term in claim["contrast"]]
        if "cell" in claim["gate"]:
            cells.append(claim["gate"]["cell"])
        wanted = [{factor: str(level) for factor, level in cell.items()} for cell in cells]
        assert any(all(cell in arms for cell in wanted) for arms in profiles), name


def test_published_rows_are_found_by_the_names_of_our_encodings_and_methods():
    # Searched factors and dropped positions have no arm here.
    elsewhere = {"longrope", "drope"}
    named = {
        name
        for published in load_published("positions").values()
        for row in published.rows.values()
        for name in row.variants
    }
    assert named - elsewhere <= ENCODINGS | METHODS
    assert {"rope", "alibi", "linear", "yarn"} <= named


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("within", ["None", "20.97", "13.10", "147.18"]),
        ("interpolation", ["No extension (2k)", "7.20", ">1000", ">1000", ">1000", ">1000"]),
        ("steps", ["Interpolated, 8k", "16.10", "7.12", "7.10", "7.02", "6.99", "6.95"]),
        ("tuned", ["PI, s=2 (1B tokens)", "3.92", "3.51", "3.51", "3.34", "8.07"]),
        ("copying", ["NoPE", "74", "70", "17", "0", "0"]),
        ("reversing", ["NoPE", "98", "54", "0"]),
    ],
)
def test_a_published_table_begins_as_printed(name, row):
    built = build_without_plan(f"positions_published_{name}")
    assert [cell.text for cell in built.rows[0]] == row


def test_the_sweep_has_a_table_of_every_kind_and_each_exists():
    declared = yaml.safe_load((ROOT / "sweeps" / "positions.yaml").read_text(encoding="utf-8"))
    further = [t for p in declared["profiles"].values() for t in p.get("further_tables", [])]
    assert {*declared["tables"], *further} == {path.stem for path in FOLDER.glob("positions_*")}


# ---- the report ---------------------------------------------------------------------------------


def test_the_report_takes_a_study_of_several_stages_and_tasks(positions):
    data = study_data(positions.write_plan(), positions.root)
    assert data["counts"]["finished"] == len(positions.runs)
    assert len({arm.name for arm in data["arms"]}) == len(positions.runs) // len(NOISE)
    assert {card["id"] for card in data["claims"]} == set(judged(positions))
