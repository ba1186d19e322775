"""Llama 3.1's schedule: RoPE's slow pairs are interpolated, its fast ones left alone.

What decides is how a pair's wavelength compares with the trained length L: at most L / high it is
left alone, from L / low on its frequency is divided by the factor, and between them the two are
mixed linearly in the number of turns within L. That is YaRN's ramp over rotations with other ends
and no attention factor.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from lightning_modules.positions.rope import RotaryPositions
from lightning_modules.positions.schedules import Frequencies, yarn


def llama3(
    dim: int, *, base: float, factor: float, original_length: int, low: float, high: float
) -> Frequencies:
    """theta [dim/2] and an attention factor of 1; see schedules.py. low, high: turns within L."""
    theta, _ = yarn(
        dim,
        base=base,
        factor=factor,
        original_length=original_length,
        ramp="rotations",
        beta_fast=high,
        beta_slow=low,
    )
    return theta, 1.0


class Llama3RotaryPositions(RotaryPositions):
    """RoPE at the frequencies of `llama3`; the defaults are Llama 3.1's but for its base of 500,000
    and its original_length of 8192."""

    version = 2
    causal_only = False
    even_heads = True
    limits: ClassVar = {
        "base": (1.000001, 1e18),
        "factor": (1.0, 1e9),
        "original_length": (1, 1e9),
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
        factor: float = 8.0,
        original_length: int | None = None,
        low: float = 1.0,
        high: float = 4.0,
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
        if low >= high:
            raise ValueError(f"low={low} and high={high} turns: expected low below high")
        self.low = low
        self.high = high

    def frequencies(self, length: float) -> Frequencies:
        return llama3(
            self.head_dim,
            base=self.base,
            factor=self.factor,
            original_length=self.original_length,
            low=self.low,
            high=self.high,
        )
