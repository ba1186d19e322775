"""RoPE's frequencies, and the ways to stretch them over a longer context, as pure functions.

    theta, attention_factor = yarn(64, base=10000.0, factor=4.0, original_length=512)

theta [dim/2], in float64 and radians per position, belongs to the pairs of a head of `dim`
dimensions, the fastest first. cos and sin are multiplied by `attention_factor`, and so the scores
by its square. Each schedule takes what it needs of

    base, factor          s, how many times longer the context is to be
    original_length       L, the length that was trained on
    length                l, the length now in use
    ramp, beta_fast, beta_slow

and ignores the rest, so that all are called alike. Never compare with litgpt's YaRN (0.5.13): it is
inverted, and stretches the fast end instead of the slow one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

Frequencies = tuple[torch.Tensor, float]


def rope(dim: int, base: float) -> torch.Tensor:
    """base^(-2p/dim) for p = 0 ... dim/2 - 1 (Su et al. 2021, arXiv 2104.09864)."""
    return base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


def default(dim: int, *, base: float, **_: Any) -> Frequencies:
    """Not stretched."""
    return rope(dim, base), 1.0


def linear(dim: int, *, base: float, factor: float, **_: Any) -> Frequencies:
    """Position interpolation: all frequencies / s (Chen et al. 2023, arXiv 2306.15595)."""
    return rope(dim, base) / factor, 1.0


def ntk(dim: int, *, base: float, factor: float, **_: Any) -> Frequencies:
    """NTK-aware: base s^(d/(d-2)) leaves the fastest pair alone and slows the slowest s times
    (bloc97 2023; YaRN, eq. 16)."""
    if dim <= 2:
        raise ValueError(f"NTK-aware scaling needs a head of 4 dimensions or more, not {dim}")
    return rope(dim, base * factor ** (dim / (dim - 2))), 1.0


def dynamic(
    dim: int, *, base: float, factor: float, original_length: int, length: float, **_: Any
) -> Frequencies:
    """NTK-aware for the length in use: RoPE itself up to L, then s = factor l/L - (factor - 1).

    factor = 1 is the published s = l/L (YaRN, section 3.3); others are Hugging Face's reading.
    """
    stretch = factor * max(1.0, length / original_length) - (factor - 1)
    return ntk(dim, base=base, factor=stretch)


def yarn(
    dim: int,
    *,
    base: float,
    factor: float,
    original_length: int,
    ramp: str = "index",
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    **_: Any,
) -> Frequencies:
    """Between interpolation and RoPE, pair by pair (Peng et al. 2023, arXiv 2309.00071).

    A pair that turns beta_fast times or more within L is left alone, one that turns beta_slow times
    or fewer is interpolated. Between them the paper ramps linearly in the number of turns (eq. 18,
    `rotations`), every published code linearly in the pair's index (`index`): up to a factor of 4
    apart. Below L = 2 pi beta_fast no pair makes as many turns: `rotations` then leaves none alone,
    `index` the fastest one, where its ramp begins.
    """
    theta = rope(dim, base)
    if ramp == "rotations":
        turns = original_length * theta / (2 * math.pi)
        kept = ((turns - beta_slow) / (beta_fast - beta_slow)).clamp(0, 1)
    else:
        # The index of the pair, fractional, that turns `turns` times within L.
        low, high = (
            dim * math.log(original_length / (turns * 2 * math.pi)) / (2 * math.log(base))
            for turns in (beta_fast, beta_slow)
        )
        low, high = max(math.floor(low), 0), min(math.ceil(high), dim - 1)
        index = torch.arange(dim // 2, dtype=torch.float64)
        kept = 1 - ((index - low) / (high - low or 0.001)).clamp(0, 1)
    attention_factor = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
    return theta * kept + theta / factor * (1 - kept), attention_factor


SCHEDULES: dict[str, Callable[..., Frequencies]] = {
    "default": default,
    "linear": linear,
    "ntk": ntk,
    "dynamic": dynamic,
    "yarn": yarn,
}


def rotated_pairs(num_pairs: int, *, share: float, end: str) -> torch.Tensor:
    """True at the pairs that p-RoPE goes on rotating (Barbero et al. 2024, arXiv 2410.06205).

    round(share * num_pairs) of them: from the fastest on (the paper's), from the slowest on, or
    the middle ones of as many equal parts of the spectrum.
    """
    index = torch.arange(num_pairs)
    count = round(share * num_pairs)
    if end == "fast":
        return index < count
    if end == "slow":
        return index >= num_pairs - count
    turning = torch.zeros(num_pairs, dtype=torch.bool)
    turning[[(2 * part + 1) * num_pairs // (2 * count) for part in range(count)]] = True
    return turning
