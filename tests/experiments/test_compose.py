"""From overrides to a validated config: one sentence for every mistake, one form for every run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.compose import compose, factor_levels
from experiments.errors import UserError

BASE = ["experiment=symmetry"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("experiment=symetry", "Did you mean 'symmetry'?"),
        ("residul=none", "Did you mean 'residual'?"),
        ("data.digit=3", "Did you mean 'data.digits'?"),
        ("trainer.max_step=3", "Did you mean 'trainer.max_steps'?"),
        ("position.basis=3", "position.basis is not a key"),
        ("position.scale=2", "type +position.scale=<value>"),
        ("position=learnt", "Did you mean 'learned'?"),
        ("attention_mask=causl", "expected one of [bidirectional, causal, reverse]"),
        ("tracking=ofline", "expected one of [offline, online, disabled]"),
        ("seed=abc", "'abc' of type 'str' could not be converted to Integer"),
        ("seed=1.5", "could not be converted to Integer"),
        ("seed=-1", "expected 0 or more"),
        ("seed", "'seed' is no override: type seed=<value>"),
        ("data.digits=two", "data.digits is int"),
        ("data.digits=0", "data.digits=0 is out of range: expected 1 to"),
        ("data.format=mingtp", "Did you mean 'mingpt'?"),
        ("residual=first9", "2 layers have 4"),
        ("residual=[0.attention,9.mlp]", "residual=9.mlp is no sublayer"),
        ("model.hidden_size=49", "cannot be split over model.num_heads=4"),
        ("model.dropout=1.5", "is no probability"),
        ("model.num_layers=0", "expected 1 or more"),
        ("+position.sharpness=3", "position.sharpness is not known"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(override: str, said: str) -> None:
    overrides = [override] if override.startswith("experiment") else [*BASE, override]
    with pytest.raises(UserError) as error:
        compose(overrides)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["attention_mask=bidirectional"], "type attention_mask=causal"),
        (["data.evaluate_to=1.1"], "data.evaluate_to=1.1 is not known: expected one of 1, 2, 4, 8"),
        (["position=t5", "position.max_distance=8"], "so expected more than 16"),
        (["model.hidden_size=6", "model.num_heads=2"], "a head has 3: type model.hidden_size="),
        (
            ["position=rope_longrope", "position.long_factors=[1,2]"],
            "position.long_factors holds 2 numbers: expected 8 above 0",
        ),
        (
            ["position=rope_longrope", "position.short_factors=[1,1,1,1,1,1,1,0]"],
            "position.short_factors holds 8 numbers: expected 8 above 0",
        ),
    ],
)
def test_settings_that_positions_do_not_take_exit_2_before_anything_heavy(
    overrides: list[str], said: str, tmp_path: Path
) -> None:
    done = start("experiment=positions", *overrides, f"paths.runs={tmp_path}")
    assert done.stdout.strip() == "2 []"
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_an_experiment_the_choices_are_named() -> None:
    with pytest.raises(UserError, match="one of bert, bert_pretrain, bert_text, "):
        compose(["seed=3"])


def start(*overrides: str) -> subprocess.CompletedProcess[str]:
    """A single run's command, which prints its exit code and what heavy it has imported."""
    script = (
        "import sys; from experiments.run import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'pytorch_lightning', 'wandb', 'pandas', 'numpy'} & set(sys.modules);"
        "print(code, sorted(heavy))"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *overrides], capture_output=True, text=True
    )


def test_a_mistake_exits_2_before_anything_heavy_is_imported() -> None:
    done = start(*BASE, "residul=none")
    assert done.stdout.strip() == "2 []"
    assert done.stderr.startswith("error: residul")


def test_a_validated_config_is_plain_and_complete() -> None:
    config = compose([*BASE, "residual=first1", "trainer.max_examples=1000"])
    assert config["residual"] == ["0.attention"]
    assert config["trainer"]["max_steps"] == 8  # 1000 / 128, rounded up
    assert config["trainer"]["max_examples"] == 1024
    assert config["position"]["name"] == "none"
    assert config["attention_mask"] == "causal"
    assert type(config["attention_mask"]) is str
    assert config["data"]["digits"] == 3


def test_steps_decide_when_both_budgets_are_given() -> None:
    trainer = compose([*BASE, "trainer.max_steps=7"])["trainer"]
    assert (trainer["max_steps"], trainer["max_examples"]) == (7, 7 * 128)


def test_factor_levels_have_short_names() -> None:
    config = compose([*BASE, "residual=[1.mlp]", "position=sinusoidal"])
    assert factor_levels(config) == {
        "attention_mask": "causal",
        "position": "sinusoidal",
        "residual": "last1",
        "num_layers": 2,
        "digits": 3,
        "format": "reversed",
        "lr": 0.003,
        "std": 0.05,
        "rescale_residual": True,
        "layer_norm_eps": 1e-5,
    }


def test_a_factor_that_a_run_does_not_have_is_said() -> None:
    config = compose(["experiment=symmetry", "factors=[data.task]"])
    with pytest.raises(UserError, match=r"factors names data.task, and this run has no such key"):
        factor_levels(config)


def test_composing_does_not_depend_on_the_working_directory(tmp_path, monkeypatch) -> None:
    expected = compose(BASE)
    monkeypatch.chdir(tmp_path)
    assert compose(BASE) == expected
    assert os.listdir(tmp_path) == []
