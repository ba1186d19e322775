"""One vector for a whole sequence: the state of its first or its last token, dense, tanh.

Which token depends on who made the state. Under a left-to-right mask the first token has seen only
itself, and only the last has seen everything; from right to left it is the other way round. Where
several encoders (or an LSTM's two directions) stand side by side, each is taken at its own end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

POOLINGS = ("first", "last")


def last_real(padding_mask: torch.Tensor) -> torch.Tensor:
    """The index [B] of each row's last real token, from padding_mask [B, T] (True where real)."""
    indices = torch.arange(padding_mask.shape[1], device=padding_mask.device)
    return (indices * padding_mask).amax(1)


def take(hidden: torch.Tensor, pooling: str, padding_mask: torch.Tensor | None) -> torch.Tensor:
    """The states [B, D] of each row's first or last real token, from hidden [B, T, D]."""
    assert pooling in POOLINGS
    if pooling == "first":
        return hidden[:, 0]
    if padding_mask is None:
        return hidden[:, -1]
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, last_real(padding_mask)]


class Pooler(nn.Module):
    """BERT's pooler, tanh(W h + b), on states made of parts of the given sizes.

    pooling: "first" or "last" for each part. BERT is sizes=[D], pooling=["first"].
    """

    def __init__(self, *, sizes: Sequence[int], pooling: Sequence[str]) -> None:
        super().__init__()
        assert len(sizes) == len(pooling)
        assert set(pooling) <= set(POOLINGS)
        self.sizes = list(sizes)
        self.pooling = list(pooling)
        self.dense = nn.Linear(sum(sizes), sum(sizes))

    def forward(
        self, hidden: torch.Tensor, padding_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """[B, T, D] -> [B, D]; padding_mask [B, T] is True at real tokens."""
        parts = zip(hidden.split(self.sizes, dim=-1), self.pooling, strict=True)
        pooled = torch.cat([take(part, pooling, padding_mask) for part, pooling in parts], dim=-1)
        return torch.tanh(self.dense(pooled))
