"""Position encodings against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.models.gptj.modeling_gptj import create_sinusoidal_positions

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.positions.sinusoidal import SinusoidalPositions
from lightning_modules.positions.sinusoidal_literal import LiteralSinusoidalPositions

SHAPE = {"hidden_size": 8, "num_heads": 2, "max_length": 50}


def test_none_changes_nothing() -> None:
    x, q = torch.randn(2, 5, 8), torch.randn(2, 2, 5, 4)
    encoding, positions = PositionEncoding(**SHAPE), torch.arange(5)
    assert encoding.embed(x, positions) is x
    assert encoding.rotate(q, q, positions) == (q, q)
    assert encoding.bias(q, q, positions, None) is None
    assert not list(encoding.parameters())


def test_sinusoidal_is_the_papers_formula_number_by_number() -> None:
    added = SinusoidalPositions(**SHAPE).embed(torch.zeros(1, 50, 8), torch.arange(50))[0]
    for p in range(50):
        for i in range(4):
            angle = p / 10000 ** (2 * i / 8)
            assert added[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert added[p, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_sinusoidal_is_gpt_js() -> None:
    added = SinusoidalPositions(**SHAPE).embed(torch.zeros(1, 50, 8), torch.arange(50))[0]
    sines, cosines = create_sinusoidal_positions(50, 8).chunk(2, dim=-1)
    assert torch.allclose(added, torch.stack((sines, cosines), dim=-1).flatten(-2), atol=1e-5)


def test_the_literal_exponent_counts_dimensions_and_not_pairs() -> None:
    added = LiteralSinusoidalPositions(**SHAPE).embed(torch.zeros(1, 50, 8), torch.arange(50))[0]
    for p in range(50):
        for j in range(8):
            angle = p / 10000 ** (2 * j / 8)
            expected = math.cos(angle) if j % 2 else math.sin(angle)
            assert added[p, j].item() == pytest.approx(expected, abs=1e-6)
    # Only the first dimension is the standard one's: its exponent is 0 either way.
    standard = SinusoidalPositions(**SHAPE).embed(torch.zeros(1, 50, 8), torch.arange(50))[0]
    assert (added == standard).all(0).tolist() == [True] + [False] * 7


@pytest.mark.parametrize(
    "kind", [LearnedPositions, SinusoidalPositions, LiteralSinusoidalPositions]
)
def test_position_ids_are_an_argument(kind: type[PositionEncoding]) -> None:
    encoding = kind(**SHAPE)
    for parameter in encoding.parameters():
        torch.nn.init.normal_(parameter)
    x, shifted = torch.zeros(2, 4, 8), torch.tensor([[0, 1, 2, 3], [7, 8, 9, 10]])
    added = encoding.embed(x, shifted)
    assert torch.equal(added[0], encoding.embed(x, torch.arange(4))[0])
    assert torch.equal(added[1], encoding.embed(torch.zeros(1, 50, 8), torch.arange(50))[0, 7:11])


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even hidden_size"):
        SinusoidalPositions(hidden_size=7, num_heads=1, max_length=5)
