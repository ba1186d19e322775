"""Sinusoids with the dimension's own index in the exponent, as the formula is often written out.

Vaswani et al. give dimensions 2i and 2i + 1 the exponent 2i/D. Written as p / 10000^(2j/D) with j
the dimension itself, sine where j is even and cosine where it is odd, the two of a pair no longer
share a frequency and the exponent runs to 2: half of the dimensions hardly move over any length.
"""

from __future__ import annotations

import torch

from lightning_modules.positions.base import PositionEncoding


class LiteralSinusoidalPositions(PositionEncoding):
    """Adds sin(p / base^(2j/D)) at even dimensions j and cos of the same at odd ones, times `scale`
    (see sinusoidal.py)."""

    version = 1
    causal_only = False

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        base: float = 10000.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.base = base
        self.scale = scale

    def embed(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        j = torch.arange(self.hidden_size, dtype=torch.float64, device=x.device)
        angles = positions[..., None].double() * self.base ** (-2 * j / self.hidden_size)
        encoding = torch.where(j % 2 == 0, angles.sin(), angles.cos())
        return x + self.scale * encoding.to(x.dtype)
