"""Claims files: what is shipped, and what is refused."""

from __future__ import annotations

import copy

import pytest
import yaml

from analysis.claims import changed, load_claims, metric_label, read_claims
from experiments.errors import UserError


def test_shipped_claims_name_every_factor_of_their_cells_and_cite_a_source():
    claims = load_claims("symmetry")
    assert len(claims) == 7
    for claim in claims:
        assert "2402.05969" in claim["source"] or "our derivation" in claim["source"]
        assert claim["planning_sd"] > 0
        for term in claim["contrast"]:
            assert list(term["cell"]) == ["attention_mask", "position", "residual", "num_layers"]


def test_shipped_interaction_is_a_difference_of_differences():
    (claim,) = (c for c in load_claims("symmetry") if c.get("interaction"))
    weight = {
        (term["cell"]["position"], term["cell"]["residual"]): term["weight"]
        for term in claim["contrast"]
    }
    assert weight == {
        ("none", "none"): 1,
        ("none", "all"): -1,
        ("learned", "none"): -1,
        ("learned", "all"): 1,
    }


def broken(tmp_path, change):
    claim = {k: v for k, v in load_claims("symmetry")[0].items() if k != "planning_sd"}
    declared = {"planning_sd": {"exact_match": 0.05}, "claims": [claim]}
    change(declared)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["claims"][0].update(delt=1), "Did you mean 'delta'"),
        (lambda d: d["claims"][0].pop("delta"), "'delta' is missing"),
        (lambda d: d["claims"][0].update(delta=0), "above 0"),
        (lambda d: d["claims"][0].update(metric="exact_mach"), "Did you mean 'exact_match'"),
        (lambda d: d["claims"][0].update(metric=3), "a metric's name"),
        (lambda d: d["claims"][0].update(paired="yes"), "true or false"),
        (lambda d: d.update(metrics={"exact_match": {"name": "x"}}), "unknown key 'name'"),
        (lambda d: d["claims"][0].update(direction="positive"), "direction 'none'"),
        (lambda d: d["claims"][0]["contrast"][0].update(weight=2), "sum to 0"),
        (lambda d: d["claims"][0]["contrast"][0].update(arm="x"), "unknown key 'arm'"),
        (lambda d: d["claims"].append(copy.deepcopy(d["claims"][0])), "ids must differ"),
        (lambda d: d["planning_sd"].clear(), "planning_sd lacks"),
    ],
)
def test_a_mistake_in_a_claims_file_is_named(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_claims(broken(tmp_path, change))


def test_a_metric_is_called_as_the_file_says_and_else_by_its_name(tmp_path):
    def change(declared):
        declared["metrics"] = {"exact_match": {"label": "all right", "unit": "0 to 1"}}
        declared["planning_sd"]["task_score"] = 0.1
        declared["claims"].append({**declared["claims"][0], "id": "b", "metric": "task_score"})

    named, plain = read_claims(broken(tmp_path, change))
    assert (metric_label(named), named["unit"]) == ("all right", "0 to 1")
    assert metric_label(plain) == "task score"
    assert changed([named], [{**named, "label": "another word"}]) == []


def test_a_study_without_claims_is_a_users_mistake():
    with pytest.raises(UserError, match="Did you mean 'symmetry'"):
        load_claims("symetry")


def test_claims_changed_after_the_plan_are_told():
    frozen = load_claims("symmetry")
    current = copy.deepcopy(frozen)
    current[0]["delta"] = 0.5
    current[1]["planning_sd"] = 0.9  # an assumption, not a judgement
    current.append({**current.pop(), "id": "new_claim"})
    assert changed(frozen, frozen) == []
    assert changed(frozen, current) == [
        "claim new_claim was added after the plan; not judged",
        "claim order_without_positions was changed after the data (delta); "
        "judged as the plan froze it",
        "claim too_many_residuals was withdrawn after the plan",
    ]
