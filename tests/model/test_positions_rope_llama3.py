"""Llama 3.1's schedule against Hugging Face's."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from lightning_modules.positions.rope import RotaryPositions
from lightning_modules.positions.rope_llama3 import Llama3RotaryPositions, llama3


@pytest.mark.parametrize(
    ("dim", "base", "length", "factor", "low", "high"),
    [(128, 500_000.0, 8192, 8.0, 1.0, 4.0), (64, 10_000.0, 512, 4.0, 1.0, 8.0)],
)
def test_the_frequencies_are_hugging_faces(
    dim: int, base: float, length: int, factor: float, low: float, high: float
) -> None:
    config = LlamaConfig(
        hidden_size=2 * dim,
        num_attention_heads=2,
        head_dim=dim,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": base,
            "factor": factor,
            "original_max_position_embeddings": length,
            "low_freq_factor": low,
            "high_freq_factor": high,
        },
    )
    theirs, attention_factor = ROPE_INIT_FUNCTIONS["llama3"](config, None)
    ours = llama3(dim, base=base, factor=factor, original_length=length, low=low, high=high)
    # Theirs is computed in float32, its ramp from a difference of two such numbers.
    assert torch.allclose(ours[0], theirs.double(), rtol=1e-5, atol=0)
    assert ours[1] == attention_factor == 1.0


def test_without_a_factor_it_is_rope() -> None:
    shape = {"hidden_size": 64, "num_heads": 2, "max_length": 128, "trained_length": 128}
    q = torch.randn(1, 2, 128, 32, dtype=torch.float64)
    positions = torch.arange(128)
    ours = Llama3RotaryPositions(**shape, factor=1.0).rotate(q, q, positions)[0]
    assert torch.allclose(ours, RotaryPositions(**shape).rotate(q, q, positions)[0], atol=1e-12)


def test_ends_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="expected low below high"):
        Llama3RotaryPositions(
            hidden_size=8, num_heads=2, max_length=8, trained_length=8, low=4.0, high=1.0
        )
