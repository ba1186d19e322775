"""Randomised positions in training, on a model with a table of them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from experiments.randomness import streams
from lightning_modules.language_modelling import LanguageModellingModule
from lightning_modules.randomised_positions import RandomisedPositionsModule
from tests.model.test_language_modelling import N, model

CONTEXT = {"optimizer": {}, "max_steps": 10, "seed_for": streams(0)}


@pytest.fixture
def module() -> RandomisedPositionsModule:
    return RandomisedPositionsModule(model=model(), **CONTEXT)


def tokens() -> torch.Tensor:
    return torch.randint(256, (3, N + 1), generator=torch.Generator().manual_seed(1))


def test_a_step_trains_as_many_positions_as_its_windows_have_anywhere_below_the_longest(module):
    module.training_step({"tokens": tokens()}, 0).backward()
    trained = module.model.position.table.grad.abs().sum(1).nonzero().flatten()
    assert trained.equal(module.positions(N, 0))
    drawn = torch.stack([module.positions(N, step) for step in range(200)])
    assert set(drawn.flatten().tolist()) == set(range(4 * N))
    assert (drawn.diff() > 0).all()


def test_positions_follow_from_seed_and_step(module):
    again = RandomisedPositionsModule(model=model(), **CONTEXT)
    other = RandomisedPositionsModule(model=model(), **CONTEXT | {"seed_for": streams(1)})
    assert module.positions(N, 5).equal(again.positions(N, 5))
    assert not module.positions(N, 5).equal(module.positions(N, 6))
    assert not module.positions(N, 5).equal(other.positions(N, 5))


def test_the_loss_is_that_of_the_model_at_those_positions(module):
    batch = tokens()
    logits = module.model(batch[:, :-1], positions=module.positions(N, 0))
    expected = F.nll_loss(logits.log_softmax(-1).flatten(0, 1), batch[:, 1:].flatten())
    assert module.training_step({"tokens": batch}, 0).item() == pytest.approx(expected.item())


def test_it_is_evaluated_as_any_language_model(module):
    plain = LanguageModellingModule(model=model(), **CONTEXT)
    batches = [{"tokens": tokens()}]
    assert module.loss_by_position(batches).equal(plain.loss_by_position(batches))
