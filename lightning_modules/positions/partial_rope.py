"""Partial RoPE: a share of each head turned, with RoPE's whole spectrum over it (GPT-J, GPT-NeoX).

The first dimensions are a smaller RoPE; the others carry no position. p-RoPE (rope.py, `rotated`)
also turns a share, but leaves each pair that turns the frequency it had.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from lightning_modules.positions.rope import RotaryPositions
from lightning_modules.positions.schedules import Frequencies, rope


class PartialRotaryPositions(RotaryPositions):
    """Turns the first `rotated` of a head's K dimensions, rounded to whole pairs, at frequencies
    base^(-2p / (rotated K))."""

    version = 1
    causal_only = False
    even_heads = True
    limits: ClassVar = {"base": (1.000001, 1e18), "rotated": (0.0, 1.0)}

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        trained_length: int,
        base: float = 10000.0,
        layout: Literal["half", "interleaved"] = "half",
        rotated: float = 0.25,
    ) -> None:
        super().__init__(
            hidden_size=hidden_size,
            num_heads=num_heads,
            max_length=max_length,
            trained_length=trained_length,
            base=base,
            layout=layout,
        )
        self.rotated_dim = 2 * round(rotated * self.head_dim / 2)

    def frequencies(self, length: float) -> Frequencies:
        return rope(self.rotated_dim, self.base), 1.0

    def rotate(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        split = (self.rotated_dim, self.head_dim - self.rotated_dim)
        (q, q_rest), (k, k_rest) = q.split(split, dim=-1), k.split(split, dim=-1)
        q, k = super().rotate(q, k, positions)
        return torch.cat((q, q_rest), dim=-1), torch.cat((k, k_rest), dim=-1)
