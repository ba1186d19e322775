"""The measures on untrained minGPT models, against numbers of an independent numpy program.

That program has minGPT's pre-norm forward pass in float64 (3 layers, 3 heads, width 48, N(0, .02),
residual projections / sqrt(2L), 9 tokens of 10 kinds) and its own ridge probe. The model below is
written in torch with the same initial distribution but other random numbers, so that only means
over seeds can agree.
"""

from __future__ import annotations

import copy
import math
import time
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.measures.adjacency import adjacency_cosine
from lightning_modules.measures.invariance import invariance
from lightning_modules.measures.order import GENERATORS, measure_order
from lightning_modules.measures.position_probe import position_probe

SEEDS = 5


class Trace(NamedTuple):
    hidden: list[torch.Tensor]
    attention: list[torch.Tensor]


class MinGPT(nn.Module):
    """The reference's model; `attention` and `mlp` say whether those sublayers add their input."""

    def __init__(
        self, seed, *, layers=3, size=48, heads=3, vocab=10, causal=True, attention=True, mlp=True
    ):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def matrix(rows, columns, std=0.02):
            values = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
            return nn.Parameter(std * values)

        out = 0.02 / math.sqrt(2 * layers)
        self.heads, self.causal, self.keep = heads, causal, (attention, mlp)
        self.tokens, self.head = matrix(vocab, size), matrix(size, vocab)
        self.qkv = nn.ParameterList(matrix(size, 3 * size) for _ in range(layers))
        self.out = nn.ParameterList(matrix(size, size, out) for _ in range(layers))
        self.up = nn.ParameterList(matrix(size, 4 * size) for _ in range(layers))
        self.down = nn.ParameterList(matrix(4 * size, size, out) for _ in range(layers))

    def norm(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=1e-5)

    def trace(self, tokens):
        x = self.tokens[tokens]
        trace = Trace([x], [])
        for qkv, out, up, down in zip(self.qkv, self.out, self.up, self.down, strict=True):
            q, k, v = (
                y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for y in (self.norm(x) @ qkv).chunk(3, dim=-1)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
            y = y.transpose(1, 2).flatten(2) @ out
            trace.attention.append(y)
            x = x + y if self.keep[0] else y
            y = F.gelu(self.norm(x) @ up, approximate="tanh") @ down
            x = x + y if self.keep[1] else y
            trace.hidden.append(x)
        return trace

    def forward(self, tokens):
        return self.norm(self.trace(tokens).hidden[-1]) @ self.head


def inputs(seed: int, num_sequences: int, length: int = 9) -> torch.Tensor:
    return torch.randint(
        10, (num_sequences, length), generator=torch.Generator().manual_seed(1000 + seed)
    )


# Reference: R^2 at h0..h3 and adjacency at h0..h3, means of 5 seeds, 2000 sequences.
REFERENCE = [
    ({}, [0.0, 0.417, 0.406, 0.439], [0.0, 0.008, 0.018, 0.024]),
    ({"attention": False}, [0.0, 0.672, 0.723, 0.653], [0.0, 0.233, 0.134, 0.066]),
    ({"mlp": False}, [0.0, 0.409, 0.454, 0.428], [0.0, 0.008, 0.052, 0.080]),
    ({"causal": False}, [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
]


@torch.no_grad()
@pytest.mark.parametrize(("settings", "r2", "adjacency"), REFERENCE)
def test_probe_and_adjacency_equal_the_reference(settings, r2, adjacency):
    measured_r2, measured_adjacency = [], []
    for seed in range(SEEDS):
        hidden = MinGPT(seed, **settings).trace(inputs(seed, 1000)).hidden
        # The reference's probe sees normalised states, its adjacency the states themselves.
        measured_r2.append(
            [position_probe(F.layer_norm(h, h.shape[-1:], eps=0.0)).r2 for h in hidden]
        )
        measured_adjacency.append([adjacency_cosine(h) for h in hidden])
    mean_r2 = torch.tensor(measured_r2).mean(dim=0)
    mean_adjacency = torch.tensor(measured_adjacency).mean(dim=0)
    torch.testing.assert_close(mean_r2, torch.tensor(r2), rtol=0, atol=0.08)
    torch.testing.assert_close(mean_adjacency, torch.tensor(adjacency), rtol=0.25, atol=0.006)


def mean_invariance(**settings) -> float:
    values = []
    for seed in range(SEEDS):
        model = MinGPT(seed, **settings)
        values.append(
            invariance(
                lambda tokens, model=model: model(tokens)[:, -1],
                inputs(seed, 64),
                torch.Generator().manual_seed(seed),
                permutations=1,
            )
        )
    return sum(values) / SEEDS


@torch.no_grad()
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_models_without_positions_and_mask_are_exactly_invariant(layers, keep):
    assert mean_invariance(layers=layers, causal=False, attention=keep, mlp=keep) < 1e-12


@torch.no_grad()
def test_one_causal_layer_is_exactly_invariant_and_two_are_not():
    assert mean_invariance(layers=1) < 1e-12
    assert mean_invariance(layers=2) == pytest.approx(0.27, rel=0.4)
    assert mean_invariance(layers=3) == pytest.approx(0.34, rel=0.4)


@torch.no_grad()
def test_without_the_attention_residual_order_matters_ten_times_more():
    assert mean_invariance(layers=2, attention=False) == pytest.approx(2.4, rel=0.4)
    assert mean_invariance(layers=3, attention=False) == pytest.approx(3.1, rel=0.4)


# All measures in one call


def generators() -> dict[str, torch.Generator]:
    return {name: torch.Generator().manual_seed(i) for i, name in enumerate(GENERATORS)}


def model_and_inputs(**settings):
    model = MinGPT(0, **{"layers": 2, "size": 64, "heads": 4, "vocab": 12, **settings}).float()
    return model, inputs(0, 256, 11), inputs(1, 256, 11)


def test_measure_order_names_every_measure_once():
    measures = measure_order(*model_and_inputs(), generators())
    from_embedding = ["probe_r2", "probe_mae", "probe_r2_random", "probe_mae_random"]
    from_embedding += ["adjacency_cosine", "index_correlation", "index_correlation_null"]
    from_layer_1 = ["probe_gain", "probe_gain_random", "slice_own", "slice_other"]
    from_layer_1 += ["attention_variance_slope"]
    expected = {"invariance"}
    expected |= {f"{name}/layer{layer}" for name in from_embedding for layer in (0, 1, 2)}
    expected |= {f"{name}/layer{layer}" for name in from_layer_1 for layer in (1, 2)}
    assert set(measures) == expected
    assert all(isinstance(value, float) for value in measures.values())
    for layer in (1, 2):
        assert measures[f"probe_gain/layer{layer}"] == pytest.approx(
            measures[f"probe_r2/layer{layer}"] - measures["probe_r2/layer0"]
        )


def test_measure_order_leaves_the_model_and_repeats_itself():
    model, prompts, random_tokens = model_and_inputs()
    before = copy.deepcopy(model.state_dict())
    model.train()
    first = measure_order(model, prompts, random_tokens, generators())
    assert measure_order(model, prompts, random_tokens, generators()) == first
    assert model.training
    assert all(p.grad is None and p.dtype == torch.float32 for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_float32_model_is_measured_exactly():
    measures = measure_order(*model_and_inputs(causal=False), generators())
    assert measures["invariance"] < 1e-12


def test_a_diverged_model_has_undefined_measures_and_no_nan():
    model, prompts, random_tokens = model_and_inputs()
    with torch.no_grad():
        model.up[0].fill_(math.nan)
    measures = measure_order(model, prompts, random_tokens, generators())
    assert measures["invariance"] is None
    assert measures["probe_r2/layer1"] is measures["probe_gain/layer1"] is None
    assert measures["probe_r2/layer0"] is not None
    assert all(value is None or math.isfinite(value) for value in measures.values())


def test_measuring_256_sequences_takes_less_than_half_a_second_of_one_core():
    arguments = model_and_inputs()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(3):
            start = time.process_time()
            measure_order(*arguments, generators())
            seconds.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    assert min(seconds) < 0.5
