"""Encodings that add to the attention scores, against the models that use them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention
from x_transformers.x_transformers import AlibiPositionalBias, RelativePositionBias

from lightning_modules.positions.alibi import AlibiPositions, slopes
from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.t5 import T5Positions, buckets

LENGTH = 150


def bias_of(encoding: PositionEncoding, positions: torch.Tensor) -> torch.Tensor:
    """[H, T, T], or [B, H, T, T] of positions per sequence."""
    head_dim = encoding.hidden_size // encoding.num_heads
    q = torch.zeros(2, encoding.num_heads, positions.shape[-1], head_dim)
    bias = encoding.bias(q, q, positions, None)
    assert bias is not None
    return bias if positions.dim() == 2 else bias[0]


def alibi(num_heads: int) -> AlibiPositions:
    return AlibiPositions(hidden_size=4 * num_heads, num_heads=num_heads, max_length=LENGTH)


def t5(attention_mask: str = "causal", num_heads: int = 4, **settings: Any) -> T5Positions:
    encoding = T5Positions(
        hidden_size=4 * num_heads,
        num_heads=num_heads,
        max_length=LENGTH,
        attention_mask=attention_mask,
        **settings,
    )
    torch.nn.init.normal_(encoding.table, generator=torch.Generator().manual_seed(0))
    return encoding


@pytest.mark.parametrize("num_heads", [1, 2, 4, 6, 8, 12, 16])
def test_alibi_is_x_transformers_blooms_and_mpts(num_heads: int) -> None:
    ours = bias_of(alibi(num_heads), torch.arange(LENGTH))
    theirs = AlibiPositionalBias(num_heads)(LENGTH, LENGTH)
    assert torch.allclose(ours, theirs, rtol=1e-6)
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    probabilities = ours.masked_fill(~causal, float("-inf")).softmax(-1)
    # BLOOM shifts each row, which softmax does not see.
    mask = torch.ones(1, LENGTH, dtype=torch.long)
    bloom = build_alibi_tensor(mask, num_heads, torch.float32).expand(-1, LENGTH, -1)
    bloom = bloom.masked_fill(~causal, float("-inf")).softmax(-1)
    assert torch.allclose(probabilities, bloom, atol=1e-5)
    mpt = build_mpt_alibi_tensor(num_heads, LENGTH, 8)
    mpt = mpt.expand(-1, LENGTH, -1).masked_fill(~causal, float("-inf")).softmax(-1)
    assert torch.allclose(probabilities, mpt, atol=1e-5)


def test_alibis_slopes_are_a_geometric_sequence_for_a_power_of_two() -> None:
    assert slopes(8) == [2.0**-h for h in range(1, 9)]
    assert slopes(6) == [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3]


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (32, 64), (16, 300)])
@pytest.mark.parametrize("attention_mask", ["causal", "bidirectional", "reverse"])
def test_t5s_buckets_are_hugging_faces(
    attention_mask: str, num_buckets: int, max_distance: int
) -> None:
    relative = torch.arange(-400, 401)
    settings = {"num_buckets": num_buckets, "max_distance": max_distance}
    ours = buckets(relative, attention_mask=attention_mask, **settings)
    theirs = T5Attention._relative_position_bucket(
        -relative if attention_mask == "reverse" else relative,
        bidirectional=attention_mask == "bidirectional",
        **settings,
    )
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("attention_mask", ["causal", "bidirectional"])
def test_t5s_bias_is_that_of_x_transformers(attention_mask: str) -> None:
    ours = t5(attention_mask)
    theirs = RelativePositionBias(1.0, causal=attention_mask == "causal", heads=4)
    theirs.relative_attention_bias.weight.data = ours.table.data
    expected = theirs(LENGTH, LENGTH)
    assert torch.equal(bias_of(ours, torch.arange(LENGTH)), expected)


def test_t5s_table_learns_from_every_pair_that_reads_it() -> None:
    encoding = t5()
    bias_of(encoding, torch.arange(LENGTH)).sum().backward()
    index = buckets(
        torch.arange(LENGTH)[None, :] - torch.arange(LENGTH)[:, None],
        attention_mask="causal",
        num_buckets=32,
        max_distance=128,
    )
    expected = torch.bincount(index.flatten(), minlength=32).float()
    assert encoding.table.grad is not None
    assert torch.equal(encoding.table.grad, expected[:, None].expand(-1, 4))


def test_t5_refuses_buckets_that_cannot_grow() -> None:
    with pytest.raises(ValueError, match="max_distance=8 is too small"):
        t5(max_distance=8)
    with pytest.raises(ValueError, match="expected more than 8"):
        t5("bidirectional", max_distance=8)


@pytest.mark.parametrize("make", [alibi, lambda heads: t5(num_heads=heads)])
def test_positions_may_differ_between_sequences(make: Any) -> None:
    encoding = make(6)
    positions = torch.stack([torch.arange(5), 3 * torch.arange(5)])
    together = bias_of(encoding, positions)
    assert together.shape == (2, 6, 5, 5)
    for row, alone in enumerate(positions):
        assert torch.equal(together[row], bias_of(encoding, alone))
