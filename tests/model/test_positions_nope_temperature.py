"""NoPE's temperature: nothing up to the trained length, the published factor beyond."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.compose import compose
from experiments.errors import UserError
from lightning_modules.positions.nope_temperature import NopeTemperaturePositions


def make(c: float) -> NopeTemperaturePositions:
    return NopeTemperaturePositions(
        hidden_size=8, num_heads=2, max_length=99, trained_length=16, c=c
    )


def queries(length: int) -> torch.Tensor:
    return torch.randn(1, 2, length, 4, dtype=torch.float64)


@pytest.mark.parametrize("c", [0.0, 0.103, 0.412])
@pytest.mark.parametrize("length", [1, 16, 17, 64])
def test_scores_are_multiplied_by_one_plus_c_log_s(c: float, length: int) -> None:
    q, k = queries(length), queries(length)
    q_sharp, k_same = make(c).rotate(q, k, torch.arange(length))
    expected = 1 + c * math.log(length / 16) if length > 16 else 1.0
    before, after = q @ k.transpose(-2, -1), q_sharp @ k_same.transpose(-2, -1)
    assert torch.allclose(after, before * expected, rtol=1e-12)
    if length <= 16 or c == 0:
        assert q_sharp is q


def test_attention_over_a_longer_context_is_sharper() -> None:
    q, k = queries(64), queries(64)
    q_sharp, _ = make(0.4).rotate(q, k, torch.arange(64))
    before, after = ((x @ k.transpose(-2, -1)).softmax(-1) for x in (q, q_sharp))
    assert (after.amax(-1) > before.amax(-1)).all()


def test_it_is_refused_where_order_would_not_be_seen() -> None:
    overrides = ["position=nope_temperature", "attention_mask=bidirectional"]
    with pytest.raises(UserError, match="is defined for a left-to-right model only"):
        compose(["experiment=symmetry", *overrides])
