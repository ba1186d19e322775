"""Dropout: what is dropped and how often, beside the definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import binomtest
from transformers import BertConfig, BertModel

from lightning_modules.attention import attend_on_cpu
from lightning_modules.dropout import LEVELS, Dropout, dropout
from lightning_modules.huggingface import load_bert


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_an_element_is_zero_with_probability_p_and_else_divided_by_the_rest(p: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(999, 1001)
    y = dropout(x, p)
    is_dropped = y == 0
    assert binomtest(int(is_dropped.sum()), x.numel(), p).pvalue > 0.001
    torch.testing.assert_close(
        y[~is_dropped], x[~is_dropped] / (1 - p), rtol=1 / LEVELS / (1 - p), atol=0
    )


def test_neighbours_are_dropped_independently() -> None:
    """Four elements share one random number: each pair of them, and of neighbours in any row."""
    torch.manual_seed(1)
    is_dropped = dropout(torch.ones(100_000, 8), 0.3) == 0
    for i in range(8):
        for j in range(i):
            together = int((is_dropped[:, i] & is_dropped[:, j]).sum())
            assert binomtest(together, 100_000, 0.09).pvalue > 0.0005, (i, j)


def test_the_gradient_passes_where_the_value_does() -> None:
    x = torch.randn(7, 5, 3, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.4)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient * x, y)


def test_the_seed_decides_and_evaluation_leaves_everything() -> None:
    module, x = Dropout(0.5), torch.randn(33)
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(module(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(module.eval()(x), x)


def test_attention_drops_weights_and_not_values() -> None:
    torch.manual_seed(2)
    q, k = torch.randn(2, 3, 2, 9, 4).unbind(0)
    v = torch.eye(9).expand(3, 2, 9, 9)
    weights = attend_on_cpu(q, k, v, bias=None, mask=None, dropout=0.0)
    torch.manual_seed(5)
    dropped = attend_on_cpu(q, k, v, bias=None, mask=None, dropout=0.25)
    torch.manual_seed(5)
    torch.testing.assert_close(dropped, dropout(weights, 0.25))


def scatter(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return states.mean(0), states.std(0)


@torch.no_grad()
def test_a_bert_scatters_under_dropout_as_transformers_does(tmp_path: Path) -> None:
    """Where it is dropped and how often, the means and s.d. of every state over many draws say."""
    torch.manual_seed(6)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=8,
        initializer_range=0.5,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    theirs = BertModel(config).train()
    theirs.save_pretrained(tmp_path)
    ours = load_bert(tmp_path).model.train()
    tokens = torch.randint(30, (1, 6)).expand(20_000, 6)
    mean, sd = scatter(ours.encode(tokens, segments=torch.zeros_like(tokens)))
    expected_mean, expected_sd = scatter(theirs(tokens).last_hidden_state)
    assert ((mean - expected_mean).abs() < 6 * expected_sd / 100).all()  # s.e. of a difference
    assert ((sd / expected_sd).log().abs() < 0.05).all()
    # Attention that drops nothing shows, although it is the smallest part of the scatter.
    for layer in theirs.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    _, without = scatter(theirs(tokens).last_hidden_state)
    assert (sd / without).log().abs().max() > 0.05
