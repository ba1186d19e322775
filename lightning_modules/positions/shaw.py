"""Shaw's relative positions: a key is known to a query with its clipped offset added to it.

Shaw et al. 2018 (arXiv 1803.02155), eq. 4, the key's term a^K alone: by their own ablation the
value's adds nothing. Heads share the table, as there; so do the layers here, where each of theirs
has its own.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.relative import clipped


class ShawPositions(PositionEncoding):
    """Adds q_i . table[clip(j - i)] / sqrt(K) to the scores; table [2 max_distance + 1, K].

    max_distance: k, beyond which all offsets of a side are one; the paper's models have 16.
    """

    version = 1
    causal_only = False
    limits: ClassVar = {"max_distance": (1, 1_000_000)}

    def __init__(
        self, *, hidden_size: int, num_heads: int, max_length: int, max_distance: int = 16
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.max_distance = max_distance
        self.table = nn.Parameter(torch.zeros(2 * max_distance + 1, hidden_size // num_heads))
        self.memo = Memo()

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        index = self.memo(
            positions, None, lambda: clipped(positions, max_distance=self.max_distance)
        )
        # One score for each row first, then each pair's own: never a vector for each pair.
        scores = (q * q.shape[-1] ** -0.5) @ self.table.to(q.dtype).t()
        return scores.gather(-1, index.expand(*q.shape[:3], -1))
