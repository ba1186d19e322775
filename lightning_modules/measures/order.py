"""All measures of order on one model, as flat names.

    measure_order(model, prompts, random_tokens, {name: generator for name in GENERATORS})
    # {"invariance": 0.31, "probe_r2/layer0": ..., "slice_own/layer2": ..., ...}

Layer 0 is the embedding output, layer l the output of block l.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from lightning_modules.measures.adjacency import adjacency_cosine
from lightning_modules.measures.attention_variance import attention_variance_slope
from lightning_modules.measures.index_correlation import index_correlation
from lightning_modules.measures.invariance import invariance
from lightning_modules.measures.position_probe import position_probe
from lightning_modules.measures.vertical_slices import vertical_slices

Measures = dict[str, float | None]

# The generators that `measure_order` draws from, one a measure: leaving one measure out, or a
# model with another number of layers, changes nothing in the others.
GENERATORS = ("invariance", "index_correlation")


# Each is run once as it is and four times permuted: with all 256 prompts that would be two thirds
# of the whole time.
INVARIANCE_PROMPTS = 64


class Trace(Protocol):
    """hidden[l] of layers 0..L and attention[l - 1] of layers 1..L, each [B, T, D]."""

    @property
    def hidden(self) -> list[Tensor]: ...
    @property
    def attention(self) -> list[Tensor]: ...


class Traceable(Protocol):
    """tokens [B, T] -> logits [B, T, V], or the trace of the layers."""

    def __call__(self, tokens: Tensor) -> Tensor: ...
    def trace(self, tokens: Tensor) -> Trace: ...


@torch.no_grad()
def measure_order(
    model: nn.Module,
    prompts: Tensor,
    random_tokens: Tensor,
    generators: Mapping[str, torch.Generator],
) -> Measures:
    """Every measure, from a float64 copy of the model in evaluation mode; the model is untouched.

    prompts, random_tokens: [B, T]; the first as the task has them, the second without any structure
    (there, tokens at fixed columns cannot give the index away). Prompts hold no answer tokens:
    "invariance" is that of the first prediction, on the first 64 prompts.
    """
    exact = cast(Traceable, copy.deepcopy(model).double().eval())
    trace = exact.trace(prompts)
    measures: Measures = {
        "invariance": invariance(
            lambda tokens: exact(tokens)[:, -1],
            prompts[:INVARIANCE_PROMPTS],
            generators["invariance"],
        )
    }
    measures |= _probe_measures(trace.hidden, suffix="")
    measures |= _probe_measures(exact.trace(random_tokens).hidden, suffix="_random")
    for layer, hidden in enumerate(trace.hidden):
        largest, null = index_correlation(hidden, generators["index_correlation"])
        measures[f"adjacency_cosine/layer{layer}"] = adjacency_cosine(hidden)
        measures[f"index_correlation/layer{layer}"] = largest
        measures[f"index_correlation_null/layer{layer}"] = null
    for layer, hidden in enumerate(trace.hidden[1:], start=1):
        own, other = vertical_slices(hidden, prompts)
        measures[f"slice_own/layer{layer}"] = own
        measures[f"slice_other/layer{layer}"] = other
    for layer, attention in enumerate(trace.attention, start=1):
        measures[f"attention_variance_slope/layer{layer}"] = attention_variance_slope(attention)
    return measures


def _probe_measures(hidden: list[Tensor], *, suffix: str) -> Measures:
    """Position probes of all layers, and from layer 1 on the gain in R^2 over the embedding's."""
    probes = [position_probe(states) for states in hidden]
    embedding = probes[0].r2
    measures: Measures = {}
    for layer, probe in enumerate(probes):
        measures[f"probe_r2{suffix}/layer{layer}"] = probe.r2
        measures[f"probe_mae{suffix}/layer{layer}"] = probe.mae
        if layer:
            measures[f"probe_gain{suffix}/layer{layer}"] = (
                None if probe.r2 is None or embedding is None else probe.r2 - embedding
            )
    return measures
