"""The run id: equal for every spelling of one computation, different for any other computation."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import identity as identity_module
from experiments.compose import compose, normalised
from experiments.config import EXECUTION, LABELS
from experiments.explain import flat
from experiments.identity import arm_id, identity, run_id

BASE = ["experiment=symmetry"]
CONFIG = compose(BASE)


def changed(path: str, value: object) -> dict:
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node[key]
    node[last] = value
    return config


@pytest.mark.parametrize(
    "spelling",
    [
        ["residual=[1.mlp,1.attention,0.mlp,0.attention]"],
        ["residual=first4"],
        ["residual=random4"],
        ["optimizer.lr=0.003"],
        ["optimizer.lr=3E-3"],
        ["model.num_layers=2", "attention_mask=causal", "position=none"],
        ["trainer.max_steps=8000"],
        ["trainer.measure_at=[1000,100,300]"],
        ["trainer.measure_at=[100,300,1000,100]"],
        ["optimizer.clip=1"],
        ["placement_seed=4"],  # nothing is placed at random
    ],
)
def test_spelling_does_not_change_an_id(spelling: list[str]) -> None:
    assert run_id(compose([*BASE, *spelling])) == run_id(CONFIG)


@pytest.mark.parametrize(
    "execution",
    [
        ["paths.runs=/elsewhere", "paths.data=/data", "paths.reports=r"],
        ["runtime.workers=4", "runtime.threads=2", "runtime.device=cpu", "runtime.compile=true"],
        ["runtime.log_every=7", "runtime.checkpoint_seconds=1", "runtime.checkpoint_steps=9"],
        ["tracking=disabled", "wandb.project=other", "wandb.entity=me"],
        ["variant=x", "sweep=y", "tags=[z]", "position.name=q"],
    ],
)
def test_labels_paths_and_workers_do_not_change_an_id(execution: list[str]) -> None:
    assert run_id(compose([*BASE, *execution])) == run_id(CONFIG)


# What these say is hashed as what it comes to: the residual set, the steps.
SPELLINGS = {"placement_seed", "trainer.epochs", "optimizer.warmup_share"}
IN_IDENTITY = sorted(flat({k: v for k, v in CONFIG.items() if k not in (*LABELS, *EXECUTION)}))


@given(data=st.data())
def test_any_other_value_of_any_key_that_matters_changes_the_id(data) -> None:
    path = data.draw(
        st.sampled_from([p for p in IN_IDENTITY if p not in SPELLINGS and ".name" not in p])
    )
    old = flat(CONFIG)[path]
    if "_target_" in path:
        new = "lightning_modules.positions.learned.LearnedPositions"
        if old == new:
            return
    elif isinstance(old, bool):
        new = not old
    elif isinstance(old, int | float):
        new = old + data.draw(st.integers(1, 10**6))
    elif isinstance(old, list):
        new = old[:-1] if old else [{"run_id": "a", "step": 1, "attention_mask": "causal"}]
    else:
        new = f"{old}x"
    assert run_id(changed(path, new)) != run_id(CONFIG), path


@given(seeds=st.lists(st.integers(0, 10**9), min_size=2, max_size=20, unique=True))
def test_seeds_have_ids_of_their_own_and_share_their_arm(seeds: list[int]) -> None:
    configs = [changed("seed", seed) for seed in seeds]
    assert len({run_id(config) for config in configs}) == len(seeds)
    assert {arm_id(config) for config in configs} == {arm_id(CONFIG)}


def test_a_changed_default_changes_the_id(monkeypatch) -> None:
    signature = identity_module.signature
    without = copy.deepcopy(CONFIG)
    del without["data"]["split_seed"]
    assert run_id(normalised(without)) == run_id(CONFIG)  # the default is filled in and hashed
    other = copy.deepcopy(CONFIG)
    other["data"]["split_seed"] = (
        signature(CONFIG["data"]["_target_"]).settings["split_seed"][1] + 1
    )
    assert run_id(normalised(other)) != run_id(CONFIG)


@pytest.mark.parametrize("component", ["position", "data", "module"])
def test_a_raised_version_changes_the_id(component: str, monkeypatch) -> None:
    before = run_id(CONFIG)
    real, target = identity_module.signature, CONFIG[component]["_target_"]

    def raised(name: str):
        found = real(name)
        bump = {"version": found.attributes["version"] + (name == target)}
        return type(found)(found.target, found.settings, found.context, found.attributes | bump)

    monkeypatch.setattr(identity_module, "signature", raised)
    assert run_id(CONFIG) != before


def test_the_data_fingerprint_is_part_of_the_id(monkeypatch) -> None:
    before = run_id(CONFIG)
    monkeypatch.setattr(identity_module, "fingerprint", lambda *data: "other contents")
    assert run_id(CONFIG) != before
    assert identity(CONFIG)["data"]["fingerprint"] == "other contents"


def test_how_dropout_is_drawn_matters_where_there_is_some() -> None:
    assert "dropout" not in identity(CONFIG)["versions"]
    assert identity(changed("model.dropout", 0.1))["versions"]["dropout"] == 1
