"""Figure 5's table, claims and figure, on made-up runs: masked LM and left to right by steps."""

from __future__ import annotations

from typing import Any

import pytest

from analysis import claim_rows
from analysis.claims import load_claims
from analysis.figures import image
from analysis.figures.bert_steps import steps as draw
from analysis.frame import plan_frame
from analysis.judgement import judge
from analysis.table import build_table
from tests.analysis.conftest import SyntheticBert


def plan_of(study: SyntheticBert) -> dict[str, Any]:
    named = {"sweep": "bert_steps", "claims_file": "bert_steps"}
    tables = ["bert_steps", "bert_steps_claims", "bert_steps_published"]
    return study.plan | named | {"claims": load_claims("bert_steps"), "tables": tables}


def test_a_row_is_a_step_with_both_kinds_of_weights_and_their_losses(steps):
    plan = plan_of(steps)
    table = build_table("bert_steps", plan, plan_frame(plan, steps.root))
    assert [row[0].text for row in table.rows] == ["200", "800", "3200", "A/A: 3200"]
    at = {column.key: i for i, column in enumerate(table.columns)}

    def values(key: str) -> list[float]:
        return [row[at[key]].values.get("", float("nan")) for row in table.rows]

    nan = pytest.approx(float("nan"), nan_ok=True)
    assert values("kept_bert") == pytest.approx([0.36, 0.40, 0.50, -0.01])
    assert values("kept_difference")[:3] == pytest.approx([0.01, 0.06, 0.06])
    assert values("decayed_difference")[:2] == pytest.approx([0.01, 0.05])
    assert values("decayed_ltr")[2] == nan
    assert values("loss_kept_bert")[:3] == pytest.approx([7 - 4 * x for x in (0.36, 0.40, 0.50)])
    assert values("loss_decayed_ltr")[:2] == pytest.approx([7 - 4 * x for x in (0.38, 0.48)])
    assert not table.violations


def test_the_early_lead_is_judged_and_the_late_one_is_not_comparable(steps):
    plan = plan_of(steps)
    verdicts = {j.claim["id"]: j.verdict for j in judge(plan, plan_frame(plan, steps.root))}
    assert verdicts == {
        "ltr_leads_at_13m_tokens": "agrees",
        "ltr_leads_at_3m_tokens_kept": "agrees",
        "ltr_leads_at_3m_tokens_decayed": "agrees",
        "mlm_leads_at_13m_tokens": "not comparable",
    }


def test_a_plans_claims_are_compared_with_the_file_that_they_are_from(steps):
    plan = plan_of(steps)
    (left_out,) = claim_rows.notes(plan)
    assert "6 of the study's claims left out" in left_out
    plan["claims"] = [claim | {"delta": 0.05} for claim in plan["claims"][:1]] + plan["claims"][1:]
    changed = claim_rows.notes(plan)[1:]
    assert len(changed) == 1
    assert changed[0].startswith("claim ltr_leads_at_13m_tokens was changed after the data (delta)")


def test_every_claim_names_a_step_that_one_profile_has_and_a_point_of_the_figure():
    claims = load_claims("bert_steps")
    for claim in claims:
        cells = [term["cell"] for term in claim["contrast"]]
        assert {cell["variant"] for cell in cells} == {"bert", "ltr"}
        assert len({(cell["step"], cell["decayed"], cell["task"]) for cell in cells}) == 1
        assert claim["published"]["table"] == "bert/figure_5"
    judged = {c["id"] for c in claims if "not_comparable" not in c and c["id"].startswith("mlm")}
    assert judged == {"mlm_leads_at_the_end"}  # at the paper's own budget alone


def test_the_figure_has_a_line_for_each_variant_and_kind_of_weights(steps):
    plan = plan_of(steps)
    figure = draw(plan, plan_frame(plan, steps.root))
    scores, losses = figure.axes
    for panel in (scores, losses):
        lines = {line.get_label(): line for line in panel.lines if line.get_marker() == "o"}
        assert set(lines) == {
            f"{name}, {kind}"
            for name in ("masked LM", "left to right")
            for kind in ("weights of one run", "schedule ends at the step")
        }
        assert all(list(line.get_xdata()) == [200, 800, 3200] for line in lines.values())
        assert panel.get_xscale() == "log"
    decayed = next(
        line for line in scores.lines if line.get_label() == "masked LM, schedule ends at the step"
    )
    assert list(decayed.get_ydata()) == pytest.approx([0.37, 0.43, 0.50])


def test_the_figure_is_the_sweeps_own(steps):
    plan = plan_of(steps)
    png = image("steps", plan, plan_frame(plan, steps.root))
    assert png.startswith(b"\x89PNG")
