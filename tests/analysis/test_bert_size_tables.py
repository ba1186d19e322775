"""Table 6's table: perplexities, published values of published sizes, a claims file of its own."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from scipy import stats

from analysis.claims import load_claims
from analysis.frame import plan_frame
from analysis.render import to_csv
from analysis.table import Table, build_table
from tests.analysis.conftest import SyntheticBert

LOSSES = {"cell": [5.0, 5.1, 5.2], "aa": [5.0, 5.2, 5.3]}


def add(study: SyntheticBert, variant: str, role: str = "cell", gain: float = 0.0) -> None:
    """Three pre-trainings of a size, with their held-out losses, and a fine-tuning of each."""
    first_seed = 3 * (role == "aa")
    for seed, loss in enumerate(LOSSES[role], first_seed):
        run = {
            "run_id": f"{variant}-{seed}",
            "study": "bert",
            "variant": variant,
            "stage": "pretrain",
            "seed": seed,
            "role": role,
            "factors": {"variant": variant, "stage": "pretrain"},
            "parents": [],
            "config": {"trainer": {"max_steps": 100}},
        }
        study.runs.append(run)
        study.write(run, score=None, test_token_loss=loss - gain)
    for task in ("mnli", "mrpc", "sst2"):
        scores = [0.7 + gain, 0.71 + gain, 0.69 + gain]
        study.cell(variant, task, scores, role=role, first_seed=first_seed)


def built(study: SyntheticBert, name: str) -> Table:
    plan = {**study.plan, "claims": load_claims("bert_size"), "claims_file": "bert_size"}
    return build_table(name, plan, plan_frame(plan, study.root))


def rows_of(table: Table) -> dict[str, dict[str, str]]:
    return {next(iter(row.values())): row for row in csv.DictReader(io.StringIO(to_csv(table)))}


@pytest.fixture
def sizes(tmp_path) -> SyntheticBert:
    study = SyntheticBert(tmp_path / "runs")
    add(study, "l2_h64_a1")
    add(study, "l2_h128_a2", gain=0.1)
    add(study, "l4_h128_a2", gain=0.2)
    add(study, "l2_h64_a1", role="aa")
    return study


def test_perplexity_is_e_to_the_mean_loss_and_so_are_the_ends_of_its_interval(sizes):
    table = built(sizes, "bert_size_table6")
    row = rows_of(table)["l2_h64_a1"]
    losses = np.array(LOSSES["cell"])
    low, high = stats.t.interval(0.95, 2, losses.mean(), stats.sem(losses))
    assert float(row["mlm_ppl"]) == pytest.approx(math.exp(5.1))
    assert float(row["mlm_ppl_low"]) == pytest.approx(math.exp(low))
    assert float(row["mlm_ppl_high"]) == pytest.approx(math.exp(high))
    texts = {cells[0].text: cells[2].text for cells in table.rows}
    assert texts["L=2, H=64, A=1"].startswith("164.0 [")


def test_against_itself_perplexity_is_a_ratio(sizes):
    table = built(sizes, "bert_size_table6")
    row = rows_of(table)["A/A: l2_h64_a1"]
    ratio = math.exp(np.mean(LOSSES["cell"]) - np.mean(LOSSES["aa"]))
    assert float(row["mlm_ppl"]) == pytest.approx(ratio)
    assert table.rows[-1][2].text.startswith(f"×{ratio:.2f} [")


def test_published_columns_are_left_out_where_no_size_of_the_plan_was_published(sizes):
    ours = built(sizes, "bert_size_table6")
    assert not any(column.kind == "published" for column in ours.columns)
    add(sizes, "l12_h768_a12")
    row = rows_of(built(sizes, "bert_size_table6"))["l12_h768_a12"]
    assert (row["published_mlm_ppl"], row["published_mrpc"]) == ("3.99", "86.7")


def test_a_sweep_with_a_claims_file_of_its_own_is_not_compared_with_the_studys(sizes):
    table = built(sizes, "bert_size_claims")
    assert rows_of(table)["loss_l4_h128_a2"]["verdict"] == "not resolved"
    assert float(rows_of(table)["loss_l4_h128_a2"]["estimate"]) == pytest.approx(0.1)
    assert not any("after the plan" in note for note in table.notes)
    assert any("loss_l24_h1024_a16" in note for note in table.notes)  # of another profile's sizes
