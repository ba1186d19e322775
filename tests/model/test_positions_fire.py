"""FIRE against its formula, pair by pair, and what it promises of longer contexts."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.compose import compose
from experiments.errors import UserError
from lightning_modules.positions.fire import FirePositions


def make(**settings: float) -> FirePositions:
    encoding = FirePositions(hidden_size=8, num_heads=2, max_length=50, **settings).double()
    for parameter in encoding.parameters():
        torch.nn.init.normal_(parameter, 1.0, 0.5, generator=torch.Generator().manual_seed(0))
    return encoding


def bias_of(encoding: FirePositions, positions: torch.Tensor) -> torch.Tensor:
    q = torch.zeros(2, 2, positions.shape[-1], 4, dtype=torch.float64)
    return encoding.bias(q, q, positions, None)


def test_the_bias_is_the_papers_formula_pair_by_pair() -> None:
    encoding = make(threshold=10.0)
    c = 0.1 * encoding.c.item()
    threshold = 10.0 * encoding.threshold.item()
    assert 1 < threshold < 25  # both sides of max(L, i) occur

    def psi(x: float) -> float:
        return math.log(c * x + 1)

    bias = bias_of(encoding, torch.arange(25))[0]
    for i in range(25):
        for j in range(i + 1):
            share = torch.tensor([psi(i - j) / psi(max(threshold, i))], dtype=torch.float64)
            expected = encoding.heads(torch.relu(encoding.hidden(share)))
            assert torch.allclose(bias[:, i, j], expected, atol=1e-12)


def test_shares_stay_in_range_at_any_length() -> None:
    shares = make(threshold=10.0).shares(torch.arange(2000))
    assert shares.min() == 0
    assert shares.max() <= 1


def test_positions_may_differ_between_sequences_and_a_shift_is_seen() -> None:
    encoding = make(threshold=4.0)
    positions = torch.stack([torch.arange(9), torch.arange(9) + 30])
    together = bias_of(encoding, positions)
    for row, alone in enumerate(positions):
        assert torch.allclose(together[row], bias_of(encoding, alone)[0], atol=1e-14)
    behind = torch.ones(9, 9, dtype=torch.bool).tril(-1)
    assert not torch.isclose(together[0, :, behind], together[1, :, behind]).any()


@pytest.mark.parametrize("mask", ["bidirectional", "reverse"])
def test_it_is_refused_where_a_model_does_not_look_back(mask: str) -> None:
    with pytest.raises(UserError, match="position=fire is defined for a left-to-right model only"):
        compose(["experiment=symmetry", "position=fire", f"attention_mask={mask}"])


def test_it_is_refused_for_a_pair_of_which_one_model_runs_from_right_to_left() -> None:
    with pytest.raises(UserError, match="position=fire is defined for a left-to-right model only"):
        compose(["experiment=bert", "arm=ltr_rtl", "position=fire"])
