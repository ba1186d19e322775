"""Tables with one row a variant, one column a task: means, differences, A/A, published values."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from analysis.frame import plan_frame
from analysis.render import markdown, to_csv
from analysis.table import build_table
from experiments.errors import UserError
from tests.analysis.conftest import SyntheticBert


def table5(study):
    return build_table("bert_table5", study.plan, plan_frame(study.plan, study.root))


def plain(table) -> dict[str, dict[str, str]]:
    """The CSV's rows by variant."""
    return {row["variant"]: row for row in csv.DictReader(io.StringIO(to_csv(table)))}


def test_one_row_a_variant_and_the_baseline_against_itself_last(bert):
    assert list(plain(table5(bert))) == [
        *("bert", "no_nsp", "ltr", "ltr_bilstm", "no_nsp_bilstm"),
        "A/A: bert",
    ]


def test_a_cell_is_the_mean_over_pretraining_seeds_with_its_t_interval(bert):
    row = plain(table5(bert))["ltr"]
    scores = np.array([0.48, 0.51, 0.5, 0.52, 0.49])
    low, high = stats.t.interval(0.95, 4, scores.mean(), stats.sem(scores))
    assert float(row["spans"]) == pytest.approx(scores.mean())
    assert float(row["spans_low"]) == pytest.approx(low)
    assert float(row["spans_high"]) == pytest.approx(high)
    assert row["spans_n"] == "5"


def test_a_difference_to_the_baseline_is_welchs(bert):
    row = plain(table5(bert))["ltr"]
    ours = np.array([0.48, 0.51, 0.5, 0.52, 0.49])
    expected = stats.ttest_ind(ours, ours + 0.3, equal_var=False).confidence_interval(0.95)
    assert float(row["spans_difference"]) == pytest.approx(-0.3)
    assert float(row["spans_difference_low"]) == pytest.approx(expected.low)
    assert float(row["spans_difference_high"]) == pytest.approx(expected.high)
    assert plain(table5(bert))["bert"]["spans_difference"] == ""  # to itself: no cell


def test_arms_that_fine_tune_the_same_models_are_compared_within_pairs(bert):
    ours, base = np.array([0.7, 0.75, 0.74, 0.8, 0.71]), np.array([0.78, 0.81, 0.8, 0.82, 0.79])
    bert.cell("bert_feature_based", "spans", list(ours), parent="bert")
    row = plain(table5(bert))["bert_feature_based"]
    expected = stats.ttest_rel(ours, base).confidence_interval(0.95)
    assert float(row["spans_difference_low"]) == pytest.approx(expected.low)
    assert float(row["spans_difference_high"]) == pytest.approx(expected.high)


def test_against_itself_is_the_seeds_against_the_further_ones_in_every_column(bert):
    row = plain(table5(bert))["A/A: bert"]
    noise = np.array([-0.02, 0.01, 0.0, 0.02, -0.01])
    expected = stats.ttest_ind(0.8 + noise, 0.8 - noise, equal_var=False).confidence_interval(0.95)
    for name in ("spans", "spans_difference"):
        assert float(row[name]) == pytest.approx(0.0)
        assert float(row[f"{name}_low"]) == pytest.approx(expected.low)
    assert float(row["sentiment_high"]) == pytest.approx(expected.high)


def test_published_values_stand_beside_with_their_change(bert):
    table = table5(bert)
    rows = plain(table)
    assert (rows["no_nsp"]["squad"], rows["ltr"]["squad"]) == ("87.9", "77.8")
    assert float(rows["ltr"]["squad_change"]) == pytest.approx(77.8 - 88.5)
    assert rows["no_nsp_bilstm"]["squad"] == ""  # never published
    assert "no such arm" in rows["no_nsp_bilstm"]["squad_unknown"]
    assert "| LTR & No NSP | 84.3 (−4.1) | 82.1 (−2.3) | 77.5 (−9.2) |" in markdown(table)
    assert "synthetic" in table.title
    assert "synthetic" in table.notes[0]


def test_missing_seeds_and_degenerate_runs_are_told_and_counted(bert):
    for run in bert.runs[:2]:
        (bert.root / "bert" / run["run_id"] / "DONE").unlink()
    bert.cell("rtl", "spans", [0.4, 0.1, 0.1], degenerate=[0.0, 1.0, 1.0])
    table = table5(bert)
    cells = {row[0].text: row[1].text for row in table.rows}
    assert cells["BERT (MLM + NSP)"].endswith("(3/5)")
    rows = plain(table)
    assert rows["rtl"]["degenerate"] == "2"
    assert rows["rtl"]["spans_degenerate"] == "2"
    assert float(rows["rtl"]["spans"]) == pytest.approx(0.2)  # they are in the mean
    assert next(row for row in table.rows if row[0].text.startswith("RTL"))[5].text.endswith("†2")


