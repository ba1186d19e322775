"""Float64 in, a finite float or None out: what every measure does at its two ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A spread below this fraction of the largest value is the rounding of a constant.
ROUNDING = 1e-12


def precise(x: Tensor) -> Tensor:
    """x without its graph, in float64."""
    return x.detach().to(torch.float64)


def number(x: Tensor | float) -> float | None:
    """x as a float; None where it is not finite."""
    value = float(x)
    return value if math.isfinite(value) else None


def varies(x: Tensor, *, dim: int) -> Tensor:
    """Which slices along `dim` are more than the rounding of a constant; `dim` is kept."""
    return x.std(dim=dim, correction=0, keepdim=True) > ROUNDING * x.abs().amax(dim, keepdim=True)
