"""Stages: a fine-tuning run names its parents by how they are pre-trained."""

from __future__ import annotations

import pytest

from experiments.compose import compose
from experiments.errors import UserError
from experiments.identity import arm_id, run_id
from experiments.lineage import parent_configs, with_seed

BASE = ["experiment=bert", "data.task=sentiment"]


def parents(*overrides: str) -> list[dict]:
    return list(parent_configs(compose([*BASE, *overrides])))


def test_a_parent_is_the_run_that_its_own_command_describes() -> None:
    config = compose([*BASE, "arm=ltr", "seed=3"])
    alone = compose(["experiment=bert_pretrain", "objective=ltr", "seed=3"])
    assert [parent["run_id"] for parent in config["parents"]] == [run_id(alone)]
    assert config["parents"][0]["step"] == alone["trainer"]["max_steps"]


def test_a_parent_has_its_childs_model_and_position() -> None:
    changed = ["model.num_layers=3", "model.hidden_size=32", "position=sinusoidal"]
    (parent,) = parents(*changed)
    alone = compose(["experiment=bert_pretrain", *changed])
    assert run_id(parent) == run_id(alone)


def test_arms_that_differ_only_on_top_share_their_parent() -> None:
    one, other = (compose([*BASE, f"arm={arm}"]) for arm in ("ltr", "ltr_bilstm"))
    assert one["parents"] == other["parents"]
    assert run_id(one) != run_id(other)


def test_two_parents_keep_their_own_masks() -> None:
    config = compose([*BASE, "arm=ltr_rtl"])
    assert [p["attention_mask"] for p in config["parents"]] == ["causal", "reverse"]
    assert [p["attention_mask"] for p in parents("arm=ltr_rtl")] == ["causal", "reverse"]


def test_two_parents_of_one_recipe_differ_in_their_seed() -> None:
    first, second = parents("arm=ltr_ltr", "seed=2")
    assert (first["seed"], second["seed"]) == (2, 502)
    assert first | {"seed": 0} == second | {"seed": 0}


def test_twice_the_tokens_are_twice_the_steps_and_nothing_else() -> None:
    (once,), (twice,) = parents("arm=bert"), parents("arm=bert_twice")
    assert twice["trainer"]["max_steps"] == 2 * once["trainer"]["max_steps"]
    rest = [
        {k: v for k, v in config.items() if k not in ("trainer", "optimizer")}
        for config in (once, twice)
    ]
    assert rest[0] == rest[1]


def test_overrides_of_the_pretraining_reach_every_parent_and_not_the_child() -> None:
    config = compose([*BASE, "arm=ltr_rtl", "pretraining.overrides=['trainer.max_steps=64']"])
    assert {p["trainer"]["max_steps"] for p in parent_configs(config)} == {64}
    assert config["trainer"]["max_steps"] != 64


def test_the_two_seeds_are_the_parents_and_the_runs_own() -> None:
    arm = compose([*BASE, "arm=bert"])
    same = with_seed(arm, 4)
    other = with_seed(arm, 1004, pretraining_seed=4)
    assert same["parents"] == other["parents"]
    assert same["pretraining"]["seed"] == other["pretraining"]["seed"] == 4
    assert run_id(same) != run_id(other)
    assert with_seed(arm, 5)["parents"] != same["parents"]
    assert run_id(with_seed(arm, 4)) == run_id(compose([*BASE, "arm=bert", "seed=4"]))


def test_an_arm_is_the_same_for_all_its_seeds_and_another_for_another_parent() -> None:
    bert, ltr = compose([*BASE, "arm=bert"]), compose([*BASE, "arm=ltr"])
    assert len({arm_id(with_seed(bert, seed)) for seed in (0, 3)}) == 1
    # Another pre-training alone makes another arm.
    longer = compose([*BASE, "arm=bert", "pretraining.overrides=['trainer.max_steps=64']"])
    assert len({arm_id(bert), arm_id(ltr), arm_id(longer)}) == 3


def test_a_step_without_weights_is_refused_with_the_steps_that_have_them() -> None:
    with pytest.raises(UserError, match=r"step=7 is not among .* \(\d+, .*1600\)"):
        compose([*BASE, "parents=[{recipe: ['objective=bert'], step: 7}]"])
    config = compose([*BASE, "parents=[{recipe: ['objective=bert'], step: 800}]"])
    assert config["parents"][0]["step"] == 800


def test_a_step_of_the_pretraining_is_the_same_run_at_other_weights() -> None:
    last, early = (compose([*BASE, *said]) for said in ([], ["pretraining.step=400"]))
    assert early["parents"][0] == last["parents"][0] | {"step": 400}
    assert run_id(early) != run_id(last)
    assert arm_id(early) != arm_id(last)
    told = compose([*BASE, "pretraining.step=1600"])
    assert run_id(told) == run_id(last)
    with pytest.raises(UserError, match=r"step=7 is not among .* \(50, .*1600\)"):
        compose([*BASE, "pretraining.step=7"])


def test_a_decayed_step_is_the_end_of_another_pretraining() -> None:
    decayed = [*BASE, "pretraining.step=70", "pretraining.decayed=true"]
    config = compose(decayed)
    alone = compose(["experiment=bert_pretrain", "trainer.max_steps=70"])
    (parent,) = config["parents"]
    assert (parent["run_id"], parent["step"]) == (run_id(alone), 70)
    assert next(parent_configs(config))["optimizer"]["warmup_steps"] == 7
    whole = compose([*BASE, "pretraining.step=1600", "pretraining.decayed=true"])
    assert run_id(whole) == run_id(compose(BASE))
    assert with_seed(config, 3)["parents"][0]["step"] == 70
    with pytest.raises(UserError, match=r"which is not given: type pretraining.step=<int>"):
        compose([*BASE, "pretraining.decayed=true"])


@pytest.mark.parametrize("decayed", ["true", "false"])
def test_a_parent_of_twice_the_tokens_is_read_at_twice_the_step(decayed: str) -> None:
    said = ["arm=bert_twice", "pretraining.step=400", f"pretraining.decayed={decayed}"]
    config = compose([*BASE, *said])
    (parent,) = parent_configs(config)
    assert config["parents"][0]["step"] == 800
    assert parent["trainer"]["max_steps"] == (800 if decayed == "true" else 3200)


def test_a_step_that_a_parent_names_itself_stays() -> None:
    own = "parents=[{recipe: ['objective=bert'], step: 800}]"
    config = compose([*BASE, own, "pretraining.step=400"])
    assert config["parents"][0]["step"] == 800


def test_parents_need_the_experiment_that_trains_them() -> None:
    with pytest.raises(UserError, match=r"type pretraining.experiment=<name>"):
        compose([*BASE, "pretraining.experiment=''"])


def test_a_mistake_in_a_recipe_is_one_sentence() -> None:
    with pytest.raises(UserError, match="objective=ltl is not known: expected one of bert"):
        compose([*BASE, "parents=[{recipe: ['objective=ltl']}]"])


def test_a_control_without_pretraining_has_no_parents() -> None:
    assert parents("arm=no_pretraining") == []
