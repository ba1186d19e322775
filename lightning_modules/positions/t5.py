"""T5's bias: one trained number for each head and bucket of distances (Raffel et al. 2019).

Near distances have a bucket each; farther ones share buckets whose widths grow as a logarithm up
to `max_distance`, beyond which all share the last. T5 has no 1/sqrt(K) on its scores; the attention
here has.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.relative import look_up, offsets


def buckets(
    relative: torch.Tensor, *, attention_mask: str, num_buckets: int, max_distance: int
) -> torch.Tensor:
    """The bucket of each offset of a key from its query, in 0 ... num_buckets - 1.

    A one-sided mask gives all buckets to the side it shows; a bidirectional one half of them to
    either.
    """
    side = torch.zeros_like(relative, dtype=torch.long)
    if attention_mask == "bidirectional":
        num_buckets //= 2
        side = (relative > 0).long() * num_buckets
        distance = relative.abs()
    else:
        distance = (-relative if attention_mask == "causal" else relative).clamp(min=0)
    exact = num_buckets // 2
    # In float32, as T5 computes it: a distance on a bucket's border falls on the same side.
    ratio = (distance.float() / exact).clamp(min=1).log() / math.log(max_distance / exact)
    far = (exact + (ratio * (num_buckets - exact)).long()).clamp(max=num_buckets - 1)
    return side + torch.where(distance < exact, distance.long(), far)


class T5Positions(PositionEncoding):
    """Adds table[bucket(j - i), h] to the scores of head h; all layers share the one table."""

    version = 1
    causal_only = False
    limits: ClassVar = {"num_buckets": (4, 65536), "max_distance": (2, 2147483648)}

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        attention_mask: str,
        num_buckets: int = 32,
        max_distance: int = 128,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        mistake = self.mistake(
            attention_mask=attention_mask, num_buckets=num_buckets, max_distance=max_distance
        )
        if mistake:
            raise ValueError(mistake)
        self.attention_mask = attention_mask
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.table = nn.Parameter(torch.zeros(num_buckets, num_heads))
        self.memo = Memo()

    @staticmethod
    def mistake(
        *, attention_mask: str, num_buckets: int, max_distance: int, **_: object
    ) -> str | None:
        exact = num_buckets // (4 if attention_mask == "bidirectional" else 2)
        if max_distance > exact:
            return None
        return (
            f"position.max_distance={max_distance} is too small: {num_buckets} buckets give "
            f"each distance below {exact} one of its own, so expected more than {exact}"
        )

    def buckets(self, positions: torch.Tensor) -> torch.Tensor:
        return buckets(
            offsets(positions),
            attention_mask=self.attention_mask,
            num_buckets=self.num_buckets,
            max_distance=self.max_distance,
        )

    def bias(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        index = self.memo(positions, None, lambda: self.buckets(positions))
        return look_up(self.table, index).to(q.dtype)
