"""The position encoding's base class: three hooks, all of which do nothing.

Used as it stands it is the encoding "none". A kind is a small class in a file of its own that
overrides one hook, and a YAML in conf/position/ that names it; nothing else knows its name.

Shapes: B sequences, T tokens, D hidden size, H heads, K = D / H.
"""

from __future__ import annotations

import torch
from torch import nn


class PositionEncoding(nn.Module):
    """No position encoding, and the interface of every other one.

    version: raised by hand whenever the numbers change; it is part of the run's identity.
    causal_only: the kind is defined for a left-to-right mask alone.
    even_heads: the kind turns pairs, so that K must be even.

    A kind whose settings may contradict each other says so in a static method `mistake`; see
    experiments/components.py.
    """

    version = 1
    causal_only = False
    even_heads = False

    def __init__(self, *, hidden_size: int, num_heads: int, max_length: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.num_heads = num_heads
        self.max_length = max_length

    def embed(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Token embeddings [B, T, D] with the position added; positions are [T] or [B, T]."""
        return x

    def rotate(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries and keys [B, H, T, K] with the position turned into them."""
        return q, k

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """What is added to the attention scores, [1 or B, H, T, T], or None.

        `mask` is True where a query may look (None: everywhere), for kinds that must ignore the
        rest. The attention applies the mask itself.
        """
        return None
