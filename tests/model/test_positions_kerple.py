"""KERPLE against its formula, and what sets it apart."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_modules.positions.kerple import KerplePositions


def make(heads: int = 4) -> KerplePositions:
    return KerplePositions(hidden_size=8 * heads, num_heads=heads, max_length=50).double()


def bias_of(encoding: KerplePositions, positions: torch.Tensor) -> torch.Tensor:
    q = torch.zeros(1, encoding.num_heads, len(positions), 8, dtype=torch.float64)
    return encoding.bias(q, q, positions, None)[0]


def test_the_bias_is_the_papers_formula_number_by_number() -> None:
    encoding = make()
    with torch.no_grad():
        encoding.r1.copy_(torch.tensor([1.0, 0.5, 2.0, 1.5]))
        encoding.r2.copy_(torch.tensor([0.25, 1.0, 4.0, 1.0]))
    bias = bias_of(encoding, torch.arange(20))
    for h, (r1, r2) in enumerate([(0.25, 0.03125), (0.375, 0.375), (2.5, 2.5), (2.625, 0.875)]):
        for i in range(20):
            for j in range(20):
                expected = -r1 * math.log(1 + r2 * abs(i - j))
                assert bias[h, i, j].item() == pytest.approx(expected, rel=1e-12)


def test_heads_start_evenly_over_the_ranges_that_the_authors_draw_from() -> None:
    bias = bias_of(make(2), torch.arange(2))[:, 0, 1]
    assert bias.tolist() == pytest.approx([-0.5 * math.log(1.25), -1.5 * math.log(1.75)])


def test_only_differences_count_and_farther_is_never_likelier() -> None:
    encoding = make()
    here, there = torch.arange(30), torch.arange(30) + 500
    assert torch.equal(bias_of(encoding, here), bias_of(encoding, there))
    assert (bias_of(encoding, here)[:, 0].diff() < 0).all()


def test_both_numbers_stay_positive_whatever_training_does() -> None:
    encoding = make()
    with torch.no_grad():
        encoding.r1.fill_(-3.0)
        encoding.r2.fill_(-3.0)
    assert (bias_of(encoding, torch.arange(30))[:, 0].diff() < 0).all()
