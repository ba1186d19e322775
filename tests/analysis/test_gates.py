"""Gates: claims are judged on arms that learned the task, or start from models that did."""

from __future__ import annotations

import pytest
import yaml

from analysis.cells import planned
from analysis.claim_rows import notes
from analysis.claims import load_claims, read_claims
from analysis.judgement import in_plan
from experiments.errors import UserError
from tests.analysis.position_runs import judged

CLAIMS = {claim["id"]: claim for claim in load_claims("positions")}
EXTENDED = "ntk_beats_linear_zero_shot_at_2n_of_learned_models"


def test_arms_that_did_not_learn_the_task_are_not_compared_beyond_it(positions):
    claim = CLAIMS["alibi_copies_longer_than_rope"]
    assert judged(positions, [claim])[claim["id"]].verdict == "agrees"
    unlearned = {"weight": -1, "cell": {"position": "none", "task": "copy"}}
    stopped = judged(positions, [claim | {"contrast": [claim["contrast"][0], unlearned]}])
    result = stopped[claim["id"]]
    assert (result.verdict, result.interval) == ("not resolved", None)
    assert result.reason == (
        "position none, task copy: exact_match_x1 is 0.3, to be compared it must be at least 0.9"
    )


def test_a_gate_of_any_stops_only_arms_that_are_all_below_it(positions):
    claim = CLAIMS["alibi_copies_longer_than_rope"]
    cells = {"alibi": 1, "none": -1}
    contrast = [
        {"weight": weight, "cell": {"position": name, "task": "copy"}}
        for name, weight in cells.items()
    ]
    floor = {"metric": "exact_match_x1", "at_least": 0.9, "of": "any"}
    passed = judged(positions, [claim | {"contrast": contrast, "gate": floor}])[claim["id"]]
    assert passed.interval is not None
    impossible = judged(
        positions, [claim | {"contrast": contrast, "gate": floor | {"at_least": 1.1}}]
    )
    result = impossible[claim["id"]]
    assert (result.verdict, result.interval) == ("not resolved", None)
    assert result.reason.endswith("and one must be at least 1.1 for a comparison to say anything")


def test_a_loss_passes_its_gate_from_below_and_an_unknown_score_passes_none(positions):
    claim = CLAIMS["alibi_beats_rope_at_8n"]
    strict = claim | {"gate": {"metric": "loss_x1", "at_most": 1.6}}
    assert judged(positions, [strict])[claim["id"]].reason.startswith("position alibi: loss_x1 is")
    unknown = claim | {"gate": {"metric": "los_x1", "at_most": 9.0}}
    assert "los_x1 is nan" in judged(positions, [unknown])[claim["id"]].reason


@pytest.mark.parametrize(
    "gate",
    [
        {"metric": "loss_x1"},
        {"metric": "a", "at_least": 1, "at_most": 2},
        {"at_most": 1},
        {"metric": "a", "at_least": 1, "of": "most"},
        {"metric": "a", "at_least": 1, "of": "any", "cell": {"position": "rope"}},
        {"metric": "a", "at_least": 1, "cell": {}},
        {"metric": "a", "at_least": 1, "cell": "rope"},
    ],
)
def test_a_gate_has_one_bound_of_every_arm_of_any_or_of_a_named_one(tmp_path, gate):
    claim = {
        key: value
        for key, value in CLAIMS["alibi_beats_rope_at_2n"].items()
        if key not in ("planning_sd", "label", "unit")
    }
    path = tmp_path / "broken.yaml"
    declared = {"planning_sd": {"loss_x2": 0.1}, "claims": [claim | {"gate": gate}]}
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    with pytest.raises(UserError, match="gate"):
        read_claims(path)


# ---- what the compared arms start from ----------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_every_claim_of_the_positions_study_has_a_gate_within_the_trained_length(claim):
    gate = claim["gate"]
    assert gate["metric"] in ("loss_x1", "exact_match_x1")
    extends = all("method" in term["cell"] for term in claim["contrast"])
    # conf/experiment/positions_extension.yaml: the parent is the rotary run.
    assert gate.get("cell") == ({"position": "rope"} if extends else None)


def test_extended_contexts_are_compared_where_the_models_that_they_start_from_learned(positions):
    claim = CLAIMS[EXTENDED]
    # The rotary arm's mean at N is 1.57, interpolation's 1.9.
    passed = claim | {"gate": claim["gate"] | {"at_most": 1.6}}
    assert judged(positions, [passed])[EXTENDED].verdict == "agrees"
    strict = claim | {"gate": claim["gate"] | {"at_most": 1.5}}
    result = judged(positions, [strict])[EXTENDED]
    assert (result.verdict, result.interval) == ("not resolved", None)
    assert result.reason == (
        "position rope: loss_x1 is 1.57, for what starts from it to be compared it must be at "
        "most 1.5"
    )


def test_models_without_a_score_pass_no_gate_of_what_starts_from_them(positions):
    for run_id in planned(positions.plan, {"position": "rope"}):
        (positions.root / "positions" / run_id / "DONE").unlink()
    assert "loss_x1 is nan" in judged(positions)[EXTENDED].reason


def test_a_table_names_the_claims_that_were_withdrawn_after_the_first_plan(positions):
    withdrawn = CLAIMS[EXTENDED] | {"id": "without_a_gate"}
    told = "claim without_a_gate was withdrawn after the first plan; not judged."
    assert told in notes(positions.plan | {"withdrawn": [withdrawn]})
    assert not any("withdrawn" in note for note in notes(positions.plan))


def test_a_claim_is_left_out_where_the_plan_lacks_the_arm_of_its_gate(positions):
    claim = CLAIMS[EXTENDED]
    elsewhere = claim | {"gate": claim["gate"] | {"cell": {"position": "rop"}}}
    present, absent = in_plan(positions.plan | {"claims": [claim, elsewhere | {"id": "other"}]})
    assert ([kept["id"] for kept in present], absent) == ([EXTENDED], ["other"])
