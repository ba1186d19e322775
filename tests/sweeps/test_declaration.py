"""Sweep declarations: grids become arms, mistakes become one sentence."""

from __future__ import annotations

import pytest

from experiments.errors import UserError
from sweeps.declaration import expand, load, names
from sweeps.plan import make_plan


def test_a_grid_is_the_product_of_its_levels_and_a_shared_point_is_one_arm() -> None:
    grids = [{"a": [1, 2], "b": "x"}, {"a": 2, "b": ["x", "y"]}]
    assert expand(grids) == [["a=1", "b=x"], ["a=2", "b=x"], ["a=2", "b=y"]]
    assert expand([{"a": None}]) == [["a=null"]]  # as Hydra writes it


def test_a_level_may_be_several_overrides_that_go_together() -> None:
    grid = {"size": [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "task": ["x", "y"]}
    assert expand([grid]) == [
        ["a=1", "b=2", "task=x"],
        ["a=1", "b=2", "task=y"],
        ["a=3", "b=4", "task=x"],
        ["a=3", "b=4", "task=y"],
    ]
    assert expand([{"size": {"a": 1, "b": 2}}]) == [["a=1", "b=2"]]


def test_the_symmetry_study_declares_its_profiles() -> None:
    quick = load("symmetry", "quick")
    assert "symmetry" in names()
    assert quick.seeds == 5
    assert ["attention_mask=causal", "position=none", "residual=none"] in quick.arms
    assert load("symmetry", "quick", seeds=9).seeds == 9


def test_a_profile_may_have_further_tables() -> None:
    quick, cpu = load("positions", "quick").tables, load("positions", "cpu").tables
    assert set(cpu) - set(quick) == {"positions_tasks"}
    assert set(quick) < set(cpu)


@pytest.mark.parametrize("profile", ["quick", "gpu"])
def test_the_positions_study_extends_the_models_that_it_trains_anyway(profile: str) -> None:
    plan = make_plan(load("positions", profile, seeds=1), common=[], claims=[])
    assert "finetune" in {run["stage"] for run in plan["runs"]}
    assert {run["role"] for run in plan["runs"]} == {"cell", "aa"}  # none is a parent alone


@pytest.mark.parametrize(
    ("sweep", "profile", "seeds", "said"),
    [
        ("symetry", "quick", None, "Did you mean 'symmetry'?"),
        ("symmetry", "quik", None, "Did you mean 'quick'?"),
        ("symmetry", "quick", 0, "SEEDS=0 is too few"),
    ],
)
def test_mistakes(sweep, profile, seeds, said) -> None:
    with pytest.raises(UserError) as error:
        load(sweep, profile, seeds=seeds)
    assert said in str(error.value)
