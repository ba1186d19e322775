"""The heads: which states they read, what padding may not change, where their values come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from experiments.randomness import streams
from lightning_modules.encoders import Encoders
from lightning_modules.heads.bilstm import BiLSTM
from lightning_modules.heads.classifier import Classifier
from lightning_modules.heads.pooler import Pooler
from lightning_modules.heads.span import SpanHead
from lightning_modules.initialisation import initialise
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

WIDTH, LENGTH = 8, 6


def transformer(attention_mask: str, *, width: int = WIDTH) -> Transformer:
    model = Transformer(
        vocab_size=20,
        max_length=LENGTH,
        num_layers=2,
        hidden_size=width,
        num_heads=2,
        intermediate_size=16,
        attention_mask=attention_mask,
        residual=all_sublayers(2),
        position=LearnedPositions(hidden_size=width, num_heads=2, max_length=LENGTH),
        output=False,
    )
    initialise(model, seed_for=streams(0), std=0.3)
    return model


def hidden(rows: int = 3, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(rows, LENGTH, width, generator=torch.Generator().manual_seed(0))


def lengths_mask(*lengths: int) -> torch.Tensor:
    return torch.arange(LENGTH) < torch.tensor(lengths)[:, None]


def test_the_pooler_reads_the_first_or_the_last_real_token() -> None:
    states, mask = hidden(), lengths_mask(6, 2, 4)
    first = Pooler(sizes=[WIDTH], pooling=["first"])
    last = Pooler(sizes=[WIDTH], pooling=["last"])
    last.load_state_dict(first.state_dict())

    def expected(tokens: torch.Tensor) -> torch.Tensor:
        return torch.tanh(tokens @ first.dense.weight.T + first.dense.bias)

    torch.testing.assert_close(first(states, mask), expected(states[:, 0]))
    torch.testing.assert_close(last(states, mask), expected(states[[0, 1, 2], [5, 1, 3]]))
    torch.testing.assert_close(last(states), expected(states[:, 5]))


def test_parts_are_pooled_each_at_its_own_end() -> None:
    states, mask = hidden(), lengths_mask(6, 2, 4)
    pooler = Pooler(sizes=[5, 3], pooling=["last", "first"])
    joined = torch.cat([states[[0, 1, 2], [5, 1, 3], :5], states[:, 0, 5:]], dim=1)
    torch.testing.assert_close(pooler(states, mask), torch.tanh(pooler.dense(joined)))


def test_two_encoders_stand_side_by_side_each_under_its_own_mask() -> None:
    left, right = transformer("causal"), transformer("reverse", width=4)
    both = Encoders([left, right])
    assert both.hidden_size == 12
    assert (both.sizes, both.poolings) == ([8, 4], ["last", "first"])
    tokens = torch.randint(20, (3, LENGTH), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 20
    before, after = both.encode(tokens), both.encode(changed)
    torch.testing.assert_close(before, torch.cat([left.encode(tokens), right.encode(tokens)], 2))
    moved = (before - after).abs() > 1e-6
    assert not moved[:, :3, :8].any()
    assert moved[:, 3:, :8].any(2).all()
    assert not moved[:, 4:, 8:].any()
    assert moved[:, :4, 8:].any(2).all()


def test_the_lstm_reads_both_directions_and_never_the_padding() -> None:
    lstm = BiLSTM(input_size=WIDTH, hidden_size=5, num_layers=2)
    states, mask = hidden(), lengths_mask(6, 2, 4)
    found = lstm(states, mask)
    assert found.shape == (3, LENGTH, 10)
    assert lstm.hidden_size == sum(lstm.sizes) == 10
    for row, length in enumerate([6, 2, 4]):
        alone = lstm(states[row : row + 1, :length])
        torch.testing.assert_close(found[row, :length], alone[0])
        assert not found[row, length:].any()
    changed = states.clone()
    changed[0, 5] += 1
    moved = (lstm(changed, mask) - found)[0].abs() > 1e-7
    assert moved[0, 5:].any(), "the backward direction carries the last token to the first"


def test_span_scores_of_padding_are_minus_infinity() -> None:
    head, states = SpanHead(hidden_size=WIDTH), hidden()
    start, end = head(states, lengths_mask(6, 2, 4))
    free_start, free_end = head(states)
    for masked, free in ((start, free_start), (end, free_end)):
        assert torch.isneginf(masked[1, 2:]).all()
        assert torch.isneginf(masked[2, 4:]).all()
        torch.testing.assert_close(masked[0], free[0])
    expected = states @ head.linear.weight[1] + head.linear.bias[1]
    torch.testing.assert_close(free_end, expected)


@pytest.mark.parametrize("shape", [(3, WIDTH), (3, LENGTH, WIDTH)])
def test_the_classifier_serves_pooled_vectors_and_tokens(shape: tuple[int, ...]) -> None:
    head = Classifier(hidden_size=WIDTH, num_labels=4, dropout=0.5).eval()
    states = torch.ones(shape)
    expected = head.linear.weight.sum(1) + head.linear.bias
    torch.testing.assert_close(head(states), expected.expand(*shape[:-1], 4))
    assert (head.train()(states) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(
    "head", [Pooler(sizes=[WIDTH], pooling=["first"]), BiLSTM(input_size=99, hidden_size=50)]
)
def test_initial_values_depend_on_the_seed_and_the_full_name_alone(head: nn.Module) -> None:
    def values(seed: int, prefix: str) -> dict[str, torch.Tensor]:
        initialise(head, seed_for=streams(seed), std=0.02, prefix=prefix)
        return {name: value.clone() for name, value in head.state_dict().items()}

    first = values(0, "a.")
    for name, value in first.items():
        if "bias" in name:
            assert not value.any()
        else:
            assert value.std() == pytest.approx(0.02, rel=0.3)
    for seed, prefix, same in ((0, "a.", True), (1, "a.", False), (0, "b.", False)):
        again = values(seed, prefix)
        equal = {n: torch.equal(first[n], again[n]) for n in first if "weight" in n}
        assert set(equal.values()) == {same}, equal
