"""Sinusoidal absolute positions (Vaswani et al. 2017, section 3.5)."""

from __future__ import annotations

import torch

from lightning_modules.positions.base import PositionEncoding


class SinusoidalPositions(PositionEncoding):
    """Adds sin(p / base^(2i/D)) at dimension 2i and cos of the same angle at 2i + 1.

    `scale` multiplies the encoding. The paper multiplies the embeddings by sqrt(D) instead; with
    embeddings of s.d. 0.02 an unscaled encoding would drown them, so the ratio is a setting.
    """

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
        if hidden_size % 2:
            raise ValueError(f"sinusoidal positions need an even hidden_size, not {hidden_size}")
        self.base = base
        self.scale = scale

    def embed(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        # Angles in float64: at long contexts float32 loses the fast dimensions' phase.
        pairs = torch.arange(0, self.hidden_size, 2, dtype=torch.float64, device=x.device)
        angles = positions[..., None].double() * self.base ** (-pairs / self.hidden_size)
        encoding = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
        return x + self.scale * encoding.to(x.dtype)
