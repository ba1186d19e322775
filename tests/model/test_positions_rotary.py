"""RoPE against Llama's rotation, two interleaved ones, and the properties that define it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rotary_embedding_torch import RotaryEmbedding as RotaryEmbeddingTorch
from transformers import GPTNeoXConfig, LlamaConfig
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXRotaryEmbedding
from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb as neox_apply
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from x_transformers.x_transformers import RotaryEmbedding as XRotaryEmbedding
from x_transformers.x_transformers import apply_rotary_pos_emb as x_apply

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.partial_rope import PartialRotaryPositions
from lightning_modules.positions.position_ids import consecutive, interpolated, randomised
from lightning_modules.positions.rope import RotaryPositions, turn

HEADS, HEAD_DIM, LENGTH = 2, 16, 40
LAYOUTS = ["half", "interleaved"]


def make(**settings: Any) -> RotaryPositions:
    shape = {"hidden_size": HEADS * HEAD_DIM, "num_heads": HEADS, "max_length": LENGTH}
    shape["trained_length"] = LENGTH
    return RotaryPositions(**{**shape, **settings})


def partial(**settings: Any) -> PartialRotaryPositions:
    shape = {"hidden_size": HEADS * HEAD_DIM, "num_heads": HEADS, "max_length": LENGTH}
    shape["trained_length"] = LENGTH
    return PartialRotaryPositions(**{**shape, **settings})


def queries_and_keys(length: int = LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, HEADS, length, HEAD_DIM)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64))


def scores(encoding: PositionEncoding, positions: torch.Tensor) -> torch.Tensor:
    q, k = queries_and_keys(positions.shape[-1])
    q, k = encoding.rotate(q, k, positions)
    return q @ k.transpose(-2, -1)


def test_the_half_layout_is_llamas_rotation() -> None:
    config = LlamaConfig(
        hidden_size=HEADS * HEAD_DIM, num_attention_heads=HEADS, max_position_embeddings=LENGTH
    )
    q, k = (x.float() for x in queries_and_keys())
    positions = torch.arange(LENGTH)
    cos, sin = LlamaRotaryEmbedding(config)(q, positions[None])
    theirs = apply_rotary_pos_emb(q, k, cos, sin)
    for ours, expected in zip(make().rotate(q, k, positions), theirs, strict=True):
        assert torch.allclose(ours, expected, atol=1e-5)


def test_the_interleaved_layout_is_that_of_two_other_libraries() -> None:
    q, k = (x.float() for x in queries_and_keys())
    ours = make(layout="interleaved").rotate(q, k, torch.arange(LENGTH))[0]
    theirs = RotaryEmbeddingTorch(HEAD_DIM).rotate_queries_or_keys(q)
    assert torch.allclose(ours, theirs, atol=1e-5)
    freqs, scale = XRotaryEmbedding(HEAD_DIM).forward_from_seq_len(LENGTH)
    assert torch.allclose(ours, x_apply(q, freqs, scale), atol=1e-5)


def test_the_layouts_are_one_encoding_up_to_the_order_of_dimensions() -> None:
    q, k = queries_and_keys()
    positions = torch.arange(LENGTH)
    order = torch.arange(HEAD_DIM).view(2, -1).t().flatten()  # 0, K/2, 1, K/2 + 1 ...
    half = make(layout="half").rotate(q, k, positions)[0]
    interleaved = make(layout="interleaved").rotate(q[..., order], k[..., order], positions)[0]
    assert torch.allclose(half[..., order], interleaved, atol=1e-14)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rotation_keeps_norms_and_composes(layout: str) -> None:
    x = queries_and_keys()[0]
    a, b = (torch.rand(LENGTH, HEAD_DIM // 2, dtype=torch.float64) * 7 for _ in range(2))
    once = turn(x, a.cos(), a.sin(), layout)
    assert torch.allclose(once.norm(dim=-1), x.norm(dim=-1), rtol=1e-12)
    both = turn(x, (a + b).cos(), (a + b).sin(), layout)
    assert torch.allclose(turn(once, b.cos(), b.sin(), layout), both, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("schedule", ["default", "linear", "ntk", "yarn"])
def test_scores_depend_on_differences_of_positions_only(layout: str, schedule: str) -> None:
    encoding = make(layout=layout, schedule=schedule, factor=3.0)
    here, there = torch.arange(LENGTH), torch.arange(LENGTH) + 1000
    assert torch.allclose(scores(encoding, here), scores(encoding, there), atol=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_p_of_0_is_no_encoding_and_p_of_1_is_rope_to_the_last_bit(layout: str) -> None:
    q, k = queries_and_keys()
    positions = torch.arange(LENGTH)
    none = make(layout=layout, rotated=0.0).rotate(q, k, positions)
    assert torch.equal(none[0], q)
    assert torch.equal(none[1], k)
    whole = make(layout=layout, rotated=1.0).rotate(q, k, positions)
    assert torch.equal(whole[0], make(layout=layout).rotate(q, k, positions)[0])


@pytest.mark.parametrize(("end", "turned"), [("fast", range(2)), ("slow", range(6, 8))])
def test_p_rope_turns_the_pairs_of_its_end_and_no_other(end: str, turned: range) -> None:
    q, k = queries_and_keys()
    rotated = make(rotated=0.25, rotated_end=end).rotate(q, k, torch.arange(LENGTH))[0]
    moved = (rotated != q)[..., 1:, :].any(dim=-2).flatten(0, -2).any(dim=0)
    assert moved[:8].nonzero().flatten().tolist() == list(turned)
    assert torch.equal(moved[:8], moved[8:])


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_partial_rope_is_gpt_neoxs(share: float) -> None:
    config = GPTNeoXConfig(
        hidden_size=HEADS * HEAD_DIM,
        num_attention_heads=HEADS,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": share,
        },
    )
    q, k = (x.float() for x in queries_and_keys())
    positions = torch.arange(LENGTH)
    theirs = neox_apply(q, k, *GPTNeoXRotaryEmbedding(config)(q, positions[None]))
    for ours, expected in zip(partial(rotated=share).rotate(q, k, positions), theirs, strict=True):
        assert torch.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_partial_rope_turns_from_nothing_to_everything(layout: str) -> None:
    q, k = queries_and_keys()
    positions = torch.arange(LENGTH)
    assert torch.equal(partial(rotated=0.0, layout=layout).rotate(q, k, positions)[0], q)
    whole = partial(rotated=1.0, layout=layout).rotate(q, k, positions)[0]
    assert torch.equal(whole, make(layout=layout).rotate(q, k, positions)[0])


def test_partial_rope_spreads_the_whole_spectrum_and_p_rope_keeps_its_end() -> None:
    half = partial(rotated=0.5).frequencies(LENGTH)[0]
    assert half.tolist() == pytest.approx([10_000 ** (-2 * p / 8) for p in range(4)])
    kept = make(rotated=0.5).frequencies(LENGTH)[0]
    expected = [10_000 ** (-2 * p / 16) for p in range(4)] + [0.0] * 4
    assert kept.tolist() == pytest.approx(expected)


def test_interpolation_is_a_function_of_the_positions() -> None:
    by_schedule = scores(make(schedule="linear", factor=4.0), torch.arange(LENGTH))
    by_positions = scores(make(), interpolated(torch.arange(LENGTH), factor=4.0))
    assert torch.allclose(by_schedule, by_positions, atol=1e-12)
    stretched = scores(make(schedule="linear", factor=4.0), 4 * torch.arange(LENGTH))
    assert torch.allclose(stretched, scores(make(), torch.arange(LENGTH)), atol=1e-12)


def test_yarns_attention_factor_multiplies_every_score_by_its_square() -> None:
    q, k = queries_and_keys()
    encoding = make(schedule="yarn", factor=8.0, rotated=0.0)  # nothing turns: the factor alone
    scaled = encoding.rotate(q, k, torch.arange(LENGTH))
    factor = encoding.frequencies(LENGTH)[1]
    assert factor > 1.2
    expected = q @ k.transpose(-2, -1) * factor**2
    assert torch.allclose(scaled[0] @ scaled[1].transpose(-2, -1), expected, rtol=1e-10)


def test_dynamic_scaling_follows_the_length_in_use_and_remembers_nothing() -> None:
    encoding, plain = make(schedule="dynamic", original_length=20), make()
    for length in (20, 40, 20, 30, 12):  # longer ones in between leave no trace
        positions = torch.arange(length)
        fixed = make(schedule="ntk", factor=max(1.0, length / 20))
        assert torch.equal(scores(encoding, positions), scores(fixed, positions))
        if length <= 20:
            assert torch.equal(scores(encoding, positions), scores(plain, positions))


def test_positions_may_differ_between_sequences() -> None:
    q, k = queries_and_keys(5)
    encoding = make()
    positions = torch.stack([torch.arange(5), torch.arange(5) + 9, torch.tensor([3, 1, 4, 1, 5])])
    together = encoding.rotate(q, k, positions)[0]
    for row, alone in enumerate(positions):
        assert torch.equal(together[row], encoding.rotate(q[[row]], k[[row]], alone)[0][0])


def test_tables_are_kept_for_the_next_layer_but_never_past_a_change() -> None:
    encoding, positions = make(), torch.arange(LENGTH)
    asked = []
    encoding.tables = lambda *given: asked.append(1) or RotaryPositions.tables(encoding, *given)
    before = scores(encoding, positions)
    assert torch.equal(scores(encoding, positions), before)
    assert len(asked) == 1
    positions *= 2
    assert torch.equal(scores(encoding, positions), scores(make(), 2 * torch.arange(LENGTH)))
    q, k = (x.float() for x in queries_and_keys())
    assert encoding.rotate(q, k, positions)[0].dtype == torch.float32
    assert len(asked) == 3


def test_what_an_evaluation_computes_can_be_trained_with() -> None:
    encoding = make()
    with torch.inference_mode():
        positions = consecutive(LENGTH, torch.device("cpu"))
        scores(encoding, positions)
    q, k = (x.requires_grad_() for x in queries_and_keys())
    q_turned, _ = encoding.rotate(q, k, consecutive(LENGTH, torch.device("cpu")))
    q_turned.sum().backward()
    assert q.grad is not None


def test_half_precision_is_turned_in_single() -> None:
    q, k = (x.bfloat16() for x in queries_and_keys())
    turned = make().rotate(q, k, torch.arange(LENGTH))[0]
    exact = make().rotate(q.double(), k.double(), torch.arange(LENGTH))[0]
    assert turned.dtype == torch.bfloat16
    assert torch.allclose(turned.double(), exact, rtol=2**-8, atol=1e-5)


def test_an_odd_head_is_refused() -> None:
    with pytest.raises(ValueError, match="even head size, not 5"):
        make(hidden_size=10, num_heads=2)


def test_randomised_positions_are_ascending_different_and_seeded() -> None:
    def draw(seed: int) -> torch.Tensor:
        return randomised(9, upper=50, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    draws = torch.stack([draw(seed) for seed in range(300)])
    assert (draws.diff() > 0).all()
    assert draws.min() == 0
    assert draws.max() == 49
    # The mean of the k-th smallest of 9 out of 0 ... 49 is 51 k / 10 - 1; 300 draws, 5 s.e.
    expected = 5.1 * torch.arange(1, 10) - 1
    assert torch.allclose(draws.double().mean(0), expected.double(), atol=5 * 8 / 300**0.5)
    with pytest.raises(ValueError, match="9 different positions cannot be drawn below 8"):
        randomised(9, upper=8, generator=torch.Generator())
