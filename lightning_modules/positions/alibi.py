"""ALiBi: a fixed penalty on distance, steeper in some heads (Press et al. 2022, arXiv 2108.12409).

Nothing is learned. The paper's models are left-to-right; the penalty is on |i - j|, which is the
paper's under a causal mask and its mirror image under a reverse one. A bidirectional model is told
how far away a token is, not on which side.
"""

from __future__ import annotations

import torch

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.relative import offsets


def slopes(num_heads: int) -> list[float]:
    """2^(-8h/H) for h = 1 ... H, where H is a power of two.

    Otherwise, as in the authors' code: those of the power of two below, then every other one of
    the power of two above.
    """
    below = 2 ** (num_heads.bit_length() - 1)
    first = [2 ** (-8 * h / below) for h in range(1, below + 1)]
    return first + [2 ** (-4 * h / below) for h in range(1, 2 * (num_heads - below), 2)]


class AlibiPositions(PositionEncoding):
    """Adds -slope_h |i - j| to head h's scores, after they are scaled."""

    version = 1
    causal_only = False

    def __init__(self, *, hidden_size: int, num_heads: int, max_length: int) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.slopes = slopes(num_heads)
        self.memo = Memo()

    def penalties(self, positions: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """[1, H, T, T], or [B, H, T, T] of positions per sequence."""
        distance = offsets(positions).abs().to(dtype)
        return -distance * distance.new_tensor(self.slopes)[:, None, None]

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        return self.memo(positions, q.dtype, lambda: self.penalties(positions, q.dtype))
