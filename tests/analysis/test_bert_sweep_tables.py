"""BERT's Tables 6 and 8: perplexities, published values, two approaches to one task, own claims."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.claims import load_claims
from analysis.frame import plan_frame
from analysis.render import to_csv
from analysis.table import Table, build_table
from analysis.tuning import with_choices
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
        study.write(run, score=None, token_loss=loss - gain)
    for task in ("mnli", "mrpc", "sst2"):
        scores = [0.7 + gain, 0.71 + gain, 0.69 + gain]
        study.cell(variant, task, scores, role=role, first_seed=first_seed)


def built(study: SyntheticBert, name: str) -> Table:
    file = "_".join(name.split("_")[:2])
    plan = {**study.plan, "claims": load_claims(file), "claims_file": file}
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


def test_where_each_size_has_its_own_rate_of_fine_tuning_the_table_says_so(sizes):
    assert any("one learning rate serves all of them" in note for note in notes_of(sizes))
    for run in sizes.runs:
        if run["stage"] == "finetune":
            run["factors"]["lr"] = 5e-5
    notes = notes_of(sizes, tune={"factor": "lr", "by": "validation_score"})
    assert any("one learning rate of pre-training serves all of them" in note for note in notes)


def notes_of(study: SyntheticBert, **more: Any) -> list[str]:
    plan = {**study.plan, **more}
    frame = plan_frame(plan, study.root)
    return build_table("bert_size_table6", *with_choices(plan, frame)).notes


def test_a_sweep_with_a_claims_file_of_its_own_is_not_compared_with_the_studys(sizes):
    table = built(sizes, "bert_size_claims")
    assert rows_of(table)["loss_l4_h128_a2"]["verdict"] == "not resolved"
    assert float(rows_of(table)["loss_l4_h128_a2"]["estimate"]) == pytest.approx(0.1)
    assert not any("after the plan" in note for note in table.notes)
    assert any("loss_l24_h1024_a16" in note for note in table.notes)  # of another profile's sizes


APPROACHES = {("mnli", "last"): 0.5, ("ner", "last"): 0.4, ("ner", "concat_last_four"): 0.3}


@pytest.fixture
def maskings(tmp_path) -> SyntheticBert:
    """[MASK] alone costs features 0.1 and fine-tuning nothing."""
    study = SyntheticBert(tmp_path / "runs")
    for variant, role in [("m80_s10_r10", "cell"), ("m100_s0_r0", "cell"), ("m80_s10_r10", "aa")]:
        for (task, layers), level in APPROACHES.items():
            lost = 0.1 * (variant == "m100_s0_r0" and layers == "concat_last_four")
            scores = [level - lost + noise for noise in (0.0, 0.001, 0.003)]
            first_seed = 3 * (role == "aa")
            study.cell(variant, task, scores, role=role, first_seed=first_seed, layers=layers)
    return study


def test_features_and_fine_tuning_are_two_columns_of_one_task(maskings):
    row = rows_of(built(maskings, "bert_masking_table8"))["m100_s0_r0"]
    assert [float(row[key]) for key in ("mnli", "ner", "ner_features")] == pytest.approx(
        [0.5 + 0.004 / 3, 0.4 + 0.004 / 3, 0.2 + 0.004 / 3]
    )
    assert float(row["ner_difference"]) == pytest.approx(0.0)
    assert float(row["ner_features_difference"]) == pytest.approx(-0.1)
    assert (row["published_ner"], row["published_ner_features"]) == ("94.9", "94.0")


def test_claims_tell_the_approaches_apart_and_each_is_compared_with_itself(maskings):
    rows = rows_of(built(maskings, "bert_masking_claims"))
    assert rows["mask_alone_hurts_features"]["verdict"] == "agrees"
    assert rows["mask_alone_spares_ner"]["verdict"] == "agrees"
    itself = [name for name in rows if name.startswith("aa_")]
    assert itself == ["aa_score_mnli_last", "aa_score_ner_last", "aa_score_ner_concat_last_four"]
