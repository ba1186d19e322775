"""Music Transformer's relative positions: Shaw's key term in memory O(L K), by skewing.

Huang et al. 2018 (arXiv 1809.04281), section 3.4: S_ij = q_i . E_{j - i}. All offsets' scores Q E^T
[T, offsets] are computed and row i is then shifted by i, which is a change of strides; no vector
[T, T, K] is made. What the shift brings in from the next row stands where a one-sided mask hides
it. A table for each head, as there; the layers share it here, where each of theirs has its own.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.relative import clipped


def skew(scores: torch.Tensor, *, first: int) -> torch.Tensor:
    """scores [..., T, W], column c belonging to offset first + c of a key from its query, as
    [..., T, T] by key. Where no column has a pair's offset, some other score stands.

    Row i's key j has column j - i - first. With a column more in each row, that is element
    i W + j - first of all rows laid end to end.
    """
    T, W = scores.shape[-2:]
    laid_out = F.pad(scores, (0, 1)).flatten(-2)
    return laid_out[..., -first : T * W - first].unflatten(-1, (T, W))[..., :T]


class MusicPositions(PositionEncoding):
    """Adds q_i . table[h, clip(j - i)] / sqrt(K) to the scores of head h; the table is
    [H, 2 max_distance + 1, K].

    max_distance: beyond it all offsets of a side are one; None: the longest that this model is
    trained on, so that no row is left as it was drawn.
    """

    version = 2
    causal_only = False
    limits: ClassVar = {"max_distance": (1, 1_000_000)}

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        trained_length: int,
        attention_mask: str,
        max_distance: int | None = None,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.attention_mask = attention_mask
        self.max_distance = max(1, trained_length - 1) if max_distance is None else max_distance
        head_dim = hidden_size // num_heads
        self.table = nn.Parameter(torch.zeros(num_heads, 2 * self.max_distance + 1, head_dim))
        self.memo = Memo()

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        q = q * q.shape[-1] ** -0.5
        is_consecutive, rows = self.memo(positions, None, lambda: self.rows(positions))
        if is_consecutive:
            window = self.table.index_select(1, rows).to(q.dtype)
            first = 0 if self.attention_mask == "reverse" else 1 - q.shape[2]
            return skew(q @ window.transpose(-2, -1), first=first)
        scores = q @ self.table.to(q.dtype).transpose(-2, -1)
        return scores.gather(-1, rows.expand(*q.shape[:3], -1))

    def rows(self, positions: torch.Tensor) -> tuple[bool, torch.Tensor]:
        """Whether each position is one more than that before it, and the table's rows: then of
        the offsets that the mask shows, ascending, else of every pair."""
        index = clipped(positions, max_distance=self.max_distance)
        if not bool((positions.diff() == 1).all()):
            return False, index
        first, last = index[0, 0, 0], index[0, 0, -1]  # that token's offsets, in any sequence
        visible = {"causal": last, "reverse": first, "bidirectional": torch.cat((last, first[1:]))}
        return True, visible[self.attention_mask]
