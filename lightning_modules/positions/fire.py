"""FIRE: a small network's bias on how far back a key is, as a share of how far back one can look.

Li et al. 2023 (arXiv 2310.04418). A query at i sees the key at j at psi(i - j) / psi(max(L, i)),
which is in [0, 1] at any length, with psi(x) = log(c x + 1). So a longer context is interpolated,
and more slowly where keys are near. The share is one of what lies behind the query: the encoding
is for left-to-right models, and not blind to a shift of all positions.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.relative import offsets


class FirePositions(PositionEncoding):
    """Adds f(psi(i - j) / psi(max(L, i)))[h] to head h's scores; all layers share f, c and L.

    f: a network of one hidden layer of `width`. c, threshold: where the trained c and L start, the
    published ones by default; a threshold of the trained length or more interpolates nothing in
    training. What is trained multiplies them, and is 1 at first.
    """

    version = 1
    causal_only = True
    limits: ClassVar = {"width": (1, 65536), "c": (1e-6, 1e6), "threshold": (1.0, 1e9)}

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        width: int = 32,
        c: float = 0.1,
        threshold: float = 512.0,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.start_c = c
        self.start_threshold = threshold
        self.c = nn.Parameter(torch.ones(1))
        self.threshold = nn.Parameter(torch.ones(1))
        self.hidden = nn.Linear(1, width)
        self.heads = nn.Linear(width, num_heads)

    def shares(self, positions: torch.Tensor) -> torch.Tensor:
        """psi(i - j) / psi(max(L, i)): [1 or B, 1, T, T]; 0 for keys that are not behind."""
        dtype = self.c.dtype
        # Their absolute values, so that no step of training can leave psi undefined.
        c = (self.start_c * self.c).abs()
        longest = torch.maximum((self.start_threshold * self.threshold).abs(), positions.to(dtype))
        if longest.dim() == 1:
            longest = longest[None]
        behind = (-offsets(positions)).clamp(min=0).to(dtype)
        return torch.log1p(c * behind) / torch.log1p(c * longest)[:, None, :, None]

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        per_head = self.heads(F.relu(self.hidden(self.shares(positions)[:, 0, :, :, None])))
        return per_head.permute(0, 3, 1, 2).to(q.dtype)
