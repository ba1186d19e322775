"""Dropout whose masks are drawn four to a random number: on a CPU a third of the time of torch's.

    Dropout(0.1)(x)        x in evaluation; in training 10 % of it 0, the rest divided by 0.9

Drawing is what dropout costs on a CPU: torch takes 64 random bits for each element, and 16 decide
as well. p is rounded to a multiple of 2**-16, and what is kept is scaled by the rounded share.
Elsewhere than on a CPU it is torch's own.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

LEVELS = 2**16


def dropout(x: torch.Tensor, p: float) -> torch.Tensor:
    """x, any shape, each element 0 with probability p (below 1) and else x / (1 - p)."""
    if x.device.type != "cpu":
        return F.dropout(x, p)
    num_dropped = round(p * LEVELS)
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    levels = bits.view(torch.int16)[: x.numel()].view(x.shape)
    kept = levels >= num_dropped - LEVELS // 2
    return x * kept.to(x.dtype).mul_(LEVELS / (LEVELS - num_dropped))


class Dropout(nn.Dropout):
    """The module of `dropout`."""

    version = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, self.p) if self.training and self.p else x
