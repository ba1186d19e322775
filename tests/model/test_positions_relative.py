"""Encodings whose scores depend on the query: Shaw's against wav2vec2-BERT's and Music
Transformer's skewing against brute force."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import (
    _apply_relative_key_position_encoding,
)

from lightning_modules.positions.music import MusicPositions, skew
from lightning_modules.positions.shaw import ShawPositions

HEADS, HEAD_DIM, LENGTH = 3, 4, 11
MASKS = ["causal", "bidirectional", "reverse"]
Kind = type[ShawPositions] | type[MusicPositions]


def make(kind: Kind, attention_mask: str = "bidirectional", **settings: Any) -> Any:
    shape = {"hidden_size": HEADS * HEAD_DIM, "num_heads": HEADS, "max_length": LENGTH}
    context = {"attention_mask": attention_mask, "trained_length": LENGTH}
    if kind is ShawPositions:
        context = {}
    encoding = kind(**shape, **context, **settings).double()
    nn.init.normal_(encoding.table, generator=torch.Generator().manual_seed(0))
    return encoding


def queries(length: int = LENGTH) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, HEADS, length, HEAD_DIM, generator=generator, dtype=torch.float64)


def visible(attention_mask: str, length: int) -> torch.Tensor:
    everything = torch.ones(length, length, dtype=torch.bool)
    return {"causal": everything.tril(), "reverse": everything.triu()}.get(
        attention_mask, everything
    )


def brute_force(encoding: Any, q: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """A vector for each pair of tokens [B, H, T, T, K], times the query."""
    k = encoding.max_distance
    offset = (positions[..., None, :] - positions[..., :, None]).clamp(-k, k) + k
    table = encoding.table if encoding.table.dim() == 3 else encoding.table.expand(HEADS, -1, -1)
    vectors = table[:, offset]
    pattern = "bhid,hbijd->bhij" if positions.dim() == 2 else "bhid,hijd->bhij"
    return torch.einsum(pattern, q, vectors) / HEAD_DIM**0.5


def test_shaws_key_term_is_that_of_wav2vec2_bert() -> None:
    encoding, q = make(ShawPositions, max_distance=3), queries()
    module = SimpleNamespace(
        left_max_position_embeddings=3,
        right_max_position_embeddings=3,
        distance_embedding=nn.Embedding.from_pretrained(encoding.table.detach()),
        scaling=HEAD_DIM**-0.5,
    )
    theirs = _apply_relative_key_position_encoding(module, q, q)[1]
    assert torch.allclose(encoding.bias(q, q, torch.arange(LENGTH), None), theirs, atol=1e-12)


@pytest.mark.parametrize("max_distance", [None, 3, 40])
@pytest.mark.parametrize("attention_mask", MASKS)
@pytest.mark.parametrize("length", [1, 2, 7, LENGTH, 2 * LENGTH])
def test_skewing_is_brute_force_wherever_the_mask_lets_look(
    attention_mask: str, max_distance: int | None, length: int
) -> None:
    encoding = make(MusicPositions, attention_mask, max_distance=max_distance)
    q, positions = queries(length), torch.arange(length)
    ours, expected = encoding.bias(q, q, positions, None), brute_force(encoding, q, positions)
    seen = visible(attention_mask, length)
    assert torch.allclose(ours[..., seen], expected[..., seen], atol=1e-12)
    assert ours.isfinite().all()


@pytest.mark.parametrize("attention_mask", MASKS)
def test_gradients_of_skewing_are_those_of_brute_force(attention_mask: str) -> None:
    encoding, q = make(MusicPositions, attention_mask), queries().requires_grad_()
    positions, seen = torch.arange(LENGTH), visible(attention_mask, LENGTH)
    weights = torch.randn(2, HEADS, LENGTH, LENGTH, dtype=torch.float64) * seen
    ours, expected = (
        torch.autograd.grad((bias * weights).sum(), (q, encoding.table))
        for bias in (
            encoding.bias(q, q, positions, None),
            brute_force(encoding, q, positions),
        )
    )
    for one, other in zip(ours, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_the_causal_skew_is_the_papers_procedure() -> None:
    scores = torch.randn(2, 5, 5)
    padded = torch.cat((torch.zeros(2, 5, 1), scores), dim=-1)
    theirs = padded.reshape(2, 6, 5)[:, 1:]
    seen = torch.ones(5, 5, dtype=torch.bool).tril()
    assert torch.equal(skew(scores, first=-4)[:, seen], theirs[:, seen])


@pytest.mark.parametrize("kind", [ShawPositions, MusicPositions])
@pytest.mark.parametrize("attention_mask", MASKS)
@pytest.mark.parametrize(
    "positions",
    [
        torch.arange(5) + 1000,
        2 * torch.arange(5),
        torch.tensor([3, 1, 4, 0, 2]),
        torch.stack([torch.arange(5), torch.arange(5) + 7]),
        torch.stack([torch.arange(5), 4 - torch.arange(5)]),
    ],
    ids=["shifted", "spread", "permuted", "shifted rows", "different rows"],
)
def test_positions_are_an_argument(
    kind: Kind, attention_mask: str, positions: torch.Tensor
) -> None:
    encoding, q = make(kind, attention_mask, max_distance=3), queries(5)
    ours, expected = encoding.bias(q, q, positions, None), brute_force(encoding, q, positions)
    seen = visible(attention_mask, 5)
    assert torch.allclose(ours[..., seen], expected[..., seen], atol=1e-12)


@pytest.mark.parametrize("kind", [ShawPositions, MusicPositions])
def test_fractions_of_a_position_are_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match="a row for each whole distance"):
        make(kind).bias(queries(), queries(), torch.arange(LENGTH) / 2, None)


class Sizes(TorchDispatchMode):
    """The number of elements of everything that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.sizes += [x.numel() for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        return result


@pytest.mark.parametrize(("kind", "most"), [(MusicPositions, 2), (ShawPositions, 1)])
def test_there_is_never_a_vector_for_each_pair_of_tokens(kind: Kind, most: int) -> None:
    """The scores of 2T - 1 offsets are the largest tensor, forwards and backwards: twice the
    T x T that attention has anyway, whatever K is. Brute force has K times T x T."""
    encoding, q = make(kind), queries(64).requires_grad_()
    with Sizes() as watched:
        bias = encoding.bias(q, q, torch.arange(64), None)
        bias.sum().backward()
    assert max(watched.sizes) == most * bias.numel()
    with Sizes() as watched:
        brute_force(encoding, q, torch.arange(64))
    assert max(watched.sizes) >= HEAD_DIM * 64 * 64 * HEADS
