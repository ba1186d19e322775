"""Learned absolute positions: one trained vector for each index (BERT, GPT-2)."""

from __future__ import annotations

import torch
from torch import nn

from lightning_modules.positions.base import PositionEncoding


class LearnedPositions(PositionEncoding):
    """Adds row p of a trained table [max_length, D] to the token at position p."""

    version = 1
    causal_only = False

    def __init__(self, *, hidden_size: int, num_heads: int, max_length: int) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.table = nn.Parameter(torch.zeros(max_length, hidden_size))

    def embed(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return x + self.table[positions]
