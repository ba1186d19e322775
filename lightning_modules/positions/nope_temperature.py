"""No position encoding, with sharper attention where the context is longer than trained on.

Without positions a left-to-right model's attention spreads ever thinner over a longer context (Wang
et al. 2024, arXiv 2404.12224). All scores are multiplied by one number that grows with the length;
the paper's other variant, which trains a number for each head, is not this one.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo


class NopeTemperaturePositions(PositionEncoding):
    """Multiplies the scores by 1 + c ln(s), s = l / L, where the length l in use exceeds L.

    c: 0 is no encoding. original_length: L, the length trained on; None: the length this model is
    trained on. l is the largest position and one.
    """

    version = 2
    causal_only = True
    limits: ClassVar = {"c": (0.0, 100.0), "original_length": (1, 1e9)}

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        trained_length: int,
        c: float = 0.1,
        original_length: int | None = None,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.c = c
        self.original_length = trained_length if original_length is None else original_length
        self.memo = Memo()

    def sharpening(self, positions: torch.Tensor) -> float:
        stretch = (positions.max().item() + 1) / self.original_length
        return 1 + self.c * math.log(max(1.0, stretch))

    def rotate(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        factor = self.memo(positions, None, lambda: self.sharpening(positions))
        return (q if factor == 1 else q * factor), k
