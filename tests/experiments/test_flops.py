"""The count of floating-point operations against arithmetic written out."""

from __future__ import annotations

import pytest

from experiments.compose import compose
from experiments.flops import flops_per_step
from experiments.worker import build_run

FORWARD_AND_BACKWARD = 3  # a product's gradient is two products of its size


def counted(tmp_path, *recipe):
    config = compose([*recipe, f"paths.data={tmp_path}"])
    module, data = build_run(config)
    return flops_per_step(module, data), config, module, data.batch(0)


def encoder(config, batch):
    """One forward pass of the layers."""
    model = config["model"]
    (B, T), D, inner = batch["tokens"].shape, model["hidden_size"], model["intermediate_size"]
    products = 2 * B * T * (3 * D * D + D * D + 2 * D * inner)
    attention = 2 * (2 * B * T * T * D)
    return model["num_layers"] * (products + attention)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("objective", ["bert", "no_nsp", "ltr"])
def test_a_step_of_pretraining(objective, dropout, tmp_path):
    found, config, module, batch = counted(
        tmp_path,
        "experiment=bert_pretrain",
        f"objective={objective}",
        f"model.dropout={dropout}",
        "data.batch_size=8",
    )
    N, D = len(batch["targets"]), config["model"]["hidden_size"]
    V = module.model.tokens.num_embeddings
    head = 2 * N * D * D + 2 * N * D * V
    pair = 2 * 8 * (D * D + D * 2) if objective == "bert" else 0
    assert found == FORWARD_AND_BACKWARD * (encoder(config, batch) + head + pair)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_encoder_has_no_backward_pass(frozen, tmp_path):
    found, config, _, batch = counted(
        tmp_path,
        "experiment=bert",
        "arm=no_pretraining",
        "data.task=sentiment",
        f"module.frozen={str(frozen).lower()}",
    )
    B, D = len(batch["tokens"]), config["model"]["hidden_size"]
    times = 1 if frozen else FORWARD_AND_BACKWARD
    classifier = FORWARD_AND_BACKWARD * 2 * B * D * 2
    # The pooler's input asks for no gradient where the encoder is frozen.
    pooler = (2 if frozen else FORWARD_AND_BACKWARD) * 2 * B * D * D
    assert found == times * encoder(config, batch) + pooler + classifier


def test_a_step_of_addition(tmp_path):
    found, config, module, batch = counted(tmp_path, "experiment=symmetry", "data.batch_size=4")
    read = {"tokens": batch["tokens"][:, :-1]}
    B, T = read["tokens"].shape
    V, D = module.model.output.weight.shape
    digits = T + 1 - module.prompt_length
    assert found == FORWARD_AND_BACKWARD * (encoder(config, read) + 2 * B * digits * D * V)


def test_the_inside_of_a_bilstm_is_left_out(tmp_path):
    recipe = ["experiment=bert", "arm=no_pretraining", "data.task=spans"]
    without, *_ = counted(tmp_path, *recipe)
    # Its output has the encoder's width, so that the head on it is the same.
    assert counted(tmp_path, *recipe, "module.bilstm_layers=1")[0] == without