def test_a_difference_tells_the_seeds_that_either_side_lacks(bert):
    def texts():
        table = table5(bert)
        place = [column.key for column in table.columns].index("spans_difference")
        return {row[0].text: row[place].text for row in table.rows}

    assert not any("/" in text for text in texts().values())
    of_ltr = [r for r in bert.runs if r["factors"] == {"variant": "ltr", "task": "spans"}]
    (bert.root / "bert" / of_ltr[0]["run_id"] / "DONE").unlink()
    marked = {name for name, text in texts().items() if "/" in text}
    assert marked == {"LTR & No NSP"}
    assert texts()["LTR & No NSP"].endswith("] (4/5 \N{MINUS SIGN} 5/5)")


def test_a_paired_difference_tells_how_many_pairs_it_rests_on(bert):
    bert.cell("bert_feature_based", "spans", [0.7, 0.75, 0.74, 0.8, 0.71], parent="bert")
    for variant, seed in (("bert_feature_based", 0), ("bert", 1)):
        factors = {"variant": variant, "task": "spans"}
        of_arm = [r for r in bert.runs if r["factors"] == factors and r["role"] == "cell"]
        (bert.root / "bert" / of_arm[seed]["run_id"] / "DONE").unlink()
    table = table5(bert)
    place = [column.key for column in table.columns].index("spans_difference")
    texts = {row[0].values[""]: row[place].text for row in table.rows}
    assert texts["bert_feature_based"].endswith("] (3/5 pairs)")


def test_the_best_of_a_column_is_bold_and_against_itself_cannot_be(bert):
    table = table5(bert)
    spans = [row[5] for row in table.rows]
    assert [cell.best for cell in spans] == [True, *[False] * 5]
    assert f"**{spans[0].text}**" in markdown(table)
    assert all(row[1].best for row in table.rows[:-1])  # coherence: all the same, all the best


def test_a_table_without_the_plans_factor_is_a_users_mistake(full_study):
    plan = full_study.plan
    with pytest.raises(UserError, match=r"has the factor 'variant'.*attention_mask"):
        build_table("bert_table5", plan, plan_frame(plan, full_study.root))


def test_claims_carry_the_published_magnitude_of_their_own_contrast(bert):
    table = build_table("bert_claims", bert.plan, plan_frame(bert.plan, bert.root))
    rows = {row["claim"]: row for row in csv.DictReader(io.StringIO(to_csv(table)))}
    assert float(rows["ltr_loses_spans"]["published_magnitude"]) == pytest.approx(10.1)
    assert float(rows["bilstm_helps_ltr_spans"]["published_magnitude"]) == pytest.approx(7.1)
    assert rows["ltr_loses_spans"]["verdict"] == "agrees"
    assert rows["bilstm_repairs_direction"]["published_magnitude"] == ""  # never published
    assert rows["ltr_loses_entailment"]["verdict"] == "not comparable"
    assert any("concatenation_loses_spans" in note for note in table.notes)  # no such arm here


def test_a_panel_leaves_out_the_rows_that_say_nothing_in_it(bert):
    scores, difference, published = table5(bert).panels
    assert [row[0].text for row in scores.rows][-1] == "A/A: BERT (MLM + NSP)"
    assert difference.rows[0][0].text == "No NSP (contiguous text)"  # not BERT to itself
    assert published.rows[-1][0].text == "No NSP + BiLSTM"  # a dash says that it was not published
    text = markdown(table5(bert))
    assert text.count("*Difference to BERT, same seeds and data*") == 1
    assert text.count("| BERT (MLM + NSP) |") == 2


def test_a_metric_that_no_run_has_is_named(bert):
    assert not any("No run of the plan has" in note for note in table5(bert).notes)
    for path in bert.root.glob("bert/*/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        del result["metrics"]["score"]
        path.write_text(json.dumps(result), encoding="utf-8")
    assert "No run of the plan has metrics.score." in table5(bert).notes


def test_an_optional_column_is_left_out_where_no_arm_is_at_its_place(tmp_path):
    for tasks in (("qnli", "mrpc", "squad"), ("mnli", "qnli", "mrpc", "squad")):
        study = SyntheticBert(tmp_path / "-".join(tasks))
        for task in tasks:
            study.cell("bert", task, [0.7, 0.71])
        frame = plan_frame(study.plan, study.root)
        columns = build_table("bert_text_table5", study.plan, frame).columns
        shown = {column.key for column in columns}
        assert shown >= {"qnli", "mrpc", "squad", "published_mnli"}
        assert ("mnli" in shown) == ("mnli_difference" in shown) == ("mnli" in tasks)
        assert "sst2" not in shown
