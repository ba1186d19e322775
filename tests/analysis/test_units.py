"""Studies of two stages: the unit is the pre-training seed, parents are of no cell, tasks apart."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import claim_rows
from analysis.cells import baselines, measure, num_units, planned, rows_of, share_parents
from analysis.judgement import against_itself, judge
from analysis.power import measured_sds, resolvable
from analysis.tuning import choose
from tests.analysis.finetuned import claim, finetuned


def score(variant, task, first, seed):
    return {"bert": 0.8, "no_nsp": 0.7}.get(variant, 0.6) + 0.01 * first + 0.001 * seed**2


def cell_of(plan, frame, **pattern):
    return rows_of(frame, planned(plan, pattern))


def test_fine_tuning_seeds_of_one_pretrained_model_are_averaged():
    plan, frame = finetuned(score, pretraining_seeds=4, seeds=3)
    measured = measure(cell_of(plan, frame, variant="bert", task="spans"), "score")
    assert measured.units == (0, 1, 2, 3)
    expected = [0.8 + 0.01 * first + (0 + 0.001 + 0.004) / 3 for first in range(4)]
    assert measured.values == pytest.approx(expected)
    assert [len(group) for group in measured.groups] == [3] * 4
    assert num_units(plan, planned(plan, {"variant": "bert", "task": "spans"})) == 4


def test_parents_are_of_no_cell():
    plan, frame = finetuned(score)
    roles = {run["run_id"]: run["role"] for run in plan["runs"]}
    for variant in ("bert", "no_nsp"):
        ids = planned(plan, {"variant": variant, "task": "spans"})
        assert {roles[run_id] for run_id in ids} == {"cell"}
    # Their metrics do not enter the spread over seeds either: it is that of the pre-training seeds.
    expected = np.std([0, 0.01, 0.02], ddof=1)
    without_aa = frame[frame["role"] != "aa"]
    assert measured_sds(without_aa, ["score"])["score"] == pytest.approx(expected)


def test_a_diverged_fine_tuning_scores_nothing():
    plan, frame = finetuned(lambda v, t, first, seed: None if first == 0 else 0.9, seeds=1)
    assert list(measure(cell_of(plan, frame, variant="bert", task="spans"), "score").values) == [
        0.0,
        0.9,
        0.9,
    ]


def test_arms_that_fine_tune_one_parent_share_it_and_others_do_not():
    plan, _ = finetuned(score, heads=["bilstm"])

    def shared(*variants):
        return share_parents(
            plan, [planned(plan, {"variant": v, "task": "spans"}) for v in variants]
        )

    assert shared("bert", "bilstm")
    assert not shared("bert", "no_nsp")


def test_every_task_is_compared_with_itself():
    def task_score(variant, task, first, seed):
        return (0.8 if task == "spans" else 0.5) + 0.01 * first

    plan, frame = finetuned(task_score)
    assert [base["task"] for base in baselines(plan)] == ["spans", "pairs"]
    for base in baselines(plan):
        contrast = against_itself(plan, frame, "score", base)
        assert contrast.estimate == pytest.approx(-0.03)  # seeds 0, 1, 2 against 3, 4, 5


def test_a_baseline_of_another_stage_before_them_takes_no_task_its_row_against_itself():
    def task_score(variant, task, first, seed):
        return (0.8 if task == "spans" else 0.5) + 0.01 * first

    claims = [claim("nsp", (1, "bert", "spans"), (-1, "no_nsp", "spans"))]
    plan, frame = finetuned(task_score, claims=claims)
    for run in plan["runs"]:
        if run["role"] == "parent":
            run["role"] = "cell" if run["seed"] < 3 else "aa"
            run["factors"] = {**run["factors"], "stage": "pretrain"}
    assert baselines(plan)[0] == {"variant": "bert", "stage": "pretrain"}
    _, spans, pairs = claim_rows.against_itself(plan, frame)
    for row in (spans, pairs):
        assert row.contrast.estimate == pytest.approx(-0.03)  # seeds 0, 1, 2 against 3, 4, 5
        assert row.interval
        assert row.counts == ((3, 3), (3, 3))


def test_claims_count_pretraining_seeds():
    claims = [claim("nsp", (1, "bert", "spans"), (-1, "no_nsp", "spans"))]
    plan, frame = finetuned(score, pretraining_seeds=3, seeds=5, claims=claims)
    (judgement,) = judge(plan, frame)
    assert judgement.counts == ((3, 3), (3, 3))
    assert judgement.contrast.df == pytest.approx(4)
    (row,) = resolvable(plan)
    assert row["seeds"] == [3, 3]


def test_tuning_leaves_parents_as_they_are():
    plan, frame = finetuned(score)
    for run in plan["runs"]:
        if run["role"] != "parent":
            run["factors"]["lr"] = 1e-3
    plan["tune"] = {"factor": "lr", "by": "score"}
    tuned, kept, chosen = choose(plan, frame)
    assert len(tuned["runs"]) == len(plan["runs"]) == len(kept)
    assert all(run["run_id"] not in chosen for run in plan["runs"] if run["role"] == "parent")
