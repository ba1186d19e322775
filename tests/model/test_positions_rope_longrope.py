"""LongRoPE's schedule against Hugging Face's, and its spared first tokens against RoPE."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from experiments.compose import compose
from lightning_modules.positions.rope import RotaryPositions
from lightning_modules.positions.rope_longrope import LongRotaryPositions

LENGTH = 64
LONG = [1.0, 1.5, 1.9, 2.5, 3.0, 3.8, 4.0, 4.0]
SHORT = [1.0, 1.0, 1.0, 1.1, 1.1, 1.2, 1.2, 1.3]


def make(kind: type[RotaryPositions] = LongRotaryPositions, **settings: Any) -> Any:
    return kind(hidden_size=32, num_heads=2, max_length=LENGTH, trained_length=LENGTH, **settings)


def turned(encoding: RotaryPositions, positions: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 2, positions.shape[-1], 16, generator=generator, dtype=torch.float64)
    return encoding.rotate(q, q, positions)[0]


@pytest.mark.parametrize("length", [LENGTH // 2, LENGTH, LENGTH + 1, 4 * LENGTH])
def test_the_frequencies_are_hugging_faces_at_every_length(length: int) -> None:
    config = LlamaConfig(
        hidden_size=32,
        num_attention_heads=2,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10_000.0,
            "factor": 4.0,
            "original_max_position_embeddings": LENGTH,
            "long_factor": LONG,
            "short_factor": SHORT,
        },
    )
    theirs, attention_factor = ROPE_INIT_FUNCTIONS["longrope"](config, None, seq_len=length)
    ours = make(factor=4.0, long_factors=LONG, short_factors=SHORT).frequencies(length)
    assert torch.allclose(ours[0], theirs.double(), rtol=1e-6, atol=0)
    assert ours[1] == pytest.approx(attention_factor, rel=1e-12)


def test_without_factors_it_is_ntk_aware_beyond_the_trained_length_and_rope_within() -> None:
    ours, ntk = make(factor=4.0), make(RotaryPositions, schedule="ntk", factor=4.0)
    far, near = 4 * LENGTH, LENGTH
    assert torch.allclose(ours.frequencies(far)[0], ntk.frequencies(far)[0], rtol=1e-12)
    assert torch.equal(ours.frequencies(near)[0], make(RotaryPositions).frequencies(near)[0])


def test_the_first_tokens_turn_as_ropes_and_the_others_do_not() -> None:
    positions = torch.arange(2 * LENGTH)
    ours = make(factor=4.0, long_factors=LONG, kept_tokens=5)
    plain = turned(make(RotaryPositions), positions) * ours.frequencies(1)[1]
    stretched = turned(make(factor=4.0, long_factors=LONG), positions)
    found = turned(ours, positions)
    assert torch.allclose(found[..., :5, :], plain[..., :5, :], atol=1e-12)
    assert torch.equal(found[..., 5:, :], stretched[..., 5:, :])
    assert not torch.allclose(found[..., 1:5, :], stretched[..., 1:5, :])
    rows = torch.stack([positions, positions + 3])
    assert torch.equal(turned(ours, rows)[:1], found)


def test_another_number_of_factors_than_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="short_factors holds 7 numbers: expected 8"):
        make(short_factors=SHORT[1:])
    with pytest.raises(ValueError, match="expected 8 above 0"):
        make(long_factors=[0.0, *LONG[1:]])


def test_factors_are_settings() -> None:
    config = compose(
        ["experiment=symmetry", "position=rope_longrope", f"position.long_factors={LONG}"]
    )
    assert config["position"]["long_factors"] == LONG
