"""RoPE: queries and keys turned by an angle in proportion to their position (Su et al. 2021).

    position = RotaryPositions(hidden_size=64, num_heads=4, max_length=2048, trained_length=512,
                               schedule="yarn", factor=4.0)

A score then depends on the two positions through their difference alone. There is nothing to learn,
so a trained model takes another schedule (schedules.py) by being built with it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.memo import Memo
from lightning_modules.positions.schedules import SCHEDULES, Frequencies, rotated_pairs


def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, layout: str) -> torch.Tensor:
    """x [..., K] with each pair turned by its angle; cos and sin [..., K/2].

    layout: a pair is dimensions (p, p + K/2), "half" (Llama, GPT-NeoX), or (2p, 2p + 1),
    "interleaved" (the paper, GPT-J): the same up to a permutation of the query and key weights.
    """
    if layout == "half":
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2).to(x.dtype)


class RotaryPositions(PositionEncoding):
    """Turns pair p of queries and keys by position * theta_p.

    schedule: which frequencies, with `factor` (s), `original_length` (L; None: the length this
    model is trained on) and YaRN's own three; see schedules.py. Each ignores what it does not use.
    rotated, rotated_end: p-RoPE, the share of pairs that turn and where in the spectrum they are;
    the frequencies are RoPE's, the other pairs have none. 1 is RoPE and 0 no encoding at all.
    """

    version = 1
    causal_only = False
    even_heads = True
    limits: ClassVar = {
        "base": (1.000001, 1e18),
        "factor": (1.0, 1e9),
        "original_length": (1, 1e9),
        "rotated": (0.0, 1.0),
    }

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        max_length: int,
        trained_length: int,
        base: float = 10000.0,
        layout: Literal["half", "interleaved"] = "half",
        schedule: Literal["default", "linear", "ntk", "dynamic", "yarn"] = "default",
        factor: float = 1.0,
        original_length: int | None = None,
        ramp: Literal["index", "rotations"] = "index",
        beta_fast: float = 32.0,
        beta_slow: float = 1.0,
        rotated: float = 1.0,
        rotated_end: Literal["fast", "slow", "even"] = "fast",
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, max_length=max_length)
        self.head_dim = hidden_size // num_heads
        if self.head_dim % 2:
            raise ValueError(f"RoPE turns pairs: it needs an even head size, not {self.head_dim}")
        self.base = base
        self.layout = layout
        self.schedule = schedule
        self.factor = factor
        self.original_length = trained_length if original_length is None else original_length
        self.follows_length = schedule == "dynamic"
        self.yarn = {"ramp": ramp, "beta_fast": beta_fast, "beta_slow": beta_slow}
        self.rotated = rotated
        self.rotated_end = rotated_end
        self.memo = Memo()

    def frequencies(self, length: float) -> Frequencies:
        """theta [K/2] and the attention factor where `length` tokens are in use."""
        theta, attention_factor = SCHEDULES[self.schedule](
            self.head_dim,
            base=self.base,
            factor=self.factor,
            original_length=self.original_length,
            length=length,
            **self.yarn,
        )
        turning = rotated_pairs(len(theta), share=self.rotated, end=self.rotated_end)
        return theta * turning, attention_factor

    def tables(
        self, positions: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin of every angle, times the attention factor: [T, K/2], or [B, 1, T, K/2]."""
        # Looked up only where it counts: reading it waits for the device.
        length = positions.max().item() + 1 if self.follows_length else self.original_length
        theta, attention_factor = self.frequencies(length)
        # In float64: float32 would lose the fast pairs' phase at long contexts.
        angles = positions[..., None].double() * theta.to(positions.device)
        if positions.dim() == 2:
            angles = angles[:, None]
        return (
            (angles.cos() * attention_factor).to(dtype),
            (angles.sin() * attention_factor).to(dtype),
        )

    def rotate(
        self, q: torch.Tensor, k: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        dtype = torch.promote_types(q.dtype, torch.float32)
        cos, sin = self.memo(positions, dtype, lambda: self.tables(positions, dtype))
        return turn(q, cos, sin, self.layout), turn(k, cos, sin, self.layout)
