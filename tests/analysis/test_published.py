"""Published values: what the files say, against the papers' own arithmetic, and what is refused."""

from __future__ import annotations

import math

import pytest
import yaml

from analysis.claims import load_claims, published_terms
from analysis.published import FOLDER, load_published, published_table
from analysis.table import build_table
from experiments.errors import UserError

STUDIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TABLE_5 = ("mnli_m", "qnli", "mrpc", "sst_2", "squad")


@pytest.mark.parametrize("study", STUDIES)
def test_every_value_is_a_number_with_unit_and_citation_or_unknown_with_a_reason(study):
    tables = load_published(study)
    assert tables
    for table in tables.values():
        assert table.citation
        assert table.place
        assert all(column.unit for column in table.columns.values())
        for row in table.rows.values():
            for value in row.values.values():
                assert math.isnan(value.low) == bool(value.unknown)
                assert value.unknown or value.low <= value.high


@pytest.mark.parametrize(
    ("variant", "since", "deltas"),
    [
        ("no_nsp", "bert", (-0.5, -3.5, -0.2, -0.1, -0.6)),
        ("ltr", "no_nsp", (-1.8, -0.6, -9.0, -0.5, -10.1)),
        ("ltr_bilstm", "ltr", (0.0, -0.2, -1.8, -0.5, 7.1)),
    ],
)
def test_the_changes_in_berts_table_5(variant, since, deltas):
    table = published_table("bert/table_5")
    changes = [table.contrast([(1, variant), (-1, since)], column) for column in TABLE_5]
    assert changes == pytest.approx(deltas)


def test_in_figure_5_left_to_right_is_ahead_until_50_000_steps():
    table = published_table("bert/figure_5")
    gaps = [table.contrast([(1, "bert"), (-1, "ltr")], column) for column in table.columns]
    assert gaps == pytest.approx([-0.8, -0.2, 0.2, 1.2, 1.5, 2.1, 2.2, 2.2])


def test_the_same_model_is_printed_differently_in_berts_tables():
    tables = load_published("bert")
    assert tables["table_5"].value("bert_base", "sst_2").number == 92.7
    assert tables["table_6"].value("l12_h768_a12", "sst_2").number == 92.9
    assert tables["table_8"].value("m80_s10_r10", "mnli").number == 84.2


def test_the_replicated_symmetry_papers_magnitudes_are_unknown():
    table = published_table("symmetry/residual_ablation")
    values = [value for row in table.rows.values() for value in row.values.values()]
    assert all("not available" in value.unknown for value in values)


def test_an_unknown_value_bound_and_range_are_no_number():
    assert math.isnan(published_table("positions/alibi").value("t5", "at_15512").number)
    bound = published_table("positions/yarn_long").value("together_pi", "at_64k")
    assert (bound.low, bound.high) == (100, math.inf)
    assert math.isnan(bound.number)
    span = published_table("positions/addition_scratchpad").value("none", "at_9")
    assert (span.low, span.high) == (92, 100)


def test_a_variant_that_was_not_published_is_unknown_with_the_source():
    value = published_table("bert/table_5").of_variant("ltr_rtl", "squad")
    assert "1810.04805v2, Table 5 has no such arm" in value.unknown


@pytest.mark.parametrize("study", [path.stem for path in (FOLDER.parent / "claims").glob("*.yaml")])
def test_claims_that_cite_a_magnitude_agree_with_it_in_sign(study):
    for claim in load_claims(study):
        if told := claim.get("published"):
            value = published_table(told["table"]).contrast(published_terms(claim), told["column"])
            assert math.copysign(1, value) == {"positive": 1, "negative": -1}[claim["direction"]]


def test_the_published_table_stands_as_printed_and_without_a_plan():
    table = build_table("bert_published", {"title": "of some plan", "runs": []}, None)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["BERT_BASE", "84.4", "88.4", "86.7", "92.7", "88.5"],
        ["No NSP", "83.9", "84.9", "86.5", "92.6", "87.9"],
        ["LTR & No NSP", "82.1", "84.3", "77.5", "92.1", "77.8"],
        ["+ BiLSTM", "82.1", "84.1", "75.7", "91.6", "84.9"],
    ]
    assert [cell.best for cell in table.rows[0]] == [False, *[True] * 5]
    assert table.source == "arXiv:1810.04805v2, Table 5"
    assert "some plan" not in table.title


def declared(**change):
    table = {
        "title": "x",
        "citation": "arXiv:0000.00000",
        "place": "Table 1",
        "columns": {"f1": {"name": "F1", "unit": "%"}},
        "rows": {"a": {"name": "A", "variants": ["a"], "values": {"f1": 1.0}}},
    }
    return {"about": "x", "tables": {"one": {**table, **change}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": "y"}, "Did you mean 'title'"),
        ({"columns": {"f1": {"name": "F1"}}}, "'unit' is missing"),
        ({"rows": {"a": {"name": "A", "values": {}}}}, "'f1' is missing"),
        ({"rows": {"a": {"name": "A", "values": {"f1": 1, "f2": 2}}}}, "unknown key 'f2'"),
        ({"rows": {"a": {"name": "A", "values": {"f1": None}}}}, "None is no published value"),
        ({"rows": {"a": {"name": "A", "values": {"f1": {"unknown": ""}}}}}, "the reason"),
        ({"rows": {"a": {"name": "A", "values": {"f1": "84.4"}}}}, "expected a number"),
        (
            {
                "rows": {
                    key: {"name": key, "variants": ["a"], "values": {"f1": 1}} for key in ("a", "b")
                }
            },
            "two rows describe the variant 'a'",
        ),
    ],
)
def test_a_mistake_in_a_file_of_published_values_is_named(tmp_path, change, message):
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(declared(**change)), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_published("broken", tmp_path)


def test_what_is_not_published_here_is_named():
    with pytest.raises(UserError, match="Did you mean 'table_5'"):
        published_table("bert/tabel_5")
    with pytest.raises(UserError, match="Did you mean 'bert'"):
        published_table("brt/table_5")
    with pytest.raises(UserError, match="Did you mean 'squad'"):
        published_table("bert/table_5").of_variant("bert", "sqad")
