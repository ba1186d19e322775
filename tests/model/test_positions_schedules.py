"""RoPE's schedules against Hugging Face's, two other libraries', and the papers' formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from rotary_embedding_torch import RotaryEmbedding as RotaryEmbeddingTorch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from x_transformers.x_transformers import RotaryEmbedding as XRotaryEmbedding

from lightning_modules.positions.schedules import (
    SCHEDULES,
    default,
    dynamic,
    linear,
    ntk,
    rotated_pairs,
    yarn,
)

SIZES = [(32, 256, 10_000.0), (64, 2048, 10_000.0), (128, 4096, 500_000.0)]  # K, L, base


def hugging_face(
    kind: str, dim: int, length: int, base: float, *, seq_len: int | None = None, **settings: Any
) -> tuple[torch.Tensor, float]:
    config = LlamaConfig(
        hidden_size=2 * dim,
        num_attention_heads=2,
        head_dim=dim,
        max_position_embeddings=length,
        rope_parameters={
            "rope_type": kind,
            "rope_theta": base,
            "original_max_position_embeddings": length,
            **settings,
        },
    )
    if kind == "default":
        return LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    return ROPE_INIT_FUNCTIONS[kind](config, None, seq_len=seq_len)


def assert_same(ours: tuple[torch.Tensor, float], theirs: tuple[torch.Tensor, float]) -> None:
    assert ours[0].dtype == torch.float64
    # Theirs is computed in float32: half a dozen roundings of 6e-8.
    assert torch.allclose(ours[0], theirs[0].double(), rtol=1e-6, atol=0)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-12)


@pytest.mark.parametrize(("dim", "length", "base"), SIZES)
@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0, 32.0])
def test_schedules_are_hugging_faces(dim: int, length: int, base: float, factor: float) -> None:
    settings = {"base": base, "factor": factor, "original_length": length}
    assert_same(default(dim, **settings), hugging_face("default", dim, length, base))
    assert_same(linear(dim, **settings), hugging_face("linear", dim, length, base, factor=factor))
    assert_same(yarn(dim, **settings), hugging_face("yarn", dim, length, base, factor=factor))
    narrow = {"beta_fast": 16.0, "beta_slow": 2.0}
    assert_same(
        yarn(dim, **settings, **narrow),
        hugging_face("yarn", dim, length, base, factor=factor, **narrow),
    )
    for used in (length // 2, length, 3 * length):
        theirs = hugging_face("dynamic", dim, length, base, seq_len=used, factor=factor)
        assert_same(dynamic(dim, length=used, **settings), theirs)


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_linear_and_ntk_are_the_other_libraries(factor: float) -> None:
    squeezed = linear(64, base=10_000.0, factor=factor)[0]
    rebased = ntk(64, base=10_000.0, factor=factor)[0]
    theirs = RotaryEmbeddingTorch(64, theta_rescale_factor=factor)
    assert torch.allclose(rebased, theirs.freqs.double(), rtol=1e-6, atol=0)
    theirs = XRotaryEmbedding(64, base_rescale_factor=factor)
    assert torch.allclose(rebased, theirs.inv_freq.double(), rtol=1e-6, atol=0)
    interpolating = XRotaryEmbedding(64, interpolation_factor=factor)
    angles = interpolating.forward_from_seq_len(9)[0].squeeze()[:, ::2]
    assert torch.allclose(torch.arange(9.0)[:, None] * squeezed.float(), angles, atol=1e-6)


@pytest.mark.parametrize(("dim", "length", "base"), SIZES)
def test_ntk_leaves_the_fastest_pair_and_slows_the_slowest_by_the_factor(
    dim: int, length: int, base: float
) -> None:
    ratio = ntk(dim, base=base, factor=8.0)[0] / default(dim, base=base)[0]
    assert ratio[0].item() == 1.0
    assert ratio[-1].item() == pytest.approx(1 / 8, rel=1e-12)
    assert (ratio.diff() < 0).all()


@pytest.mark.parametrize(("dim", "length", "base"), SIZES)
@pytest.mark.parametrize("ramp", ["index", "rotations"])
def test_yarn_is_between_interpolation_and_rope_pair_by_pair(
    dim: int, length: int, base: float, ramp: str
) -> None:
    theta, _ = yarn(dim, base=base, factor=4.0, original_length=length, ramp=ramp)
    whole = default(dim, base=base)[0]
    ratio = theta / whole
    assert ((ratio >= 1 / 4 - 1e-12) & (ratio <= 1 + 1e-12)).all()
    assert (ratio.diff() <= 1e-12).all(), "the fast end is left alone, not the slow one"
    # Where the scalings end, by the number of turns within the trained length.
    turns = length * whole / (2 * math.pi)
    assert (turns[ratio > 1 - 1e-9] > 1).all()
    assert (turns[ratio < 1 / 4 + 1e-9] < 32).all()


def test_yarns_ramp_over_rotations_is_the_papers_formula() -> None:
    theta, attention_factor = yarn(
        64, base=10_000.0, factor=4.0, original_length=2048, ramp="rotations"
    )
    for p in range(32):
        plain = 10_000 ** (-2 * p / 64)
        r = 2048 / (2 * math.pi / plain)
        gamma = 0 if r < 1 else 1 if r > 32 else (r - 1) / 31
        assert theta[p].item() == pytest.approx((1 - gamma) * plain / 4 + gamma * plain, rel=1e-12)
    assert attention_factor == pytest.approx(0.1 * math.log(4) + 1)


def test_yarns_two_ramps_differ_much() -> None:
    settings = {"base": 10_000.0, "factor": 4.0, "original_length": 2048}
    index, rotations = yarn(64, **settings)[0], yarn(64, ramp="rotations", **settings)[0]
    assert (index / rotations).max() > 1.5


def test_without_stretch_every_schedule_is_rope() -> None:
    settings = {"base": 10_000.0, "factor": 1.0, "original_length": 512, "length": 512}
    for name, schedule in SCHEDULES.items():
        theta, attention_factor = schedule(64, **settings)
        assert torch.allclose(theta, default(64, base=10_000.0)[0], rtol=1e-15), name
        assert attention_factor == 1.0


def test_dynamic_is_rope_up_to_the_trained_length_and_ntk_of_the_published_factor_beyond() -> None:
    settings = {"base": 10_000.0, "factor": 1.0, "original_length": 512}
    for length in (1, 100, 512):
        assert torch.equal(dynamic(64, length=length, **settings)[0], default(64, base=10_000.0)[0])
    stretched = dynamic(64, length=2048, **settings)[0]
    assert torch.equal(stretched, ntk(64, base=10_000.0, factor=4.0)[0])


def test_ntk_needs_more_than_one_pair() -> None:
    with pytest.raises(ValueError, match="4 dimensions or more, not 2"):
        ntk(2, base=10_000.0, factor=2.0)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_p_rope_is_hugging_faces_proportional(share: float) -> None:
    theirs = hugging_face("proportional", 64, 512, 10_000.0, partial_rotary_factor=share)
    turning = rotated_pairs(32, share=share, end="fast")
    assert_same((default(64, base=10_000.0)[0] * turning, 1.0), theirs)


@pytest.mark.parametrize("pairs", [1, 8, 31])
@pytest.mark.parametrize("end", ["fast", "slow", "even"])
def test_the_share_of_rotated_pairs_is_as_asked_from_every_end(pairs: int, end: str) -> None:
    for share in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        turning = rotated_pairs(pairs, share=share, end=end)
        assert turning.dtype == torch.bool
        assert turning.sum() == round(share * pairs)
    half = rotated_pairs(8, share=0.5, end=end).long().tolist()
    assert (
        half
        == {
            "fast": [1, 1, 1, 1, 0, 0, 0, 0],
            "slow": [0, 0, 0, 0, 1, 1, 1, 1],
            "even": [0, 1, 0, 1, 0, 1, 0, 1],
        }[end]
    )


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.1, [4]), (0.25, [2, 6]), (0.5, [1, 3, 5, 7]), (0.75, [0, 2, 3, 4, 6, 7])],
)
def test_an_even_share_has_no_end_of_the_spectrum(share: float, expected: list[int]) -> None:
    assert rotated_pairs(8, share=share, end="even").nonzero().flatten().tolist() == expected


def test_below_two_pi_beta_fast_the_index_ramp_leaves_only_the_fastest_pair_alone() -> None:
    settings = {"base": 10_000.0, "factor": 4.0, "original_length": 64}
    rope = default(32, base=10_000.0)[0]
    by_index = yarn(32, ramp="index", **settings)[0] / rope
    by_turns = yarn(32, ramp="rotations", **settings)[0] / rope
    assert by_index[0] == 1
    assert (by_index[1:] < 1).all()
    assert (by_turns < 1).all()
