"""The addition module: the answer is never shown to its own predictor."""

from __future__ import annotations

import pytest
import torch

from datamodules.addition import Addition
from experiments.randomness import streams
from experiments.worker import build_model
from lightning_modules.addition import AdditionModule
from lightning_modules.residual import all_sublayers


def make(attention_mask: str, *, position: str = "none", seed: int = 0) -> tuple:
    kinds = {"none": "base.PositionEncoding", "learned": "learned.LearnedPositions"}
    config = {
        "seed": seed,
        "attention_mask": attention_mask,
        "residual": all_sublayers(2),
        "position": {"_target_": f"lightning_modules.positions.{kinds[position]}", "name": ""},
        "model": {
            "num_layers": 2,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 32,
            "init": {"std": 0.3, "rescale_residual": False},
        },
    }
    data = Addition(digits=2, batch_size=16, seed_for=streams(seed), num_workers=0)
    model = build_model(
        config,
        attention_mask=config["attention_mask"],
        vocab_size=data.vocab_size,
        max_length=data.sequence_length,
        trained_length=data.trained_length,
    )
    module = AdditionModule(
        model=model.double(),
        optimizer={},
        max_steps=10,
        seed_for=streams(seed),
        **data.module_arguments(),
    )
    return module, data


@pytest.mark.parametrize("position", ["none", "learned"])
def test_one_causal_pass_equals_the_prefix_scheme_in_loss_and_gradients(position: str) -> None:
    module, data = make("causal", position=position)
    tokens = data.batch(0)["tokens"]
    gradients = []
    for logits in (module.one_pass_logits, module.prefix_logits):
        module.zero_grad()
        loss = module.loss(logits(tokens), tokens)
        loss.backward()
        gradients.append((loss, [p.grad.clone() for p in module.parameters()]))
    (loss, grads), (prefix_loss, prefix_grads) = gradients
    assert loss.item() == pytest.approx(prefix_loss.item(), abs=1e-13)
    assert any(grad.abs().max() > 1e-3 for grad in grads)
    for grad, prefix_grad in zip(grads, prefix_grads, strict=True):
        assert torch.allclose(grad, prefix_grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("mask", ["bidirectional", "causal", "reverse"])
def test_a_digit_and_those_after_it_cannot_reach_its_prediction(mask: str) -> None:
    module, data = make(mask, position="learned")
    tokens = data.batch(0)["tokens"]
    before = module.answer_logits(tokens)
    for digit in range(data.answer_length):
        changed = tokens.clone()
        answer = changed[:, data.prompt_length + digit :]
        changed[:, data.prompt_length + digit :] = (answer + 1) % 10
        after = module.answer_logits(changed)
        assert torch.allclose(after[:, : digit + 1], before[:, : digit + 1], atol=1e-12)


@pytest.mark.parametrize("mask", ["bidirectional", "causal"])
def test_exact_match_is_that_of_greedy_generation(mask: str) -> None:
    # Fitted to its own evaluation problems, so that some answers are right and some are not.
    module, data = make(mask, position="learned")
    tokens = data.test_batches()[0]["tokens"][:40]
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        module.training_step({"tokens": tokens}, 0).backward()
        optimizer.step()
    written = tokens[:, : data.prompt_length]
    for _ in range(data.answer_length):
        written = torch.cat([written, module.model(written)[:, -1:].argmax(-1)], dim=1)
    right = (written == tokens).all(1).double().mean().item()
    scores = module.evaluate([{"tokens": tokens}])
    assert 0 < right < 1
    assert scores["exact_match"] == pytest.approx(right, abs=1e-6)


def test_order_blind_models_are_exactly_invariant_and_others_are_not() -> None:
    for mask, position, blind in [
        ("bidirectional", "none", True),
        ("bidirectional", "learned", False),
        ("causal", "none", False),
    ]:
        module, data = make(mask, position=position)
        moved = module.measure(data)["invariance"]
        assert (moved < 1e-9) == blind
        assert blind or moved > 1e-3
