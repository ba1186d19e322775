"""What the BERT study declares fits together: claims and tables name arms and tasks that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from analysis.claims import load_claims
from analysis.declaration import load_table
from analysis.published import published_table
from lightning_modules.heads.layers import CHOICES
from sweeps.declaration import load

ROOT = Path(__file__).resolve().parents[2]
# `features` stands for the variants of Table 7, which has a sweep of its own.
ARMS = {path.stem for path in (ROOT / "conf" / "arm").glob("*.yaml")} | {"bag_of_words"}
ARMS -= {"features"}
CLAIMS = {claim["id"]: claim for file in ("bert", "bert_controls") for claim in load_claims(file)}


def tasks_of_microworld() -> set[str]:
    """The choices of its setting `task`, read without importing what trains."""
    text = (ROOT / "datamodules" / "microworld" / "task.py").read_text(encoding="utf-8")
    literals = [
        {element.value for element in node.slice.elts if isinstance(element, ast.Constant)}
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
    ]
    return next(found for found in literals if "spans" in found)


def test_claims_compare_arms_and_tasks_that_exist():
    cells = [term["cell"] for claim in CLAIMS.values() for term in claim["contrast"]]
    assert {cell["variant"] for cell in cells} <= ARMS
    assert {cell["task"] for cell in cells} <= tasks_of_microworld()
    assert all(set(cell) == {"variant", "task"} for cell in cells)


def test_the_tables_have_every_arm_by_name_and_what_the_sweeps_train():
    assert set(load_table("bert_table5").columns[0].options["names"]) == ARMS
    trained: set[str] = set()
    for table, sweep in (("bert_table5", "bert"), ("bert_controls", "bert_controls")):
        named = load_table(table).columns[0].options["names"]
        arms = [
            dict(override.split("=", 1) for override in arm)
            for profile in ("quick", "cpu")
            for arm in load(sweep, profile).arms
        ]
        variants = {arm.get("variant", arm["arm"]) for arm in arms}
        assert variants <= set(named)
        trained |= variants
    assert trained == ARMS - {"imported"}


def test_the_table_has_a_column_for_each_published_one():
    columns = load_table("bert_table5").columns
    shown = {c.options["where"]["task"] for c in columns if c.kind == "mean"}
    assert shown == {c.options["where"]["task"] for c in columns if c.kind == "difference"}
    assert shown <= tasks_of_microworld()
    published = [c.options["column"] for c in columns if c.kind == "published"]
    assert set(published) == {"qnli", "mnli_m", "mrpc", "sst_2", "squad"}


def test_the_bilstm_interaction_is_a_difference_of_differences_on_spans_seed_by_seed():
    claim = CLAIMS["bilstm_repairs_direction"]
    assert {t["cell"]["variant"]: t["weight"] for t in claim["contrast"]} == {
        "ltr_bilstm": 1,
        "ltr": -1,
        "no_nsp_bilstm": -1,
        "no_nsp": 1,
    }
    assert {t["cell"]["task"] for t in claim["contrast"]} == {"spans"}
    assert claim["interaction"]
    assert claim["paired"]


def test_table_7_names_every_choice_of_layers_and_its_published_value():
    variants = {"bert", *(f"features_{choice}" for choice in CHOICES)}
    columns = load_table("bert_features_table7").columns
    assert set(columns[0].options["names"]) == variants
    published = published_table("bert/table_7")
    assert all(published.of_variant(name, "dev").number > 90 for name in variants)
    cells = [t["cell"] for c in load_claims("bert_features") for t in c["contrast"]]
    assert {cell["variant"] for cell in cells} <= variants
    assert {cell["task"] for cell in cells} == {"ner"}


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_a_claim_says_where_it_is_from_and_only_comparable_ones_are_judged(name):
    claim = CLAIMS[name]
    assert "1810.04805v2" in claim["source"] or claim["source"].startswith("our ")
    if "not_comparable" in claim:
        assert "published" in claim  # a number is shown, and why it predicts nothing
        assert len(claim["not_comparable"]) > 20
