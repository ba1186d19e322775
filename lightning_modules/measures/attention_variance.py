"""How the variance of attention's output falls along the sequence.

A causal position averages over all before it, so its output varies less the later it stands: under
uniform attention to independent values as 1 / (index + 1), a slope of -1. A slope of 0 carries no
trace of the index.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_modules.measures.number import number, precise


def attention_output_variance(attention: Tensor) -> Tensor:
    """Attention outputs [B, T, D] -> their variance over sequences and features, [T]."""
    return precise(attention).transpose(0, 1).flatten(1).var(dim=1, correction=0)


def attention_variance_slope(attention: Tensor) -> float | None:
    """Least-squares slope of log variance on log(index + 1); None where a variance is 0."""
    variance = attention_output_variance(attention)
    if len(variance) < 2 or not (variance > 0).all():
        return None
    x = torch.arange(1, len(variance) + 1, dtype=variance.dtype, device=variance.device).log()
    x = x - x.mean()
    return number((x * variance.log()).sum() / x.square().sum())
