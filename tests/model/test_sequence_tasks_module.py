"""Sequence tasks: exact match and token accuracy against a model whose mistakes are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from datamodules.sequence_problems import ASK
from datamodules.sequence_tasks import SequenceTask
from experiments.randomness import streams
from lightning_modules.sequence_tasks import SequenceTaskModule, k_max


class Copier(nn.Module):
    """Copies what stands before ASK, but is wrong wherever `wrong(row, place)` says so."""

    attention_mask = "causal"

    def __init__(self, vocab_size: int, wrong) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.wrong = wrong

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*tokens.shape, self.vocab_size)
        for row, sequence in enumerate(tokens.tolist()):
            ask = sequence.index(ASK)
            answer = [*sequence[1:ask], 12]  # END
            for place, token in enumerate(answer):
                known = (token + 1) % self.vocab_size if self.wrong(row, place) else token
                logits[row, ask + place, known] = 9.0
        return logits

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden


def scores(wrong) -> dict[str, float | None]:
    data = SequenceTask(
        task="copy", length=10, evaluation_size=20, seed_for=streams(0), num_workers=0
    )
    module = SequenceTaskModule(
        model=Copier(data.vocab_size, wrong), optimizer={}, max_steps=1, seed_for=streams(0)
    )
    return module.test(data)


def test_a_perfect_model_scores_one_at_every_length():
    found = scores(lambda row, place: False)
    assert set(found.values()) == {1.0}
    assert {"exact_match_x1", "exact_match_x1_25", "token_accuracy_x2"} <= found.keys()
    assert "k_max" not in found


def test_one_wrong_token_costs_its_problem_and_one_token():
    found = scores(lambda row, place: row % 4 == 0 and place == 3)
    assert found["exact_match_x1"] == pytest.approx(0.75)
    assert found["token_accuracy_x1"] == pytest.approx(1 - 0.25 / 11)
    assert found["token_accuracy_x2"] == pytest.approx(1 - 0.25 / 21)


def test_a_model_that_fails_beyond_n_fails_only_there():
    found = scores(lambda row, place: place > 10)
    assert found["exact_match_x1"] == 1.0
    assert found["exact_match_x1_1"] == 0.0


def test_k_max_ends_at_the_first_distance_with_too_few_successes():
    assert k_max({16: 1.0, 32: 0.2, 48: 0.1, 64: 1.0}) == 32
    assert k_max({32: 0.2, 16: 0.1}) == 0
    assert k_max({16: 0.3, 32: 0.9}) == 32
