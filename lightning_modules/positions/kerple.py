"""KERPLE's logarithmic bias: a penalty on distance whose two numbers each head learns.

Chi et al. 2022 (arXiv 2205.09921), the logarithmic variant. As with ALiBi the distance is |i - j|,
under any mask.
"""

from __future__ import annotations

import torch
from torch import nn

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.relative import offsets

SMALLEST = 0.01  # as in the authors' code: both numbers are to stay positive


class KerplePositions(PositionEncoding):
    """Adds -r1 log(1 + r2 |i - j|) to a head's scores.

    The authors draw r1 from (0, 2) and r2 from (0, 1). Here the heads start spread evenly over
    these; what is trained multiplies that start, and is 1 at first.
    """

    version = 1
    causal_only = False

    def __init__(self, *, hidden_size: int, num_heads: int, max_length: int) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.start = [(h + 0.5) / num_heads for h in range(num_heads)]
        self.r1 = nn.Parameter(torch.ones(num_heads))
        self.r2 = nn.Parameter(torch.ones(num_heads))
        self.memo = Memo()

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        distance = self.memo(
            positions, self.r1.dtype, lambda: offsets(positions).abs().to(self.r1.dtype)
        )
        start = self.r1.new_tensor(self.start)
        r1 = (2 * start * self.r1).clamp(min=SMALLEST)[:, None, None]
        r2 = (start * self.r2).clamp(min=SMALLEST)[:, None, None]
        return (-r1 * torch.log1p(r2 * distance)).to(q.dtype)
