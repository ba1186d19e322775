"""LongRoPE: each of RoPE's pairs interpolated by a factor of its own (Ding et al. 2024).

    position=rope_longrope position.factor=8 "position.long_factors=[1.0,1.2,1.9,3.5,6,7,8,8]"

arXiv 2402.13753. The paper finds the factors by an evolutionary search on the trained model. That
search is not made here: the factors are settings, and where none are given they are those that make
NTK-aware scaling. The first tokens may be spared (the paper's n-hat).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch

from lightning_modules.positions.rope import RotaryPositions
from lightning_modules.positions.schedules import Frequencies, ntk, rope


def longrope(
    dim: int, *, base: float, factors: torch.Tensor, factor: float, original_length: int
) -> Frequencies:
    """theta [dim/2] over factors [dim/2], and sqrt(1 + ln s / ln L); see schedules.py."""
    stretch = math.log(factor) / math.log(original_length) if factor > 1 else 0.0
    return rope(dim, base) / factors, math.sqrt(1 + stretch)


class LongRotaryPositions(RotaryPositions):
    """RoPE with `long_factors` where more tokens are in use than original_length, else with
    `short_factors`: K/2 of each, the fastest pair's first.

    long_factors None: NTK-aware scaling's; short_factors None: ones. kept_tokens: how many first
    positions are turned as RoPE turns them. The attention factor, from `factor` (s) and
    original_length (L), is in force at all lengths, as in Hugging Face's code.
    """

    version = 2
    causal_only = False
    even_heads = True
    limits: ClassVar = {
        "base": (1.000001, 1e18),
        "factor": (1.0, 1e9),
        "original_length": (2, 1e9),
        "kept_tokens": (0, 1_000_000_000),
    }

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        trained_length: int,
        base: float = 10000.0,
        layout: Literal["half", "interleaved"] = "half",
        factor: float = 1.0,
        original_length: int | None = None,
        long_factors: list[float] | None = None,
        short_factors: list[float] | None = None,
        kept_tokens: int = 0,
    ) -> None:
        super().__init__(
            hidden_size=hidden_size,
            num_heads=num_heads,
            max_length=max_length,
            trained_length=trained_length,
            base=base,
            layout=layout,
            factor=factor,
            original_length=original_length,
        )
        mistake = self.mistake(
            head_size=self.head_dim, long_factors=long_factors, short_factors=short_factors
        )
        if mistake:
            raise ValueError(mistake)
        theta = rope(self.head_dim, base)
        if long_factors is None:
            self.long_factors = theta / ntk(self.head_dim, base=base, factor=factor)[0]
        else:
            self.long_factors = torch.tensor(long_factors, dtype=torch.float64)
        if short_factors is None:
            self.short_factors = torch.ones_like(theta)
        else:
            self.short_factors = torch.tensor(short_factors, dtype=torch.float64)
        self.kept_tokens = kept_tokens
        self.plain = RotaryPositions(
            hidden_size=hidden_size,
            num_heads=num_heads,
            max_length=max_length,
            trained_length=trained_length,
            base=base,
        )
        self.follows_length = True

    @staticmethod
    def mistake(
        *,
        head_size: int,
        long_factors: list[float] | None,
        short_factors: list[float] | None,
        **_: object,
    ) -> str | None:
        for name, factors in (("long_factors", long_factors), ("short_factors", short_factors)):
            if factors is not None and (len(factors) != head_size // 2 or min(factors) <= 0):
                return (
                    f"position.{name} holds {len(factors)} numbers: expected {head_size // 2} "
                    f"above 0, one for each pair of a head of {head_size} dimensions"
                )
        return None

    def frequencies(self, length: float) -> Frequencies:
        return longrope(
            self.head_dim,
            base=self.base,
            factors=self.long_factors if length > self.original_length else self.short_factors,
            factor=self.factor,
            original_length=self.original_length,
        )

    def tables(
        self, positions: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        tables = super().tables(positions, dtype)
        if not self.kept_tokens:
            return tables
        plain = self.plain.tables(positions, dtype)
        attention_factor = self.frequencies(self.original_length)[1]
        kept = (positions < self.kept_tokens)[..., None]
        kept = kept[:, None] if positions.dim() == 2 else kept
        cos, sin = (
            torch.where(kept, attention_factor * near, far)
            for near, far in zip(plain, tables, strict=True)
        )
        return cos, sin
